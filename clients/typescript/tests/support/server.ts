// The real server, on an embedded database or on PostgreSQL, which can be killed and started again on the same port and data.
// The program is $MEOW_PROGRAM, or the debug build. PostgreSQL is that of scripts/with-services.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const DEBUG_BUILD = fileURLToPath(new URL("../../../../target/debug/meowsenger", import.meta.url));
const PROGRAM = process.env.MEOW_PROGRAM ?? DEBUG_BUILD;

export const DATABASES = ["SQLite", "PostgreSQL"] as const;
export type Database = (typeof DATABASES)[number];

/** Whether a database is there. Without PostgreSQL its tests are skipped, unless they are required. */
export function has(database: Database): boolean {
  if (database === "SQLite" || process.env.MEOW_TEST_POSTGRES_URL) return true;
  if (process.env.MEOW_REQUIRE_SERVICES) throw new Error("MEOW_TEST_POSTGRES_URL is not set");
  return false;
}

export class RealServer {
  readonly url: string;
  readonly port: number;
  readonly #folder: string;
  readonly #settings: Record<string, string>;
  #process: ChildProcess | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  log = "";

  private constructor(port: number, folder: string, settings: Record<string, string>) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#settings = settings;
  }

  static async start(database: Database = "SQLite", settings: Record<string, string> = {}): Promise<RealServer> {
    const folder = await mkdtemp(join(tmpdir(), "meow-client."));
    const url = database === "PostgreSQL" ? { DATABASE_URL: createDatabase(), SECRET_KEY: "s".repeat(50) } : {};
    const server = new RealServer(await freePort(), folder, { ...url, ...settings });
    if (database === "PostgreSQL") execFileSync(PROGRAM, ["migrate"], { env: server.#environment, cwd: folder });
    await server.restart();
    return server;
  }

  /** Resolves when it listens. */
  async restart(): Promise<void> {
    const address = `127.0.0.1:${this.port}`;
    const process = spawn(PROGRAM, ["runserver", address], { env: this.#environment, cwd: this.#folder });
    this.#process = process;
    this.#exited = new Promise((resolve) => process.on("exit", resolve));
    await new Promise<void>((resolve, reject) => {
      const read = (text: Buffer) => {
        this.log += text;
        if (String(text).includes(" listens on ")) resolve();
      };
      process.stdout.on("data", read);
      process.stderr.on("data", read);
      process.on("error", reject);
      this.#exited.then(() => reject(new Error(`the server ended:\n${this.log}`)));
    });
  }

  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    this.#process?.kill(signal);
    await this.#exited;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }

  get #environment() {
    const { PATH } = process.env;
    return { PATH, DATA_DIR: join(this.#folder, "data"), THROTTLE: "off", SHUTDOWN_DELAY: "0", ...this.#settings };
  }
}

/** A new database's URL. */
function createDatabase(): string {
  const url = new URL(process.env.MEOW_TEST_POSTGRES_URL ?? "");
  const name = `client_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const psql = process.env.PG_BIN ? join(process.env.PG_BIN, "psql") : "psql";
  execFileSync(psql, [url.href, "-qc", `CREATE DATABASE ${name}`]);
  url.pathname = name;
  return url.href;
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

// The real server, which can be killed and started again on the same port and data.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = new URL("../../target/debug/meowsenger", import.meta.url).pathname;

export class Server {
  log = "";

  static async create(port) {
    const server = new Server();
    server.port = port;
    server.url = `http://127.0.0.1:${port}`;
    server.folder = await mkdtemp(join(tmpdir(), "meow-browser."));
    return server;
  }

  // Resolves when it listens.
  async start(settings) {
    this.settings = settings ?? this.settings;
    const env = { PATH: process.env.PATH, DATA_DIR: this.folder, THROTTLE: "off", ...this.settings };
    const options = { env, cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] };
    this.process = spawn(PROGRAM, ["runserver", `127.0.0.1:${this.port}`], options);
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    await new Promise((resolve, reject) => {
      const read = (text) => {
        this.log += text;
        if (String(text).includes(" listens on ")) resolve();
      };
      this.process.stdout.on("data", read);
      this.process.stderr.on("data", read);
      this.ended.then(() => reject(new Error(`the server ended:\n${this.log}`)));
    });
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async remove() {
    await this.kill();
    await rm(this.folder, { recursive: true });
  }
}

// A port that nobody listens on.
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

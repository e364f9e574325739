// A server and the built client before it, with the server's own policy; and people with a browser each.

import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { preview } from "vite";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = process.env.MEOW_PROGRAM ?? join(ROOT, "target/debug/meowsenger");
export const PASSWORD = "nine-lives-2026";

export class Site {
  /** Starts everything; without `client`, the server alone, whose own pages `open` then opens. */
  static async start({ client = true } = {}) {
    const site = new Site();
    site.folder = await mkdtemp(join(tmpdir(), "meow-web."));
    site.port = await freePort();
    await site.startServer();
    site.url = `http://127.0.0.1:${site.port}`;
    if (client) await site.#servePages();
    site.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
    return site;
  }

  /** Serves the built client before the server. */
  async #servePages() {
    const headers = { "Content-Security-Policy": policy() };
    const target = this.url;
    const proxy = Object.fromEntries(["/api", "/media", "/ws"].map((path) => [path, { target, ws: path === "/ws" }]));
    const root = join(ROOT, "web");
    this.pages = await preview({ root, logLevel: "error", preview: { host: "127.0.0.1", port: await freePort(), proxy, headers } });
    this.url = this.pages.resolvedUrls.local[0].replace(/\/$/, "");
  }

  /** Resolves when the server listens. */
  async startServer() {
    this.server = spawn(PROGRAM, ["runserver", `127.0.0.1:${this.port}`], this.#surroundings);
    this.ended = new Promise((resolve) => this.server.on("exit", resolve));
    this.log = "";
    await new Promise((resolve, reject) => {
      const read = (text) => {
        this.log += text;
        if (this.log.includes(" listens on ")) resolve();
      };
      this.server.stdout.on("data", read);
      this.server.stderr.on("data", read);
      this.server.on("error", reject);
      this.ended.then(() => reject(new Error(`the server ended:\n${this.log}`)));
    });
  }

  get #surroundings() {
    const env = { PATH: process.env.PATH, DATA_DIR: join(this.folder, "data"), THROTTLE: "off", SHUTDOWN_DELAY: "0" };
    return { env, cwd: this.folder };
  }

  /** Makes a superuser, as an operator does. */
  async superuser(username) {
    const { env, cwd } = this.#surroundings;
    const account = { DJANGO_SUPERUSER_USERNAME: username, DJANGO_SUPERUSER_PASSWORD: PASSWORD };
    await promisify(execFile)(PROGRAM, ["createsuperuser", "--noinput"], { env: { ...env, ...account }, cwd });
    return this.call("POST", "/api/auth/login/", { username, password: PASSWORD });
  }

  async killServer() {
    this.server.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    await this.browser?.close();
    await this.pages?.close();
    await this.killServer();
    await rm(this.folder, { recursive: true });
  }

  /** A call of the API, as a program makes it. */
  async call(method, path, body, access) {
    const headers = { "Content-Type": "application/json", ...(access ? { Authorization: `Bearer ${access}` } : {}) };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  register(username, profile = {}) {
    return this.call("POST", "/api/auth/register/", { username, password: PASSWORD, ...profile });
  }

  /** A page in a browser of its own. Its errors, those of the policy included, are in `page.errors`. */
  async open(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 800 }, baseURL: this.url, ...options });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.errors = [];
    page.on("pageerror", (error) => page.errors.push(error.stack));
    page.on("console", (line) => {
      // A call that fails, as while offline, is no fault of the page.
      const isFault = line.type() === "error" && !/Failed to load resource|WebSocket connection/.test(line.text());
      if (isFault) page.errors.push(line.text());
    });
    return page;
  }

  /** A page of staff who have logged in to the admin site. */
  async openAdmin(username, options) {
    const page = await this.open({ baseURL: `http://127.0.0.1:${this.port}`, ...options });
    await page.goto("/admin/");
    await page.getByLabel("Username or e-mail address").fill(username);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    return page;
  }

  /** A page of somebody who has an account and logs in. */
  async logIn(username, options) {
    const page = await this.open(options);
    await page.goto("/login");
    await page.getByLabel("Username or email").fill(username);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Chats", exact: true }).waitFor();
    return page;
  }
}

/** The Content-Security-Policy that the server sends with the client. */
function policy() {
  const source = readFileSync(join(ROOT, "src/http/web.rs"), "utf8");
  const [, text] = /const POLICY: &str = "([^"]*)"/.exec(source);
  return text.replace(/\\\n\s*/g, "");
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

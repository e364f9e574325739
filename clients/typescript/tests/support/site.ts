// A site with the package as one module, on an origin of its own, in headless Chromium.

import { existsSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { install } from "./program.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--disable-background-networking",
  "--no-first-run",
];

/** Chromium's program, if it is there. */
export const CHROMIUM = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);

export class Site {
  readonly origin: string;
  readonly #server: HttpServer;
  readonly #browser: Browser;

  private constructor(server: HttpServer, browser: Browser) {
    this.origin = `http://localhost:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#browser = browser;
  }

  static async open(): Promise<Site> {
    const { entry, remove } = install();
    const options = { bundle: true, format: "esm", platform: "browser", write: false } as const;
    const { outputFiles } = await build({ entryPoints: [entry], ...options });
    const module = outputFiles[0]?.text;
    remove();
    const server = createServer(({ url }, answer) => {
      const type = url === "/client.js" ? "text/javascript" : "text/html";
      answer.writeHead(200, { "Content-Type": type }).end(url === "/client.js" ? module : "<!doctype html>");
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const browser = await chromium.launch({ executablePath: CHROMIUM ?? "", args: FLAGS });
    return new Site(server, browser);
  }

  /** A browser profile: tabs of one share their storage. */
  device(): Promise<BrowserContext> {
    return this.#browser.newContext();
  }

  /** A tab with the package as `meow`, a `server` at this URL, and `connect`, which continues the stored session. */
  async tab(device: BrowserContext, api: string): Promise<Page> {
    const tab = await device.newPage();
    await this.load(tab, api);
    return tab;
  }

  /** Loads the page, again. */
  async load(tab: Page, api: string): Promise<void> {
    await tab.goto(this.origin);
    await tab.evaluate(
      `(async () => {
        globalThis.meow = await import("/client.js");
        globalThis.server = new meow.Server(${JSON.stringify(api)}, { storage: await meow.browserStorage() });
        globalThis.connect = async () => {
          globalThis.client = await server.resume();
          globalThis.events = [];
          globalThis.live = client.connect({ backoffBase: 50, backoffCap: 200 });
          live.listen(({ type }) => events.push(type));
        };
      })()`,
    );
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
  }
}

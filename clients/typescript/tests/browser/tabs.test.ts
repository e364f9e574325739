// What only a browser can show: tabs that share tokens by Web Locks and a storage in IndexedDB, and what a closed page leaves.

import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RealServer } from "../support/server.ts";
import { CHROMIUM, Site } from "../support/site.ts";

if (!CHROMIUM) console.log("SKIPPED: there is no Chromium; set CHROMIUM to its program");

const PASSWORD = "nine-lives-2026";

describe.skipIf(!CHROMIUM)("in Chromium", () => {
  let site: Site;
  let real: RealServer;
  let device: BrowserContext;
  beforeAll(async () => {
    site = await Site.open();
    real = await RealServer.start("SQLite", { CORS_ALLOWED_ORIGINS: site.origin, ACCESS_TOKEN_LIFETIME: "2s" });
    device = await site.device();
  });
  afterAll(async () => {
    await site?.close();
    await real?.remove();
  });

  /** Somebody new, whose session is stored. Returns the tab. */
  async function register(name: string): Promise<Page> {
    const tab = await site.tab(device, real.url);
    await tab.evaluate(`server.register({ username: "${name}", password: "${PASSWORD}" })`);
    return tab;
  }

  test("tabs refresh once, although all need it at the same moment", async () => {
    const first = await register("tabs");
    const tabs = [first, await site.tab(device, real.url), await site.tab(device, real.url)];
    let refreshes = 0;
    device.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/refresh/")) refreshes += 1;
    });
    for (const tab of tabs) await tab.evaluate("(async () => { globalThis.client = await server.resume(); })()");
    const access = await first.evaluate('server.storage.get("tokens").then(({ access }) => access)');
    const isValid = async () => {
      const body = JSON.stringify({ token: access });
      const headers = { "Content-Type": "application/json" };
      return (await fetch(`${real.url}/api/auth/verify/`, { method: "POST", headers, body })).ok;
    };
    await expect.poll(isValid, { timeout: 20_000 }).toBe(false);
    const names = await Promise.all(
      tabs.map((tab) => tab.evaluate("client.account.get().then(({ username }) => username)")),
    );
    expect(names).toEqual(["tabs", "tabs", "tabs"]);
    expect(refreshes).toBe(1);
    for (const tab of tabs) await tab.close();
  });

  test("a page opens with what it had, and sends once what was written while the server was down", async () => {
    const tab = await register("writer");
    await tab.evaluate("connect()");
    const chat = await tab.evaluate(`client.chats.createGroup({ name: "Cats" }).then(({ id }) => id)`);
    await tab.evaluate(`live.outbox.add(${chat}, { content: "one" })`);
    await tab.waitForFunction(
      `live.replica.chats.get(${chat})?.messages.size === 1 && live.outbox.items().length === 0`,
    );
    // What is not saved yet would be fetched again, but the server is down.
    const stored = () => tab.evaluate(`server.storage.get("chats/${chat}").then((stored) => stored?.messages.length)`);
    await expect.poll(stored, { timeout: 20_000 }).toBe(1);
    await real.kill();
    for (const content of ["two", "three"]) await tab.evaluate(`live.outbox.add(${chat}, { content: "${content}" })`);
    await tab.close();

    const next = await site.tab(device, real.url);
    await next.evaluate("connect()");
    await next.waitForFunction(`live.replica.chats.get(${chat})?.messages.size === 1`);
    await next.waitForFunction(`live.outbox.items(${chat}).length === 2`);
    expect(await next.evaluate("events.includes('ready')")).toBe(false);
    const other = await site.tab(device, real.url);
    await other.evaluate("connect()");
    await real.restart();
    const history = `live.replica.chats.get(${chat})?.history().map(({ content }) => content).join()`;
    for (const page of [next, other]) {
      await page.waitForFunction(`${history} === "one,two,three" && live.outbox.items().length === 0`, null, {
        timeout: 20_000,
      });
      await page.close();
    }
  });

  test("an upload says how much was sent, and can be stopped", async () => {
    const tab = await register("uploader");
    const [progress, attachment] = (await tab.evaluate(`(async () => {
      const client = await server.resume();
      const progress = [];
      const file = new File([new Uint8Array(3_000_000)], "big.bin");
      const onProgress = (sent, total) => progress.push([sent, total]);
      return [progress, await client.attachments.upload(file, { onProgress })];
    })()`)) as [[number, number][], { name: string; size: number }];
    expect(attachment).toMatchObject({ name: "big.bin", size: 3_000_000 });
    const [sent, total] = progress.at(-1) ?? [0, 0];
    expect([sent, total > 3_000_000]).toEqual([total, true]);
    const stopped = tab.evaluate(`(async () => {
      const client = await server.resume();
      const stop = new AbortController();
      const onProgress = () => stop.abort(new Error("stopped"));
      const file = new Blob([new Uint8Array(10_000_000)]);
      return client.attachments.upload(file, { onProgress, signal: stop.signal }).catch(({ message }) => message);
    })()`);
    expect(await stopped).toBe("stopped");
    const empty = `server.resume().then((client) => client.attachments.upload(new Blob([])))`;
    expect(await tab.evaluate(`${empty}.catch((error) => error.field("file"))`)).toEqual([
      "The submitted file is empty.",
    ]);
  });

  test("a logout ends the session in every tab, and leaves nothing in the browser", async () => {
    const tab = await register("leaver");
    const other = await site.tab(device, real.url);
    for (const page of [tab, other]) {
      await page.evaluate("connect()");
      await page.waitForFunction("events.includes('synced')");
    }
    await tab.evaluate(`live.outbox.add(999, { content: "to nobody" })`);
    await tab.evaluate("client.logOut()");
    expect(await other.evaluate("live.ended.then(({ name }) => name)")).toBe("SessionEnded");
    expect(await other.evaluate("server.storage.list('').then(({ size }) => size)")).toBe(0);
    expect(await other.evaluate("localStorage.length")).toBe(0);
  });
});

// What docs/browser.md promises, in headless Chromium against the real server, which is of another
// origin than the page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { serve } from "./page.mjs";
import { Server, freePort } from "./server.mjs";

const PASSWORD = "nine-lives-2026";
const FLAGS = [
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

let server, site, stranger, browser, devices;

before(async () => {
  server = await Server.create(await freePort());
  [site, stranger] = [await serve(server.url), await serve(server.url)];
  // Tokens that expire while the tests run.
  await server.start({ CORS_ALLOWED_ORIGINS: site.origin, ACCESS_TOKEN_LIFETIME: "5s" });
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: FLAGS });
  devices = { alice: await browser.newContext(), bob: await browser.newContext() };
});

after(async () => {
  await browser?.close();
  site?.close();
  stranger?.close();
  await server?.remove();
});

// A tab with the page, and with its module as `meow`.
async function open(device, origin = site.origin) {
  const tab = await device.newPage();
  tab.refreshes = 0;
  tab.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/api/auth/refresh/")) tab.refreshes++;
  });
  tab.on("pageerror", (error) => assert.fail(`in the page: ${error.stack}`));
  await load(tab, origin);
  return tab;
}

async function load(tab, origin = site.origin) {
  await tab.goto(origin);
  await tab.evaluate(async () => {
    window.meow = await import("./meow.js");
  });
}

const enter = (tab, name) =>
  tab.evaluate(([name, password]) => meow.enter("register", name, password), [name, PASSWORD]);

const call = (tab, ...words) => tab.evaluate((words) => meow.call(...words), words);

// What a call throws: its class, status and fields.
const failure = (tab, ...words) =>
  tab.evaluate(
    (words) =>
      meow.call(...words).then(
        (answer) => ({ answer }),
        ({ constructor, status, fields, requestId }) => ({
          name: constructor.name,
          status,
          fields,
          requestId,
        }),
      ),
    words,
  );

// Connects, and waits until the tab knows what there is.
async function goLive(tab) {
  await tab.evaluate(() => {
    window.live = new meow.Live();
    window.ended = live.run().then(() => "stopped", (error) => error.constructor.name);
  });
  await tab.waitForFunction(() => live.epoch !== null && !live.syncing);
}

// Waits until the tab has exactly these messages of a chat, in this order.
async function shows(tab, chat, contents) {
  const known = ([chat]) =>
    JSON.stringify([...(live.chats.get(chat)?.messages ?? [])].sort(([a], [b]) => a - b).map(([, m]) => m.content));
  try {
    await tab.waitForFunction(
      ([chat, expected]) => {
        const messages = [...(live.chats.get(chat)?.messages ?? [])].sort(([a], [b]) => a - b);
        return JSON.stringify(messages.map(([, message]) => message.content)) === JSON.stringify(expected);
      },
      [chat, contents],
      { timeout: 20_000 },
    );
  } catch {
    assert.fail(`${await tab.evaluate(known, [chat])} instead of ${JSON.stringify(contents)}`);
  }
}

// Waits until an access token has expired.
async function expiry(token) {
  const body = JSON.stringify({ token });
  const headers = { "Content-Type": "application/json" };
  const verify = () => fetch(`${server.url}/api/auth/verify/`, { method: "POST", headers, body });
  while ((await verify()).status !== 401) await new Promise((resolve) => setTimeout(resolve, 50));
}

let alice, second, bob, chat;

test("tabs share a session, and errors say what is wrong", async () => {
  alice = await open(devices.alice);
  second = await open(devices.alice);
  bob = await open(devices.bob);
  await enter(alice, "alice");
  const { id } = await enter(bob, "bob");
  assert.equal((await call(second, "GET", "/api/auth/me/")).username, "alice");
  const wrong = await failure(second, "PATCH", "/api/auth/me/", { username: "" });
  assert.deepEqual([wrong.name, wrong.status], ["ApiError", 400]);
  assert.deepEqual(wrong.fields, { username: ["This field may not be blank."] });
  assert.match(wrong.requestId, /^[\w.-]+$/);
  chat = (await call(alice, "POST", "/api/chats/", { type: "private", members: [id] })).id;
});

test("a page of a foreign origin can neither call nor connect", async () => {
  const foreign = await open(devices.bob, stranger.origin);
  const outcome = await foreign.evaluate(async (url) => {
    const fetched = await fetch(`${url}/api/schema/`).then(() => "read", (error) => error.name);
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/`);
    const opened = await new Promise((resolve) => {
      socket.onopen = () => resolve("opened");
      socket.onerror = () => resolve("refused");
    });
    return [fetched, opened];
  }, server.url);
  assert.deepEqual(outcome, ["TypeError", "refused"]);
  await foreign.close();
});

test("tabs that refresh at the same time keep their session, and take turns", async () => {
  const access = await alice.evaluate(() => JSON.parse(localStorage.getItem("meow.tokens")).access);
  await expiry(access);
  alice.refreshes = second.refreshes = 0;
  const me = ["GET", "/api/auth/me/"];
  const names = await Promise.all([alice, alice, second, second].map((tab) => call(tab, ...me)));
  assert.deepEqual(names.map(({ username }) => username), Array(4).fill("alice"));
  // One a tab at most: a tab may see what the other wrote to localStorage a moment late. Without the lock there are four.
  const refreshes = alice.refreshes + second.refreshes;
  assert.ok(refreshes >= 1 && refreshes <= 2, `${refreshes} refreshes`);
  const after = await alice.evaluate(() => JSON.parse(localStorage.getItem("meow.tokens")).access);
  assert.notEqual(after, access);
});

test("an avatar is uploaded as a blob and shown", async () => {
  const width = await alice.evaluate(async () => {
    const canvas = document.createElement("canvas");
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/webp"));
    const { avatar } = await meow.setAvatar(blob);
    const image = new Image();
    image.src = avatar;
    await image.decode();
    return image.naturalWidth;
  });
  assert.equal(width, 300);
});

test("every tab and device has every message once, although the server is killed", async () => {
  for (const tab of [alice, second, bob]) await goLive(tab);
  const send = (tab, content) =>
    tab.evaluate(([chat, content]) => meow.send(chat, content), [chat, content]);
  const contents = ["one", "two", "three"];
  for (const content of contents) await send(bob, content);
  for (const tab of [alice, second, bob]) await shows(tab, chat, contents);

  // The server dies while messages are sent, and before their answers arrive.
  const sending = ["four", "five", "six"].map((content) => send(alice, content));
  await server.kill();
  // This one is written while it is down, in a tab that is then reloaded.
  await second.evaluate(([chat]) => void meow.send(chat, "seven"), [chat]);
  await load(second);
  await server.start();
  await Promise.all(sending);
  await second.evaluate(() => meow.sendAgain());
  await goLive(second);

  const { results } = await call(bob, "GET", `/api/chats/${chat}/messages/?after=0`);
  const stored = results.map(({ content }) => content);
  assert.deepEqual([...stored].sort(), [...contents, "four", "five", "six", "seven"].sort());
  for (const tab of [alice, bob]) await shows(tab, chat, stored);
  // A chat that was not known comes with its newest message.
  await shows(second, chat, stored.slice(-1));
  await send(bob, "eight");
  for (const tab of [alice, bob]) await shows(tab, chat, [...stored, "eight"]);
  assert.deepEqual(await second.evaluate(() => Object.keys(localStorage)), ["meow.tokens"]);
});

test("a logout ends the session in every tab", async () => {
  await alice.evaluate(() => meow.logOut());
  assert.equal((await failure(second, "GET", "/api/auth/me/")).name, "SessionEnded");
  for (const tab of [alice, second]) assert.equal(await tab.evaluate(() => ended), "SessionEnded");
  assert.equal((await call(bob, "GET", "/api/auth/me/")).username, "bob");
});

test("the page logs in, sends, and shows messages as text", async () => {
  const page = await open(await browser.newContext());
  await page.fill("[name=username]", "bob");
  await page.fill("[name=password]", PASSWORD);
  await page.click("#login button");
  await page.waitForFunction(() => live.socket?.readyState === WebSocket.OPEN);
  await page.fill("[name=chat]", String(chat));
  await page.fill("[name=content]", "<b>meow</b>");
  await page.click("#write button");
  await page.waitForSelector("text=bob: <b>meow</b>");
  await page.reload();
  await page.waitForSelector("text=bob: <b>meow</b>");
});

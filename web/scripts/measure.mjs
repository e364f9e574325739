// Measures what people wait for: the first load, opening a chat, and scrolling through 10,000 messages. Prints a table for
// docs/performance.md, and fails beyond its limits. For the optimised server, set MEOW_PROGRAM to it.

import { Site } from "../e2e/support.mjs";

const CHATS = 20;
const MESSAGES = Number(process.env.MESSAGES ?? 10_000);
/** Milliseconds until a chat is shown, at the median, and of the longest task while scrolling; and bytes of the first load. */
const LIMITS = { open: 100, task: 50, bytes: 150_000 };

const site = await Site.start();
// As the binary serves it: compressed.
site.url = `http://127.0.0.1:${site.port}`;
try {
  await fill();
  const page = await site.open();
  const { bytes, shown } = await firstLoad(page);
  const opened = await openChats(page);
  const { longest, frames } = await scrollBack(page);
  const median = opened[Math.floor(opened.length / 2)];
  const rows = [
    ["first load, compressed", `${(bytes / 1000).toFixed(1)} KB`, `≤ ${LIMITS.bytes / 1000} KB`],
    ["from the address to the login form, empty cache", `${shown} ms`, ""],
    [`opening one of ${CHATS} chats, median`, `${median} ms`, `≤ ${LIMITS.open} ms`],
    [`opening one of ${CHATS} chats, slowest`, `${opened.at(-1)} ms`, ""],
    [`longest task while scrolling through ${MESSAGES.toLocaleString("en")} messages`, longest ? `${longest} ms` : "under 50 ms", `≤ ${LIMITS.task} ms`],
    ["frames that took longer than 50 ms meanwhile", `${frames.slow} of ${frames.all}`, ""],
  ];
  console.log("| what | measured | goal |\n| --- | --- | --- |");
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
  if (bytes > LIMITS.bytes || median > LIMITS.open || longest > LIMITS.task) process.exitCode = 1;
} finally {
  await site.stop();
}

/** Ann has a chat with 10,000 messages, and others with 60 each. */
async function fill() {
  const ann = await site.register("ann", { first_name: "Ann" });
  const send = (chat, by, n) =>
    site.call("POST", `/api/chats/${chat.id}/messages/`, { content: `Message ${n}, ${"and more of it ".repeat(n % 7)}` }, by.access);
  for (let index = 0; index < CHATS; index++) {
    const other = await site.register(`friend${index}`, { first_name: `Friend ${index}` });
    const chat = await site.call("POST", "/api/chats/", { type: "private", members: [other.user.id] }, ann.access);
    const many = index === CHATS - 1 ? MESSAGES : 60;
    // In batches, each in order of arrival: the server commits them together.
    for (let n = 1; n <= many; n += 100) {
      const batch = Array.from({ length: Math.min(100, many - n + 1) }, (_, offset) => n + offset);
      await Promise.all(batch.map((number) => send(chat, number % 3 ? ann : other, number)));
    }
  }
}

async function firstLoad(page) {
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  let bytes = 0;
  network.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const start = performance.now();
  await page.goto("/login");
  await page.getByRole("button", { name: "Log in" }).waitFor();
  const shown = Math.round(performance.now() - start);
  await page.waitForLoadState("networkidle");
  const result = { bytes, shown };
  await page.getByLabel("Username or email").fill("ann");
  await page.getByLabel("Password", { exact: true }).fill("nine-lives-2026");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("link", { name: /Friend 0/ }).waitFor();
  await page.waitForLoadState("networkidle");
  return result;
}

/** How long each chat takes from the click until its last message has been painted, sorted. */
async function openChats(page) {
  const times = [];
  for (let index = 0; index < CHATS; index++) {
    const name = `Friend ${index}`;
    times.push(
      await page.evaluate(
        (name) =>
          new Promise((resolve) => {
            const heading = () => document.querySelector("main h2")?.textContent === name;
            const row = [...document.querySelectorAll("a")].find((link) => new RegExp(`${name}(?!\\d)`).test(link.textContent));
            const start = performance.now();
            row.click();
            setTimeout(() => resolve(Number.POSITIVE_INFINITY), 10_000);
            const look = () => {
              if (!heading() || document.querySelectorAll("[data-seq]").length < 20) return requestAnimationFrame(look);
              // The frame after this one shows it.
              requestAnimationFrame(() => resolve(Math.round(performance.now() - start)));
            };
            look();
          }),
        name,
      ),
    );
  }
  return times.sort((a, b) => a - b);
}

/** Scrolls from the last to the first message of the long chat. */
async function scrollBack(page) {
  await page.evaluate(() => {
    globalThis.measured = { longest: 0, slow: 0, all: 0 };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) measured.longest = Math.max(measured.longest, Math.round(duration));
    }).observe({ type: "longtask" });
    let last = performance.now();
    const frame = (now) => {
      measured.all++;
      if (now - last > 50) measured.slow++;
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  // In the page, frame by frame: finding elements from outside takes longer than what is measured.
  await page.evaluate(async () => {
    const scroller = document.querySelector("[role=region][tabindex]");
    const end = performance.now() + 120_000;
    while (!document.querySelector('[data-seq="1"]')) {
      if (performance.now() > end) throw new Error(`stuck at ${scroller.querySelector("[data-seq]").dataset.seq}`);
      scroller.scrollBy(0, -800);
      await new Promise(requestAnimationFrame);
    }
  });
  const { longest, slow, all } = await page.evaluate(() => measured);
  return { longest, frames: { slow, all } };
}

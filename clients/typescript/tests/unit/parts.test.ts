// Small parts: backoff, events, locks, storage in memory.

import { afterEach, expect, test, vi } from "vitest";
import { Backoff, sleep } from "../../src/backoff.ts";
import { Events, EventsLost } from "../../src/events.ts";
import { withLock } from "../../src/locks.ts";
import { MemoryStorage } from "../../src/storage.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("delays grow to the cap and are jittered down to nothing", () => {
  const delays = (random: number) => {
    vi.spyOn(Math, "random").mockReturnValue(random);
    const backoff = new Backoff(100, 5_000);
    return Array.from({ length: 8 }, () => backoff.next());
  };
  expect(delays(1)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(delays(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});

test("a success starts over", () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  const backoff = new Backoff(1, 60_000);
  for (let attempt = 0; attempt < 2_000; attempt++) backoff.next();
  expect(backoff.next()).toBe(60_000);
  backoff.reset();
  expect(backoff.next()).toBe(1);
});

test("a sleep is stopped by its signal", async () => {
  const stop = new AbortController();
  const sleeping = sleep(60_000, stop.signal);
  stop.abort(new Error("enough"));
  await expect(sleeping).rejects.toThrow("enough");
  await expect(sleep(60_000, stop.signal)).rejects.toThrow("enough");
});

test("an iterator gets the events from its start on, in order, and ends with `ended`", async () => {
  const events = new Events();
  events.deliver({ type: "synced" });
  const iterator = events.iterate();
  for (let chat = 1; chat <= 3; chat++) events.deliver({ type: "chatDeleted", chat });
  events.deliver({ type: "ended", error: new Error("over") });
  events.deliver({ type: "synced" });
  const types: string[] = [];
  for await (const { type } of iterator) types.push(type);
  expect(types).toEqual(["chatDeleted", "chatDeleted", "chatDeleted", "ended"]);
});

test("an iterator that is not read loses its events rather than all memory, and says so", async () => {
  const events = new Events();
  const iterator = events.iterate();
  for (let chat = 0; chat <= 10_000; chat++) events.deliver({ type: "chatDeleted", chat });
  await expect(iterator.next()).rejects.toBeInstanceOf(EventsLost);
});

test("a loop that is left stops its iterator", async () => {
  const events = new Events();
  const iterator = events.iterate();
  events.deliver({ type: "synced" });
  for await (const _ of iterator) break;
  events.deliver({ type: "synced" });
  expect(await iterator.next()).toEqual({ done: true, value: undefined });
});

test("a lock lets one task run at a time, also after one has failed", async () => {
  const running: string[] = [];
  const task = (name: string) => async () => {
    running.push(name);
    await Promise.resolve();
    expect(running).toEqual([name]);
    running.pop();
    if (name === "b") throw new Error("failed");
    return name;
  };
  const outcomes = await Promise.allSettled(["a", "b", "c"].map((name) => withLock("test", task(name))));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("a storage in memory keeps copies, and lists keys in order", async () => {
  const storage = new MemoryStorage();
  const value = { list: [1] };
  await storage.write(
    new Map<string, unknown>([
      ["b/2", value],
      ["b/1", "one"],
      ["a", 0],
    ]),
  );
  value.list.push(2);
  expect(await storage.get("b/2")).toEqual({ list: [1] });
  expect([...(await storage.list("b/")).keys()]).toEqual(["b/1", "b/2"]);
  await storage.write(new Map([["b/1", undefined]]));
  expect([...(await storage.list("b/")).keys()]).toEqual(["b/2"]);
});

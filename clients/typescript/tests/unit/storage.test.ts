// Both storages keep the same promises; IndexedDB is an implementation in memory here, and Chromium's in tests/browser.

import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import { browserStorage } from "../../src/indexed_db.ts";
import { MemoryStorage, type Storage } from "../../src/storage.ts";

let databases = 0;
const storages: [string, () => Promise<Storage>][] = [
  ["memory", async () => new MemoryStorage()],
  [
    "IndexedDB",
    () => {
      databases += 1;
      return browserStorage(`test${databases}`);
    },
  ],
];

test.each(storages)("%s keeps copies, lists keys in order, removes and clears", async (_, open) => {
  const storage = await open();
  const value = { list: [1], at: Infinity };
  await storage.write(
    new Map<string, unknown>([
      ["b/2", value],
      ["b/1", "one"],
      ["a", 0],
      ["b", 1],
      ["c", 2],
    ]),
  );
  value.list.push(2);
  expect(await storage.get("b/2")).toEqual({ list: [1], at: Infinity });
  expect(await storage.get("missing")).toBeUndefined();
  expect([...(await storage.list("b/"))]).toEqual([
    ["b/1", "one"],
    ["b/2", { list: [1], at: Infinity }],
  ]);
  await storage.write(
    new Map<string, unknown>([
      ["b/1", undefined],
      ["a", 3],
    ]),
  );
  expect([...(await storage.list("b/")).keys(), await storage.get("a")]).toEqual(["b/2", 3]);
  await storage.clear();
  expect((await storage.list("")).size).toBe(0);
});

test.each(storages)("%s writes all of the changes or none", async (_, open) => {
  const storage = await open();
  const changes = new Map<string, unknown>([
    ["a", 1],
    ["b", () => "a function cannot be copied"],
  ]);
  await expect(storage.write(changes)).rejects.toThrow();
  expect((await storage.list("")).size).toBe(0);
});

test("a database is shared by all who open it, and each name is one of its own", async () => {
  const [first, second, other] = [
    await browserStorage("shared"),
    await browserStorage("shared"),
    await browserStorage("other"),
  ];
  await first.write(new Map([["a", 1]]));
  expect([await second.get("a"), await other.get("a")]).toEqual([1, undefined]);
});

test("a database that the browser closes is opened again", async () => {
  const storage = await browserStorage("closed");
  await storage.write(new Map([["a", 1]]));
  // Deleting it asks all who have it open to close it.
  await new Promise((resolve) => {
    indexedDB.deleteDatabase("closed").onsuccess = resolve;
  });
  await storage.write(new Map([["b", 2]]));
  expect([await storage.get("a"), await storage.get("b")]).toEqual([undefined, 2]);
});

test("without IndexedDB a page uses memory", async () => {
  vi.stubGlobal("indexedDB", undefined);
  expect(await browserStorage("none")).toBeInstanceOf(MemoryStorage);
  vi.unstubAllGlobals();
});

// One refresh for all tabs, and a session that survives lost answers.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NetworkError, SessionEnded } from "../../src/errors.ts";
import { MemoryStorage } from "../../src/storage.ts";
import { type Exchange, Tokens } from "../../src/tokens.ts";
import { ME, user } from "../support/bodies.ts";
import { logIn, pair, type Received } from "../support/fakes.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const start = (storage: MemoryStorage, refresh: Exchange, lifetime = 900) =>
  Tokens.start(storage, refresh, ME, pair(1, lifetime));

test("concurrent rejections cause one refresh, in all tabs", async () => {
  const storage = new MemoryStorage();
  const refresh = vi.fn(async () => pair(2));
  const first = await start(storage, refresh);
  const second = await Tokens.resume(storage, refresh);
  const rejected = pair(1).access;
  const tokens = await Promise.all([first.replace(rejected), second?.replace(rejected), first.replace(rejected)]);
  expect(tokens).toEqual([pair(2).access, pair(2).access, pair(2).access]);
  expect(refresh).toHaveBeenCalledOnce();
});

test("a token is refreshed before it expires, and stored before it is used", async () => {
  const storage = new MemoryStorage();
  const refresh = vi.fn(async () => pair(2, 100));
  const tokens = await start(storage, refresh, 100);
  vi.advanceTimersByTime(79_000);
  expect(await tokens.access()).toBe(pair(1, 100).access);
  vi.advanceTimersByTime(2_000);
  expect(await tokens.access()).toBe(pair(2, 100).access);
  expect(await storage.get("tokens")).toMatchObject(pair(2, 100));
  expect(refresh).toHaveBeenCalledOnce();
});

test("a refresh without an answer is no end: the old token is valid for a while", async () => {
  const lost = async () => Promise.reject(new NetworkError("cut"));
  const tokens = await start(new MemoryStorage(), lost, 10);
  vi.advanceTimersByTime(9_000);
  expect(await tokens.access()).toBe(pair(1, 10).access);
});

test("a logout in one tab ends the session in the others", async () => {
  const storage = new MemoryStorage();
  const first = await start(storage, async () => pair(2));
  const second = await Tokens.resume(storage, async () => pair(2));
  await first.forget();
  await expect(second?.replace(pair(1).access)).rejects.toBeInstanceOf(SessionEnded);
});

test("a lost answer of a refresh is asked for again within 10 seconds, with the same token", async () => {
  const refreshes: { at: number; body: unknown }[] = [];
  const reply = ({ path, access, body }: Received) => {
    if (path !== "/api/auth/refresh/") {
      const isNew = access === pair(2).access;
      return isNew ? { status: 200, body: user(ME) } : { status: 401, body: { detail: "Given token not valid." } };
    }
    refreshes.push({ at: Date.now(), body });
    return refreshes.length < 3 ? ("silence" as const) : { status: 200, body: pair(2) };
  };
  const client = await logIn(reply);
  const me = client.account.get();
  await vi.runAllTimersAsync();
  expect(await me).toEqual(user(ME));
  expect(new Set(refreshes.map(({ body }) => JSON.stringify(body)))).toEqual(new Set(['{"refresh":"refresh 1"}']));
  const [first, , last] = refreshes;
  expect((last?.at ?? 0) - (first?.at ?? 0)).toBeLessThan(9_000);
});

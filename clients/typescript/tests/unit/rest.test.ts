// Calls: errors, retries, timeouts and tokens.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, NetworkError, ProtocolError, SessionEnded } from "../../src/errors.ts";
import { MemoryStorage } from "../../src/storage.ts";
import { chat, ME, OTHER, user } from "../support/bodies.ts";
import { logIn, pair, type Received, type Reply } from "../support/fakes.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A client whose calls get these replies, one after the other; the last one again and again. */
async function scripted(...replies: Reply[]) {
  const calls: Received[] = [];
  const client = await logIn((call) => {
    calls.push(call);
    return replies[Math.min(calls.length, replies.length) - 1] ?? "silence";
  });
  return { client, calls };
}

/** What a promise is rejected with, while time passes as fast as it can. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  const settled = promise.then(
    () => expect.unreachable("it succeeded"),
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return settled;
}

async function success<T>(promise: Promise<T>): Promise<T> {
  await vi.runAllTimersAsync();
  return promise;
}

test("errors have the server's texts, field by field, and the id of the request", async () => {
  const headers = { "X-Request-ID": "r-1", "Retry-After": "3" };
  const { client } = await scripted({ status: 400, body: { username: ["Too long.", "Taken."] }, headers });
  const error = await failure(client.account.update({ username: "x" }));
  expect(error).toBeInstanceOf(ApiError);
  const { kind, status, errors, requestId, retryAfter, message } = error as ApiError;
  expect({ kind, status, errors, requestId, retryAfter, message }).toEqual({
    kind: "invalid",
    status: 400,
    errors: { username: ["Too long.", "Taken."] },
    requestId: "r-1",
    retryAfter: 3_000,
    message: "username: Too long. Taken.",
  });
  expect([(error as ApiError).field("username"), (error as ApiError).field("email")]).toEqual([
    ["Too long.", "Taken."],
    [],
  ]);
});

test("an error without JSON, as proxies send it, has a kind", async () => {
  const answer = new Headers();
  const error = ApiError.fromAnswer(502, answer, "<html>");
  expect([error.kind, error.isTransient, error.message]).toEqual(["unavailable", true, "HTTP status 502"]);
  expect(ApiError.fromAnswer(500, answer, "{}").kind).toBe("server_error");
  expect(ApiError.fromAnswer(418, answer, "[1]").kind).toBe("other");
});

test("an answer that is not JSON is a protocol error", async () => {
  const { client } = await scripted({ status: 200 });
  expect(await failure(client.account.get())).toBeInstanceOf(ProtocolError);
});

test("an idempotent call is retried after lost answers, 429 and 503, with one id, and waits as told", async () => {
  const busy = { status: 503, body: { detail: "Later." }, headers: { "Retry-After": "7" } };
  const { client, calls } = await scripted(new TypeError("cut"), busy, { status: 200, body: user(ME) });
  const start = Date.now();
  expect(await success(client.account.get())).toEqual(user(ME));
  expect(Date.now() - start).toBeGreaterThanOrEqual(7_000);
  expect(new Set(calls.map(({ requestId }) => requestId)).size).toBe(1);
});

test("a call is given up at the deadline, and an attempt at the timeout", async () => {
  const { client, calls } = await scripted("silence");
  const start = Date.now();
  expect(await failure(client.account.get())).toBeInstanceOf(NetworkError);
  expect(Date.now() - start).toBeLessThanOrEqual(70_000);
  expect(calls.length).toBeGreaterThan(4);
});

test("what is not idempotent is sent once", async () => {
  const { client, calls } = await scripted(new TypeError("cut"));
  expect(await failure(client.chats.createGroup({ name: "Cats" }))).toBeInstanceOf(NetworkError);
  expect(calls).toHaveLength(1);
});

test("sending is idempotent: each attempt has the same client_id", async () => {
  const { client, calls } = await scripted(new TypeError("cut"), { status: 201, body: {} });
  await success(client.messages.send(1, { content: "Meow!" }));
  const ids = calls.map(({ body }) => (body as { client_id: string }).client_id);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(ids[1]).toBe(ids[0]);
});

test("a repeated deletion that finds nothing has succeeded, a first one has not", async () => {
  const gone = { status: 404, body: { detail: "Not found." } };
  const repeated = await scripted(new TypeError("cut"), gone);
  await success(repeated.client.messages.delete(1));
  const first = await scripted(gone);
  expect(((await failure(first.client.messages.delete(1))) as ApiError).kind).toBe("not_found");
});

test("a call can be stopped", async () => {
  const { client } = await scripted("silence");
  const stop = new AbortController();
  const call = client.run({ method: "GET", path: "/api/auth/me/", signal: stop.signal });
  stop.abort(new Error("enough"));
  expect(await failure(call)).toEqual(new Error("enough"));
});

test("a rejected token is replaced", async () => {
  const rejected = { status: 401, body: { detail: "Given token not valid." } };
  const { client, calls } = await scripted(rejected, { status: 200, body: pair(2) }, { status: 200, body: user(ME) });
  expect(await success(client.account.get())).toEqual(user(ME));
  expect(calls.map(({ path, access }) => [path, access])).toEqual([
    ["/api/auth/me/", pair(1).access],
    ["/api/auth/refresh/", undefined],
    ["/api/auth/me/", pair(2).access],
  ]);
  const again = await scripted(
    rejected,
    { status: 200, body: pair(2) },
    rejected,
    { status: 200, body: pair(3) },
    { status: 200, body: user(ME) },
  );
  expect(await success(again.client.account.get()), "it expired on its way").toEqual(user(ME));
  const hopeless = await scripted(rejected, { status: 200, body: pair(2) }, rejected);
  expect(await failure(hopeless.client.account.get())).toBeInstanceOf(SessionEnded);
});

test("a refresh that the server refuses ends the session, also for the next program", async () => {
  const { client } = await scripted({ status: 401, body: { detail: "Given token not valid." } });
  expect(await failure(client.account.get())).toBeInstanceOf(SessionEnded);
  expect(await client.server.resume()).toBeUndefined();
});

test("a logout removes everything that is stored", async () => {
  const { client } = await scripted({ status: 204 });
  await client.server.storage.write(new Map([["outbox/1", "unsent"]]));
  await client.logOut();
  expect([...(await client.server.storage.list(""))]).toEqual([]);
});

test("a logout without an answer removes it, too", async () => {
  const { client } = await scripted(new TypeError("cut"));
  await client.logOut();
  expect(await client.server.resume()).toBeUndefined();
});

test("another user's login removes what is stored, the same user's does not", async () => {
  const storage = new MemoryStorage();
  const { server } = await logIn(() => "silence", { storage });
  await storage.write(new Map([["outbox/1", "unsent"]]));
  await server.logIn("me", "secret");
  expect(await storage.get("outbox/1")).toBe("unsent");
  await storage.write(new Map([["user", OTHER]]));
  await server.logIn("me", "secret");
  expect(await storage.get("outbox/1")).toBeUndefined();
});

test("a password change goes on with new tokens", async () => {
  const { client, calls } = await scripted({ status: 200, body: pair(2) }, { status: 200, body: user(ME) });
  await client.changePassword("secret", "better");
  await client.account.get();
  expect(calls[1]?.access).toBe(pair(2).access);
});

test("a list reads page by page, from the address that is used here", async () => {
  const page = (id: number, next: string | null) => ({
    status: 200,
    body: { next, previous: null, results: [chat({ id })] },
  });
  const { client, calls } = await scripted(page(1, "https://public.test/api/chats/?cursor=c"), page(2, null));
  expect((await client.chats.list({ unread: true }).all()).map(({ id }) => id)).toEqual([1, 2]);
  expect(calls.map(({ path }) => path)).toEqual(["/api/chats/?page_size=100&unread=true", "/api/chats/?cursor=c"]);
});

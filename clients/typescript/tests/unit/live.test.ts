// Connecting, reconnecting, heartbeat, requests and sync over a socket whose other end the test holds.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ApiError, Closed, SessionEnded, TooManyConnections } from "../../src/errors.ts";
import type { Event } from "../../src/events.ts";
import type { LiveOptions } from "../../src/options.ts";
import { chat, message, ready } from "../support/bodies.ts";
import { FakeSocket, logIn, pair, type Received, type Reply } from "../support/fakes.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const ticket: Reply = { status: 201, body: { ticket: "t&1", expires_in: 30 } };

async function connect(options: LiveOptions = {}, reply: (call: Received) => Reply = () => ticket) {
  const sockets: FakeSocket[] = [];
  const client = await logIn(reply);
  const openSocket = async (url: string) => {
    const socket = new FakeSocket(url);
    sockets.push(socket);
    return socket;
  };
  const live = client.connect({ openSocket, ...options });
  const events: Event[] = [];
  live.listen((event) => events.push(event));
  await vi.advanceTimersByTimeAsync(0);
  /** The newest socket. */
  const socket = () => {
    const last = sockets.at(-1);
    if (!last) throw new Error("no socket");
    return last;
  };
  const lost = () => events.flatMap((event) => (event.type === "disconnected" ? [event.retryIn] : []));
  return { live, client, sockets, socket, events, lost };
}

test("it connects with a ticket, and is synced after ready", async () => {
  const { live, socket, events } = await connect();
  expect(socket().url).toBe("ws://server.test/ws/?ticket=t%261");
  expect(live.isConnected).toBe(false);
  socket().push(ready({ versions: {} }));
  expect(events.map(({ type }) => type)).toEqual(["ready", "synced"]);
  expect(live.isConnected).toBe(true);
});

test("a listener of `synced` may make requests at once", async () => {
  const { live, socket, events } = await connect();
  const synced = () => events.filter(({ type }) => type === "synced").length;
  live.listen(({ type }) => {
    if (type === "synced") void live.markRead(1, synced());
  });
  socket().push(ready({ versions: {} }));
  expect([synced(), socket().of("message.read")]).toEqual([1, [{ type: "message.read", id: 1, chat: 1, seq: 1 }]]);
  socket().push({ type: "ack", id: 1 });
  socket().drop();
  await vi.advanceTimersByTimeAsync(500);
  socket().push(ready({ versions: {} }));
  expect([synced(), socket().of("message.read").length]).toEqual([2, 1]);
});

test("a gap is filled by one sync at a time, with a pause between two", async () => {
  const { live, socket } = await connect();
  socket().push(ready({ versions: { 1: 2 } }));
  expect(socket().of("sync")).toEqual([{ type: "sync", id: 0, versions: {}, epoch: "a", account: 0 }]);
  const part = {
    epoch: "a",
    gone: [],
    more: true,
    account: { version: 0, user: null, chats: [], blocks: [], more: false },
  };
  socket().push({ type: "ack", id: 0, ...part, changes: [{ chat: chat(), messages: [], more: false }] });
  expect(socket().of("sync")).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(50);
  expect(socket().of("sync")[1]).toMatchObject({ versions: { 1: 1 } });
  socket().push({ type: "error", id: 0, code: "throttled", detail: "Expected available in 2 seconds." });
  await vi.advanceTimersByTimeAsync(1_999);
  expect(socket().of("sync")).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(socket().of("sync")).toHaveLength(3);
  expect(live.replica.chats.get(1)?.version).toBe(1);
});

test("reconnections wait with full jitter up to a bound that doubles, until a connection has lasted", async () => {
  const { socket, lost } = await connect({ backoffBase: 500, backoffCap: 2_000 });
  for (let attempt = 0; attempt < 4; attempt++) {
    socket().push(ready());
    socket().drop();
    await vi.advanceTimersByTimeAsync(2_000);
  }
  expect(lost()).toEqual([250, 500, 1_000, 1_000]);
  socket().push(ready());
  await vi.advanceTimersByTimeAsync(10_000);
  socket().drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(lost().at(-1)).toBe(250);
});

test("1012 waits as the server says, and `wake` does not shorten that", async () => {
  const { live, socket, sockets, lost } = await connect();
  socket().push(ready());
  socket().drop(1012, '{"retry_after_ms": 2500}');
  await vi.advanceTimersByTimeAsync(0);
  expect(lost()).toEqual([2_750]);
  live.wake();
  await vi.advanceTimersByTimeAsync(2_499);
  expect(sockets).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(251);
  expect(sockets).toHaveLength(2);
});

test.each([1000, 1001, 1006, 1011, 4002, 4008, 4029])("after %i it reconnects", async (code) => {
  const { socket, sockets } = await connect();
  socket().push(ready());
  socket().drop(code, "any reason");
  await vi.advanceTimersByTimeAsync(500);
  expect(sockets).toHaveLength(2);
});

test("4003 ends it", async () => {
  const { live, socket, sockets, events } = await connect();
  socket().drop(4003);
  expect(await live.ended).toBeInstanceOf(TooManyConnections);
  await vi.runAllTimersAsync();
  expect([sockets.length, events.at(-1)?.type]).toEqual([1, "ended"]);
  await expect(live.markRead(1, 1)).rejects.toBeInstanceOf(TooManyConnections);
});

test("4001 refreshes the tokens once and reconnects at once; a second one ends the session", async () => {
  const isRefresh = ({ path }: Received) => path === "/api/auth/refresh/";
  const calls: Received[] = [];
  const { live, socket, sockets } = await connect({}, (call) => {
    calls.push(call);
    return isRefresh(call) ? { status: 200, body: pair(2) } : ticket;
  });
  socket().push(ready());
  socket().drop(4001);
  await vi.advanceTimersByTimeAsync(0);
  expect([sockets.length, calls.filter(isRefresh).length]).toEqual([2, 1]);
  socket().drop(4001);
  expect(await live.ended).toBeInstanceOf(SessionEnded);
});

test("a session that ended ends it: the refresh is refused", async () => {
  const refused: Reply = { status: 401, body: { detail: "Given token not valid." } };
  const { live, socket } = await connect({}, ({ path }) => (path === "/api/auth/refresh/" ? refused : ticket));
  socket().push(ready());
  socket().drop(4001);
  expect(await live.ended).toBeInstanceOf(SessionEnded);
});

test("no ticket: it waits as Retry-After says", async () => {
  const busy: Reply = { status: 429, body: { detail: "Slow down." }, headers: { "Retry-After": "4" } };
  let isBusy = true;
  const { sockets, lost } = await connect({}, () => (isBusy ? busy : ticket));
  expect(lost()).toEqual([4_250]);
  isBusy = false;
  await vi.advanceTimersByTimeAsync(4_250);
  expect(sockets).toHaveLength(1);
});

test("a silent server is pinged, and given up after two and a half intervals", async () => {
  const { socket, sockets } = await connect();
  socket().push(ready({ heartbeat: 30 }));
  await vi.advanceTimersByTimeAsync(29_999);
  expect(socket().of("ping")).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(socket().of("ping")).toHaveLength(1);
  socket().push({ type: "pong" });
  await vi.advanceTimersByTimeAsync(74_999);
  expect([socket().of("ping").length, socket().isClosed]).toEqual([2, false]);
  const silent = socket();
  await vi.advanceTimersByTimeAsync(1_000);
  expect([silent.isClosed, sockets.length]).toEqual([true, 2]);
});

test("`wake` connects without the rest of the wait, and doubts a connection that is silent", async () => {
  const { live, socket, sockets } = await connect({ backoffBase: 20_000 });
  socket().drop();
  await vi.advanceTimersByTimeAsync(1);
  live.wake();
  await vi.advanceTimersByTimeAsync(0);
  expect(sockets).toHaveLength(2);
  socket().push(ready());
  live.wake();
  expect(socket().of("ping")).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(sockets[1]?.isClosed).toBe(true);
});

test("a connection that is never ready is given up", async () => {
  const { sockets } = await connect({ timeout: 3_000 });
  await vi.advanceTimersByTimeAsync(3_250);
  expect([sockets[0]?.isClosed, sockets.length]).toEqual([true, 2]);
});

test("a malformed frame is given up on, by a new connection", async () => {
  const { socket, sockets } = await connect();
  socket().push(ready());
  socket().onmessage?.({ data: "no json" });
  await vi.advanceTimersByTimeAsync(250);
  expect(sockets).toHaveLength(2);
});

test("an unanswered request is sent again in order on the next connection, under the same client_id", async () => {
  const { live, socket, sockets } = await connect();
  const first = live.send(1, "one");
  const second = live.edit(7, "two");
  expect(socket().sent, "not before ready").toEqual([]);
  socket().push(ready());
  const sent = socket().sent;
  expect(sent.map(({ type, id }) => [type, id])).toEqual([
    ["message.send", 1],
    ["message.edit", 2],
  ]);
  socket().push({ type: "ack", id: 1, message: message() });
  expect(await first).toEqual(message());
  socket().drop();
  await vi.advanceTimersByTimeAsync(250);
  socket().push(ready());
  expect([socket().sent, sockets.length]).toEqual([[sent[1]], 2]);
  socket().push({ type: "ack", id: 2, message: message() });
  await second;
});

test("a request is retried after transient errors; every other error is final", async () => {
  const { live, socket } = await connect();
  socket().push(ready());
  const sending = live.send(1, "Meow!");
  const refused = sending.catch((error: unknown) => error);
  socket().push({ type: "error", id: 1, code: "throttled", detail: "Expected available in 2 seconds." });
  await vi.advanceTimersByTimeAsync(2_099);
  expect(socket().of("message.send")).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(socket().of("message.send")).toHaveLength(2);
  socket().push({ type: "error", id: 1, code: "unavailable", detail: "" });
  await vi.advanceTimersByTimeAsync(200);
  const [first, , third] = socket().of("message.send");
  expect(third).toEqual(first);
  socket().push({ type: "error", id: 1, code: "invalid", detail: "", errors: { content: ["Blank."] } });
  expect(((await refused) as ApiError).field("content")).toEqual(["Blank."]);
});

test("a request without an answer costs the connection, not the request", async () => {
  const { live, socket, sockets } = await connect({ timeout: 3_000 });
  socket().push(ready());
  void live.markRead(1, 1);
  await vi.advanceTimersByTimeAsync(3_250);
  expect(sockets).toHaveLength(2);
  socket().push(ready());
  expect(socket().of("message.read")).toHaveLength(1);
});

test("at most 32 requests are in flight", async () => {
  const { live, socket } = await connect();
  socket().push(ready());
  for (let sent = 0; sent < 40; sent++) void live.markRead(1, sent);
  expect(socket().sent).toHaveLength(32);
  socket().push({ type: "ack", id: 1 });
  expect(socket().sent.at(-1)?.id).toBe(33);
});

test("closing fails what is unanswered, and ends the iterators", async () => {
  const { live, socket } = await connect();
  socket().push(ready());
  const types = (async () => {
    const types: string[] = [];
    for await (const { type } of live) types.push(type);
    return types;
  })();
  const unanswered = live.send(1, "Meow!").catch((error: unknown) => error);
  live.close();
  expect(await unanswered).toBeInstanceOf(Closed);
  expect(await live.ended).toBeInstanceOf(Closed);
  expect([await types, socket().isClosed]).toEqual([["ended"], true]);
});

test("a listener that throws keeps no event from the others", async () => {
  const { live, socket, events } = await connect();
  const uncaught = vi.spyOn(globalThis, "queueMicrotask").mockImplementation(() => {});
  live.listen(() => {
    throw new Error("a fault of the program");
  });
  const later: Event[] = [];
  live.listen((event) => later.push(event));
  socket().push(ready());
  expect(later).toEqual(events);
  expect(uncaught).toHaveBeenCalled();
});

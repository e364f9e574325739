// What the next program finds: chats and messages, unsent messages, and nothing after a logout.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Live } from "../../src/live.ts";
import type { Client } from "../../src/rest.ts";
import { MemoryStorage, type Storage } from "../../src/storage.ts";
import { chat, ME, message, ready, userRef } from "../support/bodies.ts";
import { FakeSocket, logIn, type Received, type Reply } from "../support/fakes.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const replyTo = ({ path }: Received): Reply =>
  path === "/api/auth/logout/" ? { status: 204 } : { status: 201, body: { ticket: "t", expires_in: 30 } };

/** A program that is started with a storage. */
async function start(storage: Storage): Promise<{ client: Client; live: Live; socket: FakeSocket; types: string[] }> {
  const client = await logIn(replyTo, { storage });
  const sockets: FakeSocket[] = [];
  const openSocket = async (url: string) => {
    const socket = new FakeSocket(url);
    sockets.push(socket);
    return socket;
  };
  const live = client.connect({ openSocket, keepReplica: true });
  const types: string[] = [];
  live.listen(({ type }) => types.push(type));
  await vi.advanceTimersByTimeAsync(0);
  const [socket] = sockets;
  if (!socket) throw new Error("no socket");
  return { client, live, socket, types };
}

test("the next program starts with what was known, and asks only for what it missed", async () => {
  const storage = new MemoryStorage();
  const before = await start(storage);
  before.socket.push(ready({ versions: {} }));
  before.socket.push({ type: "chat.created", chat: chat() });
  before.socket.push({ type: "message.created", chat: 1, version: 2, message: message({ version: 2 }) });
  await vi.advanceTimersByTimeAsync(500);
  // This one is not saved by the time, but by the end.
  before.socket.push({ type: "message.created", chat: 1, version: 3, message: message({ seq: 2, version: 3 }) });
  before.live.close();
  await before.live.ended;

  const after = await start(storage);
  expect(after.types).toEqual(["restored"]);
  expect(
    after.live.replica.chats
      .get(1)
      ?.history()
      .map(({ seq }) => seq),
  ).toEqual([1, 2]);
  expect(after.live.replica.chats.get(1)?.chat.unread_count).toBe(2);
  after.socket.push(ready({ versions: { 1: 4 } }));
  expect(after.socket.of("sync")[0]).toMatchObject({ versions: { 1: 3 }, account: 0 });
});

test("a program that is killed has saved what arrived half a second before", async () => {
  const storage = new MemoryStorage();
  const killed = await start(storage);
  killed.socket.push(ready({ versions: {} }));
  killed.socket.push({ type: "chat.created", chat: chat() });
  await vi.advanceTimersByTimeAsync(500);
  const { chats } = (await start(storage)).live.replica;
  expect(chats.get(1)?.chat).toEqual(chat());
});

test("a chat that is gone is removed from the storage, and so is everything of another epoch", async () => {
  const storage = new MemoryStorage();
  const { live, socket } = await start(storage);
  socket.push(ready({ versions: {} }));
  socket.push({ type: "chat.created", chat: chat() });
  socket.push({ type: "chat.created", chat: chat({ id: 2 }) });
  await vi.advanceTimersByTimeAsync(500);
  expect([...(await storage.list("chats/")).keys()]).toEqual(["chats/1", "chats/2"]);
  socket.push({ type: "chat.deleted", chat: 2 });
  await vi.advanceTimersByTimeAsync(500);
  expect([...(await storage.list("chats/")).keys()]).toEqual(["chats/1"]);
  socket.push(ready({ versions: {}, epoch: "b" }));
  live.close();
  await live.ended;
  expect([...(await storage.list("chats/")).keys()]).toEqual([]);
});

test("one tab saves; when it is closed, another one does", async () => {
  const storage = new MemoryStorage();
  const [first, second] = [await start(storage), await start(storage)];
  for (const { socket } of [first, second]) socket.push(ready({ versions: {} }));
  second.socket.push({ type: "chat.created", chat: chat() });
  await vi.advanceTimersByTimeAsync(500);
  expect((await storage.list("chats/")).size).toBe(0);
  first.live.close();
  await first.live.ended;
  await vi.advanceTimersByTimeAsync(0);
  expect((await storage.list("chats/")).size).toBe(1);
});

test("a tab that saves next replaces all that another one has saved", async () => {
  const storage = new MemoryStorage();
  const [first, second] = [await start(storage), await start(storage)];
  for (const { socket } of [first, second]) socket.push(ready({ versions: {} }));
  first.socket.push({ type: "chat.created", chat: chat() });
  first.live.close();
  await first.live.ended;
  expect([...(await storage.list("chats/")).keys()]).toEqual(["chats/1"]);
  await vi.advanceTimersByTimeAsync(0);
  expect([...(await storage.list("chats/")).keys()], "this one has not heard of it").toEqual([]);
});

test("an unsent message is sent by the next program, and disappears with its event", async () => {
  const storage = new MemoryStorage();
  const before = await start(storage);
  const { client_id } = await before.live.outbox.add(1, { content: "written offline" });
  before.live.close();

  const after = await start(storage);
  expect(after.types).toEqual(["outbox"]);
  after.socket.push(ready({ versions: {} }));
  await vi.advanceTimersByTimeAsync(0);
  expect(after.socket.of("message.send")).toEqual([
    { type: "message.send", id: 1, chat: 1, client_id, content: "written offline" },
  ]);
  after.socket.push({ type: "chat.created", chat: chat() });
  const mine = message({ version: 2, client_id, sender: userRef(ME) });
  after.socket.push({ type: "message.created", chat: 1, version: 2, message: mine });
  expect(after.live.outbox.items()).toEqual([]);
});

test("a logout closes the connection and leaves nothing in the storage, whatever was under way", async () => {
  const storage = new MemoryStorage();
  const { client, live, socket } = await start(storage);
  socket.push(ready({ versions: {} }));
  socket.push({ type: "chat.created", chat: chat() });
  await live.outbox.add(1, { content: "unsent" });
  const other = await start(storage);
  await client.logOut();
  other.socket.push(ready({ versions: {} }));
  other.socket.push({ type: "chat.created", chat: chat({ id: 2 }) });
  await vi.advanceTimersByTimeAsync(1_000);
  other.live.close();
  await other.live.ended;
  expect([...(await storage.list(""))]).toEqual([]);
});

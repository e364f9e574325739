// Ten clients of five users send, edit, delete, react, read, join and leave, while the network between them and the server cuts,
// stalls and silences connections, and the server is killed and restarted. In the end every replica equals the server's data, and
// each message exists once, in the order in which its device wrote it. MEOW_CHAOS_SECONDS=60 for longer, MEOW_CHAOS_SEED to repeat
// the choices of a run.

import { afterAll, describe, expect, test } from "vitest";
import { ApiError, NetworkError } from "../../src/errors.ts";
import type { Live } from "../../src/live.ts";
import { type Client, Server } from "../../src/rest.ts";
import { MemoryStorage } from "../../src/storage.ts";
import type { Chat, Message } from "../../src/types.ts";
import { FaultyNetwork } from "../support/faulty_network.ts";
import { DATABASES, has, RealServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const PASSWORD = "nine-lives-2026";
const SECONDS = Number(process.env.MEOW_CHAOS_SECONDS ?? 5);
const SEED = Number(process.env.MEOW_CHAOS_SEED ?? Date.now() % 1_000_000);
const QUICK = { backoffBase: 50, backoffCap: 400, timeout: 2_000 };
const EMOJI = ["👍", "🐈", "❤️"];

/** A device of a user, and what it wrote, by chat. */
interface Device {
  name: string;
  client: Client;
  live: Live;
  written: Map<number, string[]>;
}

/** A generator of numbers between 0 and 1 that repeats them for a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = generator(SEED);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe.for(DATABASES.filter(has))("on %s", (database) => {
  let real: RealServer;
  let network: FaultyNetwork;
  afterAll(async () => {
    network?.close();
    await real?.remove();
  });

  test(`ten clients converge (seed ${SEED})`, { timeout: SECONDS * 1_000 + 90_000 }, async () => {
    real = await RealServer.start(database, { ACCESS_TOKEN_LIFETIME: "4s", MAX_SOCKETS_PER_USER: "1000" });
    network = await FaultyNetwork.start(real.port);
    const devices = await openDevices(real, network);
    const groups = await createChats(devices);
    const end = Date.now() + SECONDS * 1_000;
    const working = devices.map((device) => work(device, groups, end));
    await disturb(real, network, end);
    await Promise.all(working);
    network.heal();
    for (const { live } of devices) live.wake();
    await Promise.all(
      devices.map(({ live }) => until(live, () => live.outbox.items().every(({ error }) => error), 60_000)),
    );
    for (const device of devices) await converged(device, real);
    await checkMessages(devices, groups, real);
    console.log(`${database}: ${JSON.stringify(network.faults)}, seed ${SEED}`);
    for (const { live } of devices) live.close();
  });
});

/** Two devices of each of five users. They talk through the network. */
async function openDevices(real: RealServer, network: FaultyNetwork): Promise<Device[]> {
  const devices: Device[] = [];
  for (let user = 0; user < 5; user++) {
    const username = `chaos${user}`;
    await new Server(real.url).register({ username, password: PASSWORD });
    for (const device of ["phone", "laptop"]) {
      const options = { storage: new MemoryStorage(), timeout: 2_000, deadline: 4_000 };
      const client = await new Server(network.url, options).logIn(username, PASSWORD);
      devices.push({ name: `${username} ${device}`, client, live: client.connect(QUICK), written: new Map() });
    }
  }
  return devices;
}

/** A group of all, which the first user keeps, and a private chat. */
async function createChats(devices: Device[]): Promise<{ group: number; chats: number[]; owner: Client }> {
  const owner = (devices[0] as Device).client;
  const others = [...new Set(devices.map(({ client }) => client.userId))].filter((id) => id !== owner.userId);
  const group = await owner.chats.createGroup({ name: "Chaos", members: others });
  const small = await owner.chats.createGroup({ name: "Small", members: others.slice(0, 2) });
  const pair = await owner.chats.private(others[0] as number);
  return { group: group.id, chats: [group.id, small.id, pair.id], owner };
}

/** Does random things until the end. What the server or the network refuses is part of it. */
async function work(device: Device, groups: Awaited<ReturnType<typeof createChats>>, end: number): Promise<void> {
  for (let number = 0; Date.now() < end; number++) {
    await act(device, groups, number).catch((error: unknown) => {
      if (!(error instanceof ApiError) && !(error instanceof NetworkError)) throw error;
    });
    await pause(random() * 60);
  }
}

async function act(device: Device, { group, owner }: Awaited<ReturnType<typeof createChats>>, number: number) {
  const { live, client, written } = device;
  const chat = pick([...live.replica.chats.values()]);
  if (!chat) return;
  const { id } = chat.chat;
  const message = pick(chat.history());
  const choice = random();
  if (choice < 0.5 || !message) {
    const content = `${device.name} ${number} @chaos${Math.floor(random() * 5)}`;
    written.set(id, [...(written.get(id) ?? []), content]);
    return live.outbox.add(id, { content });
  }
  if (choice < 0.6) return live.react(message.id, pick(EMOJI), random() < 0.7);
  if (choice < 0.65) return client.messages.pin(message.id);
  if (choice < 0.75) return live.markRead(id, message.seq);
  if (choice < 0.8) return client.chats.updateSettings(id, { pinned: random() < 0.5, archived: random() < 0.5 });
  if (choice < 0.84) return client.account.update({ first_name: `name ${number}` });
  if (choice < 0.88) return client.chats.update(id, { description: `${device.name} ${number}` });
  if (choice < 0.9 && client.userId !== owner.userId) return client.chats.removeMember(group, client.userId);
  if (choice < 0.93) return owner.chats.addMembers(group, [client.userId]);
  if (message.sender.id !== client.userId) return;
  // The own reactions of a deleted message go with it, so only some are deleted.
  return choice < 0.95 ? live.delete(message.id) : live.edit(message.id, `${message.content} edited @all`);
}

/** Breaks connections all the time, and the server every two seconds. */
async function disturb(real: RealServer, network: FaultyNetwork, end: number): Promise<void> {
  let nextKill = Date.now() + 2_000;
  while (Date.now() < end) {
    network.disturb(random);
    await pause(random() * 150);
    if (Date.now() < nextKill) continue;
    await real.kill();
    await pause(random() * 500);
    await real.restart();
    nextKill = Date.now() + 2_000;
  }
}

/** Waits until a replica equals the server's data, which is read without the network. */
async function converged({ name, client, live }: Device, real: RealServer): Promise<void> {
  const reader = await new Server(real.url).logIn(name.split(" ")[0] as string, PASSWORD);
  for (const deadline = Date.now() + 40_000; ; await pause(200)) {
    const chats = await reader.chats.list().all();
    const expected = new Map<number, unknown>();
    for (const chat of chats) expected.set(chat.id, await expectedChat(chat, reader, live));
    const actual = new Map(
      [...live.replica.chats].map(([id, known]) => [id, [summary(known.chat), known.history().map(body)]]),
    );
    const { first_name } = await reader.account.get();
    const isEqual = live.replica.isUpToDate && live.isConnected && live.replica.user?.first_name === first_name;
    if (isEqual && JSON.stringify(sorted(actual)) === JSON.stringify(sorted(expected))) return;
    if (Date.now() < deadline) continue;
    expect(sorted(actual), `${name}, user ${client.userId}`).toEqual(sorted(expected));
    expect([live.replica.isUpToDate, live.isConnected, live.replica.user?.first_name]).toEqual([
      true,
      true,
      first_name,
    ]);
  }
}

/** The chat, and its messages as far as the replica has them. */
async function expectedChat(chat: Chat, reader: Client, live: Live): Promise<unknown> {
  const from = live.replica.chats.get(chat.id)?.completeFrom ?? 1;
  const messages = await reader.messages.list(chat.id, { after: Math.max(0, from - 1) }).all();
  return [summary(chat), messages.map(body)];
}

/** What a chat has besides presence and profiles, which have no version. */
function summary(chat: Chat): unknown {
  const { peer: _, created_by, last_message, name, ...rest } = chat;
  const last = last_message && body(last_message);
  const fields = { ...rest, created_by: created_by?.id, last, name: chat.type === "group" ? name : "" };
  return Object.fromEntries(Object.entries(fields).sort());
}

/** A message without what is not versioned: its status, and its sender's name. */
function body({ status: _, sender, ...rest }: Message): unknown {
  return Object.fromEntries(Object.entries({ ...rest, sender: sender.id }).sort());
}

const sorted = (chats: Map<number, unknown>) => [...chats].sort(([a], [b]) => a - b);

/** Each message exists once, none is lost, and those of a device are in the order in which it wrote them. */
async function checkMessages(devices: Device[], { chats }: { chats: number[] }, real: RealServer): Promise<void> {
  const owner = await new Server(real.url).logIn("chaos0", PASSWORD);
  for (const chat of chats) {
    const messages = await owner.messages.list(chat, { after: 0 }).all();
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, at) => at + 1));
    // By user, how many messages there must be, and how many may be: one whose answer was lost may be refused after its author left.
    const bounds = new Map<number, [least: number, most: number]>();
    for (const { client, live, written, name } of devices) {
      const contents = written.get(chat) ?? [];
      // Edits keep the beginning of a content, tombstones nothing.
      const found = contents.map((content) => messages.filter((one) => one.content.startsWith(content)));
      expect(Math.max(0, ...found.map(({ length }) => length)), `${name}: once`).toBeLessThanOrEqual(1);
      const seqs = found.flat().map(({ seq }) => seq);
      expect(seqs, `${name}: in order`).toEqual([...seqs].sort((a, b) => a - b));
      const [least, most] = bounds.get(client.userId) ?? [0, 0];
      const refused = live.outbox.items(chat).length;
      bounds.set(client.userId, [least + contents.length - refused, most + contents.length]);
    }
    for (const [user, [least, most]] of bounds) {
      const count = messages.filter(({ sender }) => sender.id === user).length;
      expect(count, `messages of ${user}`).toBeGreaterThanOrEqual(least);
      expect(count, `messages of ${user}`).toBeLessThanOrEqual(most);
    }
  }
}

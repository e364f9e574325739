// The client against the real server, on both databases: what it promises, as a program would use it.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiError, SessionEnded, TooManyConnections } from "../../src/errors.ts";
import { type Client, Server } from "../../src/rest.ts";
import { MemoryStorage } from "../../src/storage.ts";
import type { Message } from "../../src/types.ts";
import { install, type Program } from "../support/program.ts";
import { DATABASES, has, RealServer } from "../support/server.ts";
import { synced, until } from "../support/wait.ts";

const PASSWORD = "nine-lives-2026";
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
let names = 0;

let program: Program;
beforeAll(() => {
  program = install();
});
afterAll(() => program.remove());

describe.for(DATABASES.filter(has))("on %s", (database) => {
  let real: RealServer;
  beforeAll(async () => {
    real = await RealServer.start(database, { ACCESS_TOKEN_LIFETIME: "2s" });
  });
  afterAll(() => real?.remove());

  /** Somebody new. */
  async function register(name = "cat"): Promise<Client> {
    names += 1;
    return new Server(real.url).register({ username: `${name}${names}`, password: PASSWORD });
  }

  /** Two users in a private chat. */
  async function couple() {
    const [alice, bob] = [await register("alice"), await register("bob")];
    const chat = await alice.chats.private(bob.userId);
    return { alice, bob, chat: chat.id };
  }

  const contents = (messages: Iterable<Message>) => [...messages].map(({ content }) => content);

  test("calls are typed, and errors have the server's texts", async () => {
    const { alice, bob, chat } = await couple();
    expect((await alice.account.update({ first_name: "Alice" })).first_name).toBe("Alice");
    expect((await alice.users.get(bob.userId)).username).toMatch(/^bob/);
    const { username } = await bob.account.get();
    expect((await alice.users.search(username).all()).map(({ id }) => id)).toContain(bob.userId);
    const group = await alice.chats.createGroup({ name: "Cats", members: [bob.userId] });
    expect((await alice.chats.setRole(group.id, bob.userId, "admin")).role).toBe("admin");
    expect((await bob.chats.update(group.id, { description: "Purr" })).description).toBe("Purr");
    expect(await alice.chats.members(group.id).all()).toHaveLength(2);
    const ids = (await bob.chats.list().all()).map(({ id }) => id);
    expect(ids.sort()).toEqual([chat, group.id].sort());
    await bob.chats.removeMember(group.id, bob.userId);
    const wrong = await alice.account.update({ username: "" }).catch((error: unknown) => error);
    expect((wrong as ApiError).field("username")).toEqual(["This field may not be blank."]);
    expect((wrong as ApiError).requestId).toMatch(/^[\w.-]+$/);
    const gone = await bob.chats.get(group.id).catch((error: unknown) => error);
    expect((gone as ApiError).kind).toBe("not_found");
  });

  test("messages are found by their words", async () => {
    const { alice, bob, chat } = await couple();
    const { id } = await alice.messages.send(chat, { content: "The quick brown cat" });
    const found = async () =>
      (await bob.messages.search("brown quick c", { chat }).all()).map(({ message }) => message.id);
    await expect.poll(found, { timeout: 10_000 }).toEqual([id]);
  });

  test("a group is joined by an invite, and messages are reported", async () => {
    const [alice, bob] = [await register("alice"), await register("bob")];
    const group = await alice.chats.createGroup({ name: "Cats" });
    const live = bob.connect();
    await synced(live);
    const { code } = await alice.invites.create(group.id, { max_uses: 1 });
    expect((await bob.invites.get(code)).chat.name).toBe("Cats");
    expect((await bob.invites.accept(code)).id).toBe(group.id);
    await until(live, () => live.replica.chats.has(group.id));
    live.close();
    const { id } = await alice.messages.send(group.id, { content: "spam" });
    expect((await bob.reports.create({ message: id, reason: "spam" })).status).toBe("open");
    await alice.invites.revoke(group.id, code);
    expect(await alice.invites.list(group.id).all()).toEqual([]);
  });

  test("an avatar is uploaded as a blob", async () => {
    const alice = await register();
    const { avatar } = await alice.account.setAvatar(new Blob([PNG]));
    expect((await fetch(avatar ?? "")).status).toBe(200);
    expect((await alice.account.removeAvatar()).avatar).toBeNull();
  });

  test("files are uploaded, linked and deleted", async () => {
    const alice = await register();
    const cat = await alice.attachments.upload(new Blob([PNG]), { name: "cat.png" });
    expect(cat).toMatchObject({ name: "cat.png", content_type: "image/png", width: 1, height: 1 });
    const text = await alice.attachments.upload(new File(["Meow!"], "кот.txt"));
    const links = await alice.attachments.links([cat.id, text.id, 999_999]);
    expect(links.map(({ id }) => id)).toEqual([cat.id, text.id]);
    expect(await (await fetch(links[1]?.url ?? "")).text()).toBe("Meow!");
    await alice.attachments.delete(text.id);
    const empty = await alice.attachments.upload(new Blob([])).catch((error: unknown) => error);
    expect((empty as ApiError).field("file")).toEqual(["The submitted file is empty."]);
  });

  test("messages are sent with files, by the outbox too", async () => {
    const { alice, bob, chat } = await couple();
    const [a, b] = [alice.connect(), bob.connect()];
    await Promise.all([synced(a), synced(b)]);
    const cat = await alice.attachments.upload(new Blob([PNG]), { name: "cat.png" });
    await a.outbox.add(chat, { content: "", attachments: [cat.id] });
    const known = () => b.replica.chats.get(chat)?.history() ?? [];
    await until(b, () => known().length === 1);
    expect(known()[0]?.attachments).toMatchObject([{ id: cat.id, name: "cat.png" }]);
    const [link] = await bob.attachments.links([cat.id]);
    expect((await fetch(link?.url ?? "")).headers.get("Content-Type")).toBe("image/png");
    await a.delete(known()[0]?.id ?? 0);
    await until(b, () => known()[0]?.attachments.length === 0);
    a.close();
    b.close();
  });

  test("messages, edits, deletions and receipts arrive, each version once and in order", async () => {
    const { alice, bob, chat } = await couple();
    const [a, b] = [alice.connect(), bob.connect()];
    await Promise.all([synced(a), synced(b)]);
    const versions: number[] = [];
    b.listen((event) => {
      if (event.type === "change") versions.push(event.change.version);
    });
    const first = await a.send(chat, "one");
    await a.send(chat, { content: "two", reply_to: first.id });
    await a.edit(first.id, "one!");
    await a.delete(first.id);
    const known = () => b.replica.chats.get(chat);
    await until(b, () => known()?.version === 5);
    expect(versions).toEqual([2, 3, 4, 5]);
    expect(contents(known()?.history() ?? [])).toEqual(["", "two"]);
    expect(known()?.chat.unread_count).toBe(1);
    await b.markRead(chat, 2);
    await until(b, () => known()?.chat.unread_count === 0);
    await until(a, () => a.replica.chats.get(chat)?.markers.get(bob.userId)?.last_read_seq === 2);
    a.close();
    b.close();
  });

  test("a device that was away has what it missed: chats joined and left, messages, markers, profile", async () => {
    const { alice, bob, chat } = await couple();
    const away = bob.connect();
    await synced(away);
    away.close();
    await away.ended;
    const group = await alice.chats.createGroup({ name: "Cats", members: [bob.userId] });
    for (let sent = 0; sent < 5; sent++) await alice.messages.send(chat, { content: `m${sent}` });
    await bob.messages.markRead(chat, 3);
    await bob.account.update({ first_name: "Bob" });
    const back = bob.connect();
    await synced(back);
    expect([...back.replica.chats.keys()].sort()).toEqual([chat, group.id].sort());
    expect(back.replica.user?.first_name).toBe("Bob");
    expect(back.replica.chats.get(chat)?.chat).toMatchObject({ last_read_seq: 3, unread_count: 2 });
    await back.loadOlder(chat);
    expect(contents(back.replica.chats.get(chat)?.history() ?? [])).toEqual(["m0", "m1", "m2", "m3", "m4"]);
    back.close();
  });

  test("another device's read marker and settings of the account arrive", async () => {
    const { alice, bob, chat } = await couple();
    await alice.messages.send(chat, { content: "Meow!" });
    const [phone, laptop] = [bob.connect(), bob.connect()];
    await Promise.all([synced(phone), synced(laptop)]);
    await phone.markRead(chat, 1);
    await bob.account.update({ first_name: "Bob" });
    await until(laptop, () => laptop.replica.chats.get(chat)?.chat.unread_count === 0);
    await until(laptop, () => laptop.replica.user?.first_name === "Bob" && laptop.replica.isUpToDate);
    phone.close();
    laptop.close();
  });

  test("reactions, pins, mentions and settings reach the other device, by events and by a sync", async () => {
    const { alice, bob, chat } = await couple();
    const live = bob.connect();
    await synced(live);
    const known = (device = live) => device.replica.chats.get(chat);
    const { username } = await bob.account.get();
    const { id } = await alice.messages.send(chat, { content: `hi @${username}` });
    await alice.messages.send(chat, { content: "mind that" });
    await until(live, () => known()?.chat.unread_mentions === 1 && known()?.chat.unread_count === 2);
    expect((await bob.messages.react(id, "👍")).reactions).toEqual([{ emoji: "👍", count: 1, users: [bob.userId] }]);
    await bob.messages.pin(id);
    await bob.chats.updateSettings(chat, { pinned: true, muted_until: "forever" });
    await until(live, () => known()?.messages.get(1)?.pinned_at !== null && known()?.chat.pinned === true);
    expect(known()?.messages.get(1)?.reactions).toHaveLength(1);
    expect((await bob.chats.pins(chat).all()).map(({ id }) => id)).toEqual([id]);
    expect((await bob.messages.reactions(id).all()).map(({ emoji }) => emoji)).toEqual(["👍"]);
    await live.react(id, "👍", false);
    live.close();
    await alice.messages.edit(id, "hi");
    await bob.chats.updateSettings(chat, { archived: true });
    const back = bob.connect();
    await synced(back);
    expect(known(back)?.chat).toMatchObject({ unread_mentions: 0, unread_count: 2, archived: true, pinned: true });
    back.close();
  });

  test("unread counts that need unknown messages are asked for", async () => {
    const { alice, bob, chat } = await couple();
    const { username } = await bob.account.get();
    const { id } = await alice.messages.send(chat, { content: "one" });
    for (let sent = 2; sent <= 4; sent++) await alice.messages.send(chat, { content: String(sent) });
    const live = bob.connect();
    await synced(live);
    const known = () => live.replica.chats.get(chat);
    expect([known()?.messages.size, known()?.chat.unread_count]).toEqual([1, 4]);
    await alice.messages.edit(id, `hi @${username}`);
    await until(live, () => known()?.chat.unread_mentions === 1);
    await bob.messages.markRead(chat, 1);
    await until(live, () => known()?.chat.unread_mentions === 0 && known()?.isUncertain === false);
    expect(known()?.chat.unread_count).toBe(3);
    live.close();
  });

  test("presence, typing and profiles of others arrive", async () => {
    const { alice, bob, chat } = await couple();
    const [a, b] = [alice.connect(), bob.connect()];
    await Promise.all([synced(a), synced(b)]);
    const peer = () => b.replica.chats.get(chat)?.chat.peer;
    expect((await b.watch([alice.userId]))[0]?.user).toBe(alice.userId);
    await a.setAvailability("busy");
    await until(b, () => peer()?.status === "busy");
    await alice.account.update({ first_name: "Alice" });
    await until(b, () => peer()?.first_name === "Alice");
    let isTyping = false;
    b.listen((event) => {
      if (event.type === "signal" && event.signal.type === "typing") isTyping = event.signal.active;
    });
    a.sendTyping(chat, true);
    await until(b, () => isTyping);
    a.close();
    b.close();
  });

  test("a server that is killed loses nothing that was acknowledged, and everything is sent once", async () => {
    const { alice, bob, chat } = await couple();
    const quick = { backoffBase: 50, backoffCap: 200 };
    const [a, b] = [alice.connect(quick), bob.connect(quick)];
    await Promise.all([synced(a), synced(b)]);
    const sending = Array.from({ length: 20 }, (_, number) => a.send(chat, `m${number}`));
    await until(b, () => (b.replica.chats.get(chat)?.version ?? 0) > 3);
    await real.kill();
    sending.push(a.send(chat, "written while it is down"));
    await real.restart();
    await Promise.all(sending);
    await until(b, () => b.replica.chats.get(chat)?.chat.last_seq === 21);
    const known = contents(b.replica.chats.get(chat)?.history() ?? []);
    expect(known).toEqual(contents(await alice.messages.list(chat, { after: 0 }).all()));
    expect(new Set(known).size).toBe(21);
    a.close();
    b.close();
  });

  test("what is written while the server is down is sent by the next program, once and in order", async () => {
    const { alice, bob, chat } = await couple();
    const quick = { backoffBase: 50, backoffCap: 200 };
    const before = alice.connect(quick);
    await synced(before);
    await real.kill();
    for (const content of ["one", "two", "three"]) await before.outbox.add(chat, { content });
    before.close();
    await before.ended;
    // The server is restarted after the next program.
    const after = alice.connect(quick);
    await real.restart();
    await until(after, () => after.outbox.items().length === 0);
    expect(contents(await bob.messages.list(chat, { after: 0 }).all())).toEqual(["one", "two", "three"]);
    await after.outbox.add(chat, { content: " " });
    await until(after, () => after.outbox.items()[0]?.error !== undefined);
    expect(after.outbox.items()[0]?.error).toMatchObject({ kind: "invalid" });
    after.close();
  });

  test("the bot answers each message once, although it is killed and started again", async () => {
    const { alice, bob, chat } = await couple();
    const { username } = await bob.account.get();
    const start = () =>
      spawn(process.execPath, [join(program.folder, "bot.mjs"), real.url, username, PASSWORD], { stdio: "inherit" });
    const live = alice.connect();
    await synced(live);
    const answers = () =>
      live.replica.chats
        .get(chat)
        ?.history()
        .filter(({ sender }) => sender.id === bob.userId) ?? [];
    await live.send(chat, "one");
    for (const expected of [1, 2]) {
      const bot = start();
      await until(live, () => answers().length === expected);
      bot.kill("SIGKILL");
      if (expected === 1) await live.send(chat, "two");
    }
    expect(contents(answers())).toEqual(["You said: one", "You said: two"]);
    live.close();
  });

  test("a session that is ended elsewhere ends the connection", async () => {
    const client = await register();
    const live = client.connect();
    await synced(live);
    const { username } = await client.account.get();
    const other = await new Server(real.url).logIn(username, PASSWORD);
    await other.account.endOtherSessions();
    expect(await live.ended).toBeInstanceOf(SessionEnded);
    await expect(client.account.get()).rejects.toBeInstanceOf(SessionEnded);
  });

  test("tokens are refreshed while a session lasts, once for all its tabs, and it can be resumed", async () => {
    const storage = new MemoryStorage();
    names += 1;
    const client = await new Server(real.url, { storage }).register({ username: `tab${names}`, password: PASSWORD });
    const tab = await new Server(real.url, { storage }).resume();
    const pairs = new Set<string>();
    while (pairs.size < 3) {
      const [mine, theirs] = await Promise.all([client.account.get(), tab?.account.get()]);
      expect(mine.id).toBe(theirs?.id);
      pairs.add(JSON.stringify(await storage.get("tokens")));
    }
    await client.logOut();
    await expect(tab?.account.get()).rejects.toBeInstanceOf(SessionEnded);
  });

  test("a password change keeps this session, and its socket, in use", async () => {
    const client = await register();
    await client.changePassword(PASSWORD, "ten-lives-2026");
    expect((await client.account.get()).id).toBe(client.userId);
    const live = client.connect();
    await synced(live);
    live.close();
  });

  test("too many sockets end the one that is too many", async () => {
    const client = await register();
    const lives = Array.from({ length: 21 }, () => client.connect());
    const error = await Promise.race(lives.map(({ ended }) => ended));
    expect(error).toBeInstanceOf(TooManyConnections);
    for (const live of lives) live.close();
  });
});

// The rules of docs/realtime.md that the model does not cover, one by one.

import { expect, test } from "vitest";
import type { Frame } from "../../src/frames.ts";
import { Replica } from "../../src/replica.ts";
import type { Change, Chat, Message } from "../../src/types.ts";
import { chat, ME, member, message, OTHER, ready, user, userRef } from "../support/bodies.ts";

/** A replica that is in sync and knows one chat. */
function inSync(fields: Partial<Chat> = {}): Replica {
  const replica = new Replica();
  replica.apply(ready({ versions: {} }));
  replica.apply({ type: "chat.created", chat: chat(fields) });
  return replica;
}

function created(fields: Partial<Message>): Change {
  const body = message(fields);
  return { type: "message.created", chat: body.chat, version: body.version, message: body };
}

const known = (replica: Replica) => {
  const found = replica.chats.get(1);
  if (!found) throw new Error("unknown");
  return found;
};

const unread = (replica: Replica) => known(replica).chat.unread_count;

test("a frame of an unknown type changes nothing, and one with a chat's next version counts", () => {
  const replica = inSync();
  expect(replica.apply({ type: "poll.opened", question: 1 } as unknown as Frame)).toEqual([]);
  const newKind = { type: "poll.created", chat: 1, version: 2, poll: { id: 1 } } as unknown as Frame;
  expect(replica.apply(newKind)).toHaveLength(1);
  const withMessage = {
    type: "message.pinned",
    chat: 1,
    version: 3,
    message: message({ version: 3 }),
  } as unknown as Frame;
  replica.apply(withMessage);
  expect([known(replica).version, known(replica).messages.size, replica.isUpToDate]).toEqual([3, 1, true]);
});

test("the whole message of an event replaces the one that is known, with fields that are newer than this package", () => {
  const replica = inSync();
  replica.apply(created({ version: 2 }));
  const newer = { ...message({ version: 3 }), reactions: [{ emoji: "👍", count: 1, users: [ME] }] };
  replica.apply({ type: "message.updated", chat: 1, version: 3, message: newer });
  expect(known(replica).messages.get(1)).toEqual(newer);
  expect(known(replica).chat.last_message).toEqual(newer);
});

test("a message that is known in a later version stays", () => {
  const replica = inSync();
  replica.mergeMessages([message({ version: 5, content: "later" })]);
  replica.apply(created({ version: 2, content: "earlier" }));
  expect(known(replica).messages.get(1)?.content).toBe("later");
});

test("a message that was edited before it arrived comes as an update, and is unread", () => {
  const replica = inSync();
  replica.apply({ type: "message.updated", chat: 1, version: 2, message: message({ version: 2 }) });
  expect([unread(replica), known(replica).chat.last_seq]).toEqual([1, 1]);
});

test("unread messages: others' count, deletions do not, one of mine clears them", () => {
  const replica = inSync();
  replica.apply(created({ seq: 1, version: 2 }));
  replica.apply(created({ seq: 2, version: 3 }));
  expect(unread(replica)).toBe(2);
  const tombstone = message({ seq: 1, version: 4, content: "", deleted_at: "2026-01-01T00:00:00.000000Z" });
  replica.apply({ type: "message.deleted", chat: 1, version: 4, message: tombstone });
  expect(unread(replica)).toBe(1);
  replica.apply(created({ seq: 3, version: 5, sender: userRef(ME) }));
  expect([unread(replica), known(replica).chat.last_read_seq]).toEqual([0, 3]);
});

test("a receipt of mine counts what is unread after it, without tombstones, and never goes back", () => {
  const replica = inSync();
  for (let seq = 1; seq <= 4; seq++) replica.apply(created({ seq, version: seq + 1 }));
  const tombstone = message({ seq: 4, version: 6, deleted_at: "2026-01-01T00:00:00.000000Z" });
  replica.apply({ type: "message.deleted", chat: 1, version: 6, message: tombstone });
  const receipt = { type: "receipt", chat: 1, user: ME, account: 1 } as const;
  replica.apply({ ...receipt, last_delivered_seq: 2, last_read_seq: 2 });
  expect(unread(replica)).toBe(1);
  replica.apply({ ...receipt, last_delivered_seq: 1, last_read_seq: 1 });
  expect([unread(replica), known(replica).chat.last_read_seq]).toEqual([1, 2]);
});

test("a message that was read before it arrived is not unread", () => {
  const replica = inSync();
  replica.apply({ type: "receipt", chat: 1, user: ME, account: 1, last_delivered_seq: 1, last_read_seq: 1 });
  replica.apply(created({ seq: 1, version: 2, mentions: [ME] }));
  expect([unread(replica), known(replica).chat.unread_mentions]).toEqual([0, 0]);
});

test("a receipt of mine may be faster than the chat that it is about", () => {
  const replica = new Replica();
  replica.apply(ready({ versions: {} }));
  replica.apply({ type: "receipt", chat: 1, user: ME, account: 1, last_delivered_seq: 3, last_read_seq: 3 });
  replica.apply({ type: "chat.created", chat: chat({ last_seq: 5, unread_count: 5 }) });
  expect(replica.nextSync()).toMatchObject({ versions: { 1: 1 }, account: 0 });
  const state = { chat: 1, last_read_seq: 3, unread_count: 2, unread_mentions: 0 };
  const settings = { muted_until: null, pinned: false, archived: false };
  const account = { version: 1, user: null, chats: [{ ...state, ...settings }], blocks: [], more: false };
  replica.applySync({ epoch: "a", changes: [], gone: [], more: false, account });
  expect(known(replica).chat).toMatchObject({ last_read_seq: 3, unread_count: 2 });
  expect(replica.isUpToDate).toBe(true);
});

test("the account's version is not taken over with the state of a chat for which an answer had no room", () => {
  const replica = inSync();
  replica.apply({ type: "resync" });
  replica.nextSync();
  const settings = { muted_until: null, pinned: true, archived: false };
  const state = { chat: 2, last_read_seq: 3, unread_count: 0, unread_mentions: 0, ...settings };
  const account = { version: 5, user: null, chats: [state], blocks: [], more: false };
  replica.applySync({ epoch: "a", changes: [], gone: [], more: true, account });
  replica.apply({ type: "chat.created", chat: chat({ id: 2, last_seq: 3, unread_count: 3 }) });
  expect(replica.nextSync()).toMatchObject({ versions: { 1: 1, 2: 1 }, account: 0 });
  replica.applySync({ epoch: "a", changes: [], gone: [], more: false, account });
  expect(replica.chats.get(2)?.chat).toMatchObject({ last_read_seq: 3, unread_count: 0, pinned: true });
  expect([replica.account.version, replica.isUpToDate]).toEqual([5, true]);
});

test("removed messages are dropped and not unread, also when a page brings them back", () => {
  const replica = inSync();
  for (let seq = 1; seq <= 3; seq++) replica.apply(created({ seq, version: seq + 1 }));
  replica.apply({ type: "messages.removed", chat: 1, version: 5, first_seq: 4 });
  replica.mergeMessages([message({ seq: 2, version: 3 })]);
  const { chat, messages, completeFrom } = known(replica);
  expect([messages.size, completeFrom, chat.unread_count, chat.last_message]).toEqual([0, 4, 0, null]);
  expect(known(replica).messageById(message({ seq: 2 }).id)).toBeUndefined();
});

test("members join, change their role and leave", () => {
  const replica = inSync({ members: [{ ...member(ME), role: "owner" }] });
  replica.apply({ type: "member.joined", chat: 1, version: 2, member: member(OTHER) });
  replica.apply({ type: "member.updated", chat: 1, version: 3, member: { ...member(ME), role: "admin" } });
  expect([known(replica).chat.members_count, known(replica).chat.my_role]).toEqual([3, "admin"]);
  expect([...known(replica).roles]).toEqual([
    [ME, "admin"],
    [OTHER, "member"],
  ]);
  replica.apply({ type: "receipt", chat: 1, user: OTHER, last_delivered_seq: 7, last_read_seq: 5 });
  expect(known(replica).markers.get(OTHER)).toEqual({ last_delivered_seq: 7, last_read_seq: 5 });
  replica.apply({ type: "member.left", chat: 1, version: 4, member: member(OTHER) });
  expect([known(replica).chat.members_count, known(replica).markers.has(OTHER)]).toEqual([2, false]);
});

test("another epoch discards everything", () => {
  const replica = inSync();
  const events = replica.apply(ready({ epoch: "b", versions: { 1: 1 }, account: 7 }));
  expect(events.map(({ type }) => type)).toEqual(["ready", "epochChanged"]);
  expect([replica.chats.size, replica.nextSync()]).toEqual([0, { versions: {}, epoch: "b", account: 7 }]);
});

test("a chat that the server has at an earlier version is discarded", () => {
  const replica = inSync({ version: 9 });
  const events = replica.apply(ready({ versions: { 1: 4 } }));
  expect(events.at(1)).toEqual({ type: "chatDeleted", chat: 1 });
  expect(replica.nextSync()?.versions).toEqual({});
});

test("a resync and a failed sync ask again", () => {
  const replica = inSync();
  replica.apply({ type: "resync", chats: [1] });
  expect(replica.nextSync()).toEqual({ versions: { 1: 1 }, epoch: "a", account: 0 });
  expect(replica.nextSync(), "one at a time").toBeUndefined();
  replica.syncFailed();
  expect(replica.nextSync()).toBeDefined();
});

test("an account version that the server does not know is named as 0", () => {
  const replica = inSync();
  replica.apply({ type: "resync" });
  replica.nextSync();
  replica.applySync({ epoch: "a", changes: [], gone: [], more: false, account: { version: 0 } });
  expect(replica.nextSync()?.account).toBe(0);
});

test("a part of my profile asks for the rest", () => {
  const replica = inSync();
  replica.apply({ type: "user.updated", user: { ...userRef(ME), first_name: "Tom" }, account: 1 });
  expect([replica.user?.first_name, replica.nextSync()?.account]).toEqual(["Tom", 0]);
  const me = { ...user(ME), first_name: "Tom", email: "tom@example.org" };
  const account = { version: 1, user: me, chats: [], blocks: [], more: false };
  const events = replica.applySync({ epoch: "a", changes: [], gone: [], more: false, account });
  expect(events).toEqual([{ type: "accountSynced", account }]);
  expect([replica.user, replica.account.version, replica.isUpToDate]).toEqual([me, 1, true]);
});

test("settings and blocks of other devices arrive as frames and by a sync", () => {
  const replica = inSync({ type: "private", peer: user(OTHER) });
  const settings = { muted_until: null, pinned: true, archived: false };
  replica.apply({ type: "chat.settings", chat: 1, account: 1, ...settings });
  replica.apply({ type: "block.updated", user: OTHER, blocked: true, account: 2 });
  expect(known(replica).chat).toMatchObject({ pinned: true, blocked: true });
  replica.apply({ type: "resync" });
  replica.nextSync();
  const state = { chat: 1, last_read_seq: 0, unread_count: 0, unread_mentions: 0, ...settings, archived: true };
  const blocks = [{ user: OTHER, blocked: false }];
  const account = { version: 4, user: null, chats: [state], blocks, more: false };
  replica.applySync({ epoch: "a", changes: [], gone: [], more: false, account });
  expect(known(replica).chat).toMatchObject({ pinned: true, archived: true, blocked: false });
});

test("the peer of a private chat follows presence and profile", () => {
  const replica = inSync({ type: "private", peer: user(OTHER) });
  replica.apply({ type: "user.updated", user: { ...userRef(OTHER), first_name: "Tom", last_name: "Cat" } });
  replica.apply({ type: "status", user: OTHER, status: "away", status_text: "asleep", last_seen: null });
  expect(known(replica).chat.name).toBe("Tom Cat");
  expect(known(replica).chat.peer).toMatchObject({ first_name: "Tom", status: "away", status_text: "asleep" });
});

test("the history is what is known without a gap", () => {
  const replica = inSync({ last_seq: 9, last_message: message({ seq: 9 }) });
  replica.mergeMessages([message({ seq: 8 }), message({ seq: 3 }), message({ seq: 4 })]);
  const seqs = (around?: number) =>
    known(replica)
      .history(around)
      .map(({ seq }) => seq);
  expect([seqs(), seqs(3), known(replica).completeFrom]).toEqual([[8, 9], [3, 4], 8]);
});

test("a replica that is stored and restored goes on", () => {
  const replica = inSync();
  for (let seq = 1; seq <= 5; seq++) replica.apply(created({ seq, version: seq + 1 }));
  const { me, epoch, account, chats } = replica;
  const restored = new Replica({ me, epoch, account, chats: [...chats.values()].map((chat) => chat.store(2)) });
  restored.apply(ready({ versions: { 1: 6 } }));
  expect(restored.isUpToDate).toBe(true);
  expect(
    known(restored)
      .history()
      .map(({ seq }) => seq),
  ).toEqual([4, 5]);
  expect(known(restored).messageById(message({ seq: 5 }).id)?.seq).toBe(5);
  expect(known(restored).messageById(message({ seq: 3 }).id)).toBeUndefined();
  restored.apply(created({ seq: 6, version: 7 }));
  expect([unread(restored), known(restored).completeFrom]).toEqual([6, 4]);
});

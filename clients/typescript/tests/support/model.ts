// A model of the server, of one client, and of a connection between them that drops, repeats and reorders frames.

import { expect } from "vitest";
import type { Event } from "../../src/events.ts";
import { type Frame, isChange } from "../../src/frames.ts";
import { Replica } from "../../src/replica.ts";
import type { AccountSync, Chat, ChatSettings, Message, SyncRequest, SyncResult } from "../../src/types.ts";
import { chat as chatBody, ME, member, message as messageBody, OTHER, ready, TIME, user, userRef } from "./bodies.ts";

/** The chat that is private. */
const PRIVATE = 3;

/** A chat on the server. */
interface ServerChat extends ChatSettings {
  id: number;
  version: number;
  name: string;
  members: number;
  isMember: boolean;
  messages: Message[];
  firstSeq: number;
  lastRead: number;
  blocked: boolean;
  /** The account version of the last change of the settings or, by another device, of the read marker. */
  account: number;
}

type Wire = { frame: Frame } | { answer: SyncResult };

/** A step: what happens, how, and to which chat or message. */
export type Step = [what: number, how: number, which: number];

export class World {
  /** The most messages in an answer. */
  readonly limit: number;
  replica = new Replica();
  #epoch = 0;
  #account = 0;
  #firstName = "";
  #profileAt = 0;
  /** Whether the user blocks the peer of the private chat, and since which version of the account. */
  #block = { user: OTHER, blocked: false, account: 0 };
  #chats = new Map<number, ServerChat>();
  #wire: Wire[] = [];
  /** A sync request that the server has not started on. */
  requested: SyncRequest | undefined;
  /** One that it works on. It reads the account first, the chats later, and their messages last. */
  #started: { request: SyncRequest; account: AccountSync; chats?: ServerChat[] } | undefined;
  #answer: SyncResult | undefined;
  /** A chat that the client has asked for, over REST. */
  #asked: number | undefined;
  /** By chat, the version of the last event. */
  readonly seen = new Map<number, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  step([what, how, which]: Step): void {
    const kind = what % 13;
    if (kind <= 3) this.change(how, which);
    else if (kind <= 5) this.deliver();
    else if (kind <= 7) this.work();
    else if (kind === 8) this.sendAnswer();
    else if (kind === 9) this.#disturb(how);
    else if (kind === 10) this.changeAccount(how, which);
    else if (kind === 11) this.#answerCounts();
    else if (how < 60) this.connect();
    else if (how < 70) this.#renewEpoch();
    else if (how < 90) this.#reload();
  }

  /** Changes something in a chat. */
  change(how: number, which: number): void {
    const chat = this.#chat((which % 3) + 1);
    chat.version += 1;
    if (!chat.isMember) {
      chat.isMember = true;
      return this.#send({ type: "chat.created", chat: view(chat) });
    }
    const [id, version] = [chat.id, chat.version];
    const known = chat.messages.filter(({ seq }) => seq >= chat.firstSeq);
    const target = known[which % known.length];
    switch (how % 11) {
      case 0:
      case 1:
      case 2:
        return this.#post(chat, which % 2 === 0 ? ME : OTHER);
      case 3:
      case 4:
        if (!target) return this.#rename(chat);
        return this.#replace(chat, edited(target, version, how), "message.updated");
      case 5:
        if (!target || target.deleted_at !== null) return this.#rename(chat);
        return this.#replace(chat, tombstone(target, version), "message.deleted");
      case 6:
        chat.members += 1;
        return this.#send({ type: "member.joined", chat: id, version, member: member(OTHER) });
      case 7:
        chat.isMember = false;
        return this.#send({ type: "chat.deleted", chat: id });
      case 8:
        // Leave and rejoin; only the latter is delivered.
        return this.#send({ type: "chat.created", chat: view(chat) });
      case 9:
        if (!target) return this.#rename(chat);
        chat.firstSeq = target.seq + 1;
        return this.#send({ type: "messages.removed", chat: id, version, first_seq: chat.firstSeq });
      default:
        return this.#rename(chat);
    }
  }

  /** Changes, on another device, what only the user sees. */
  changeAccount(how: number, which: number): void {
    this.#account += 1;
    const account = this.#account;
    const chat = this.#chat((which % 3) + 1);
    if (how % 7 === 0) {
      this.#block = { user: OTHER, blocked: !this.#block.blocked, account };
      this.#chat(PRIVATE).blocked = this.#block.blocked;
      return this.#send({ type: "block.updated", ...this.#block });
    }
    if (!chat.isMember || how % 3 === 0) {
      this.#firstName = `name ${account}`;
      this.#profileAt = account;
      const me = { ...userRef(ME), first_name: this.#firstName };
      return this.#send({ type: "user.updated", user: me, account });
    }
    chat.account = account;
    if (how % 3 === 1) {
      chat.pinned = !chat.pinned;
      chat.muted_until = which % 2 === 0 ? TIME : null;
      return this.#send({ type: "chat.settings", chat: chat.id, account, ...settings(chat) });
    }
    const last = chat.messages.length;
    chat.lastRead = Math.max(chat.lastRead, which % (last + 1));
    const marker = { last_delivered_seq: chat.lastRead, last_read_seq: chat.lastRead };
    this.#send({ type: "receipt", chat: chat.id, user: ME, account, ...marker });
  }

  connect(): void {
    this.replica.disconnected();
    this.#wire = [];
    this.requested = undefined;
    this.#started = undefined;
    this.#answer = undefined;
    const mine = [...this.#chats.values()].filter(({ isMember }) => isMember);
    const versions = Object.fromEntries(mine.map(({ id, version }) => [id, version]));
    const me = { ...user(ME), first_name: this.#firstName };
    this.#send(ready({ user: me, epoch: String(this.#epoch), versions, account: this.#account }));
  }

  /** The server does the next part of its work on a sync. */
  work(): void {
    if (!this.#started) {
      if (!this.requested) return;
      this.#started = { request: this.requested, account: this.#accountSince(this.requested) };
      this.requested = undefined;
    } else if (!this.#started.chats) {
      this.#started.chats = structuredClone([...this.#chats.values()]);
    } else {
      const { request, account, chats } = this.#started;
      this.#answer = this.#answerTo(request, account, chats);
      this.#started = undefined;
    }
  }

  sendAnswer(): void {
    if (this.#answer) this.#wire.push({ answer: this.#answer });
    this.#answer = undefined;
  }

  /** Answers what the client has asked over REST, at the present state. */
  #answerCounts(): void {
    const chat = this.#chats.get(this.#asked ?? 0);
    if (chat?.isMember) this.replica.mergeCounts(view(chat));
    this.#asked = undefined;
  }

  deliver(): void {
    const next = this.#wire.shift();
    if (next) this.#check("frame" in next ? this.replica.apply(next.frame) : this.replica.applySync(next.answer));
    this.#asked ??= this.replica.uncertain.at(0);
    const request = this.replica.nextSync();
    if (!request) return;
    expect(this.requested, "one sync at a time").toBeUndefined();
    this.requested = request;
  }

  /** Loses the next frame without a sign, if its version will show the gap. */
  lose(): void {
    const next = this.#wire[0];
    if (next && "frame" in next && isChange(next.frame)) this.#wire.shift();
  }

  /** Delivers everything that is under way, with no further changes or faults. */
  settle(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      this.deliver();
      this.work();
      this.sendAnswer();
      this.#answerCounts();
      const isIdle = this.#wire.length === 0 && !this.requested && !this.#started && !this.#asked;
      if (isIdle && !this.replica.needsSync) return;
    }
    throw new Error("it does not settle");
  }

  /** The replica equals the server's data. */
  checkConverged(): void {
    expect(this.replica.isUpToDate).toBe(true);
    expect(this.replica.user?.first_name).toBe(this.#firstName);
    const mine = [...this.#chats.values()].filter(({ isMember }) => isMember);
    expect([...this.replica.chats.keys()].sort()).toEqual(mine.map(({ id }) => id).sort());
    for (const chat of mine) this.#checkChat(chat);
  }

  #checkChat(chat: ServerChat): void {
    const known = this.replica.chats.get(chat.id);
    if (!known) throw new Error("unknown");
    expect(known.version).toBe(chat.version);
    expect(known.chat).toEqual(view(chat));
    expect(known.isUncertain).toBe(false);
    for (const message of chat.messages) {
      const copy = known.messages.get(message.seq);
      if (message.seq < chat.firstSeq) expect(copy).toBeUndefined();
      else if (copy) expect(copy).toEqual(message);
      else expect(message.seq).toBeLessThan(known.completeFrom);
    }
  }

  #chat(id: number): ServerChat {
    const known = this.#chats.get(id);
    if (known) return known;
    const rest = {
      version: 0,
      name: "",
      members: 1,
      isMember: false,
      messages: [],
      firstSeq: 0,
      lastRead: 0,
      account: 0,
    };
    const chat = { id, ...rest, muted_until: null, pinned: false, archived: false, blocked: false };
    this.#chats.set(id, chat);
    return chat;
  }

  #post(chat: ServerChat, by: number): void {
    const seq = chat.messages.length + 1;
    const fields = { chat: chat.id, seq, version: chat.version, sender: userRef(by), content: `sent ${chat.version}` };
    const message = messageBody({ ...fields, mentions: chat.version % 3 === 0 ? [ME] : [] });
    chat.messages.push(message);
    if (by === ME) chat.lastRead = seq;
    this.#send({ type: "message.created", chat: chat.id, version: chat.version, message });
  }

  #replace(chat: ServerChat, message: Message, type: "message.updated" | "message.deleted"): void {
    chat.messages[message.seq - 1] = message;
    this.#send({ type, chat: chat.id, version: chat.version, message });
  }

  #rename(chat: ServerChat): void {
    chat.name = `name ${chat.version}`;
    const { id, version, name } = chat;
    this.#send({ type: "chat.updated", chat: id, version, name, description: "", avatar: null });
  }

  #renewEpoch(): void {
    this.#epoch += 1;
    this.connect();
  }

  /** The program is started again with what it stored. */
  #reload(): void {
    const { me, epoch, account, chats } = this.replica;
    const stored = { me, epoch, account, chats: [...chats.values()].map((chat) => chat.store(4)) };
    this.replica = new Replica(structuredClone(stored));
    this.connect();
  }

  #isThisEpoch({ epoch }: SyncRequest): boolean {
    return epoch === undefined || epoch === String(this.#epoch);
  }

  #accountSince(request: SyncRequest): AccountSync {
    const [version, since] = [this.#account, request.account];
    if (since === undefined || since > version || !this.#isThisEpoch(request)) return { version };
    const changed = [...this.#chats.values()].filter(({ isMember, account }) => isMember && account > since);
    const chats = changed.map((chat) => ({
      chat: chat.id,
      last_read_seq: chat.lastRead,
      ...unread(chat),
      ...settings(chat),
    }));
    const me = this.#profileAt > since ? { ...user(ME), first_name: this.#firstName } : null;
    return {
      version,
      user: me,
      chats,
      blocks: this.#block.account > since ? [{ user: OTHER, blocked: this.#block.blocked }] : [],
      more: false,
    };
  }

  #answerTo(request: SyncRequest, account: AccountSync, chats: ServerChat[]): SyncResult {
    const known = this.#isThisEpoch(request) ? request.versions : {};
    const mine = chats.filter(({ isMember }) => isMember);
    const gone = Object.keys(request.versions)
      .map(Number)
      .filter((id) => !mine.some((chat) => chat.id === id));
    const since = ({ id, version }: ServerChat) => {
      const named = known[id] ?? Infinity;
      return named <= version ? named : undefined;
    };
    const due = mine.filter((chat) => since(chat) !== chat.version);
    let left = this.limit;
    // The answer has no room for more chats.
    const changes = due.slice(0, this.limit).map((chat) => {
      const version = since(chat);
      const messages = version === undefined ? lastOf(this.#chat(chat.id)) : newer(this.#chat(chat.id), version);
      // The newest message of a new chat is outside the limit.
      const fitting = messages.slice(0, version === undefined ? 1 : left);
      left -= version === undefined ? 0 : fitting.length;
      return { chat: view(chat), messages: fitting, more: fitting.length < messages.length };
    });
    const more = due.length > changes.length || changes.some(({ more }) => more);
    return { epoch: String(this.#epoch), changes, gone, more, account };
  }

  /** Does to the next frame what a network or a slow reader may do. */
  #disturb(how: number): void {
    const [first, second] = this.#wire;
    if (!first || !("frame" in first) || first.frame.type === "ready") return;
    const { frame } = first;
    switch (how % 3) {
      case 0:
        // The server announces a dropped event before what was queued.
        this.#wire[0] = { frame: { type: "resync" } };
        break;
      case 1:
        this.#wire.unshift(first);
        break;
      default:
        // Changes can be put in order again. A new chat may come from another node than what only the user sees of it.
        if (second && "frame" in second && maySwap(frame, second.frame)) this.#wire.splice(0, 2, second, first);
    }
  }

  /** Each chat's events are consecutive. */
  #check(events: Event[]): void {
    for (const event of events) {
      if (event.type === "epochChanged") this.seen.clear();
      if (event.type === "chatDeleted") expect(this.seen.delete(event.chat), "deleted a known chat").toBe(true);
      if (event.type === "chatCreated") {
        expect(this.seen.has(event.chat.id), "created once").toBe(false);
        this.seen.set(event.chat.id, event.chat.version);
      }
      if (event.type === "change") {
        expect(event.change.version).toBe((this.seen.get(event.change.chat) ?? 0) + 1);
        this.seen.set(event.change.chat, event.change.version);
      }
      if (event.type === "resynced") {
        const { from, to, chat, messages } = event;
        expect(from).toBe(this.seen.get(chat.id) ?? 0);
        expect(to).toBeGreaterThan(from);
        expect(to).toBeLessThanOrEqual(chat.version);
        const versions = messages.map(({ version }) => version);
        expect(versions).toEqual([...versions].sort((a, b) => a - b).filter((one) => one > from && one <= to));
        this.seen.set(chat.id, to);
      }
    }
  }

  #send(frame: Frame): void {
    this.#wire.push({ frame: structuredClone(frame) });
  }
}

function maySwap(first: Frame, second: Frame): boolean {
  if (isChange(first)) return isChange(second);
  return first.type === "chat.created" && (second.type === "receipt" || second.type === "chat.settings");
}

function view(chat: ServerChat): Chat {
  const last = lastOf(chat).at(0) ?? null;
  return structuredClone(
    chatBody({
      id: chat.id,
      version: chat.version,
      name: chat.name,
      members_count: chat.members,
      last_message: last,
      last_seq: chat.messages.length,
      last_read_seq: chat.lastRead,
      ...unread(chat),
      ...(chat.id === PRIVATE ? { type: "private", peer: user(OTHER), blocked: chat.blocked } : {}),
      ...(chat.firstSeq > 0 ? { first_seq: chat.firstSeq } : {}),
      ...settings(chat),
    }),
  );
}

function lastOf({ messages, firstSeq }: ServerChat): Message[] {
  return structuredClone(messages.slice(-1).filter(({ seq }) => seq >= firstSeq));
}

function newer({ messages, firstSeq }: ServerChat, since: number): Message[] {
  const later = messages.filter(({ version, seq }) => version > since && seq >= firstSeq);
  return structuredClone(later.sort((a, b) => a.version - b.version));
}

function unread({ messages, lastRead, firstSeq }: ServerChat): Pick<Chat, "unread_count" | "unread_mentions"> {
  const isUnread = ({ sender, deleted_at, seq }: Message) =>
    sender.id !== ME && deleted_at === null && seq > lastRead && seq >= firstSeq;
  const unread = messages.filter(isUnread);
  const mentioning = unread.filter(({ mentions, mentions_all }) => mentions_all || mentions.includes(ME));
  return { unread_count: unread.length, unread_mentions: mentioning.length };
}

/** An edit, which may change what a message mentions. */
function edited(message: Message, version: number, how: number): Message {
  return {
    ...message,
    version,
    content: `edited ${version}`,
    mentions: how % 2 === 0 ? [ME] : [],
    mentions_all: how % 5 === 0,
  };
}

function tombstone(message: Message, version: number): Message {
  return { ...message, version, content: "", deleted_at: TIME, mentions: [], mentions_all: false };
}

function settings({ muted_until, pinned, archived }: ChatSettings): ChatSettings {
  return { muted_until, pinned, archived };
}

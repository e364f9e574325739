// What a client knows, as a state machine: it takes the server's frames, returns events, and asks for a sync when something is
// missing. It must do no I/O and read no clock. Whatever is lost, repeated or reordered on the way, it converges to the server's
// state once it has synced. The rules are those of docs/realtime.md.

import { AccountReplica, type StoredAccount } from "./account_replica.ts";
import { ChatReplica, type StoredChat } from "./chat_replica.ts";
import { Chats } from "./chats.ts";
import type { Event } from "./events.ts";
import { type Frame, isChange } from "./frames.ts";
import { Gaps } from "./gaps.ts";
import { Signals } from "./signals.ts";
import type { Change, Chat, ChatChanges, Member, Message, Ready, SyncRequest, SyncResult, User } from "./types.ts";

/** A replica as it is stored. */
export interface StoredReplica {
  me: number | undefined;
  epoch: string | undefined;
  account: StoredAccount;
  chats: StoredChat[];
}

export class Replica {
  #me: number | undefined;
  #epoch: string | undefined;
  readonly #account: AccountReplica;
  readonly #chats = new Chats();
  readonly #signals: Signals;
  #gaps = new Gaps();

  constructor(stored?: StoredReplica) {
    this.#me = stored?.me;
    this.#epoch = stored?.epoch;
    this.#account = new AccountReplica(stored?.account);
    this.#signals = new Signals(this.#chats, this.#account);
    for (const chat of stored?.chats ?? []) this.#chats.set(chat.chat.id, ChatReplica.restore(chat, this.#me));
    this.#chats.takeUnsaved();
  }

  /** Your user id, after the first connection. */
  get me(): number | undefined {
    return this.#me;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Your profile, after the first connection. */
  get user(): User | undefined {
    return this.#account.user;
  }

  /** What is stored of the account. */
  get account(): StoredAccount {
    return this.#account.store();
  }

  /** All chats by id. */
  get chats(): ReadonlyMap<number, ChatReplica> {
    return this.#chats.all;
  }

  /** Whether nothing is known to be missing. */
  get isUpToDate(): boolean {
    return this.#gaps.areFilled;
  }

  /** Whether `nextSync` has a request. */
  get needsSync(): boolean {
    return this.#gaps.needsSync && !this.#gaps.isSyncing;
  }

  /** The ids of the chats that changed since the last time. They may be unknown by now. */
  takeUnsaved(): number[] {
    return this.#chats.takeUnsaved();
  }

  /** The chats whose unread counts need messages that are not known: `mergeCounts` takes them from the server. */
  get uncertain(): number[] {
    return this.#chats.uncertain;
  }

  /** Takes the unread counts of a chat that was read over REST. */
  mergeCounts(chat: Chat): void {
    this.#chats.edit(chat.id)?.mergeCounts(chat);
  }

  /** Merges messages that were read over REST in this epoch. Those of unknown chats are ignored. */
  mergeMessages(messages: readonly Message[]): void {
    for (const message of messages) this.#chats.edit(message.chat)?.mergeMessage(message);
  }

  /** Merges members that were read over REST. */
  mergeMembers(chat: number, members: readonly Member[]): void {
    this.#chats.edit(chat)?.mergeMembers(members);
  }

  /** Applies a frame and returns its events. Frames of unknown types change nothing, unless they have a chat's next version. */
  apply(frame: Frame): Event[] {
    if (isChange(frame)) return this.#receiveChange(frame);
    switch (frame.type) {
      case "ready":
        return this.#start(frame);
      case "chat.created":
        return this.#join(frame.chat);
      case "chat.deleted":
        this.#gaps.stale.add(frame.chat);
        return this.#leave(frame.chat);
      case "resync":
        this.#gaps.needsSync = true;
        this.#account.miss();
        return [];
      case "receipt":
      case "typing":
      case "status":
      case "user.updated":
      case "chat.settings":
      case "block.updated":
        this.#signals.receive(frame, this.#gaps);
        return [{ type: "signal", signal: frame }];
      default:
        return [];
    }
  }

  /** The next sync request, if one is needed. `applySync`, `syncFailed` or `disconnected` must follow: there is one at a time. */
  nextSync(): SyncRequest | undefined {
    if (!this.needsSync) return undefined;
    this.#gaps.startSync();
    const account = this.#account.ask(this.chats.size > 0);
    const versions = Object.fromEntries([...this.chats].map(([id, chat]) => [id, chat.version]));
    return { versions, ...defined({ epoch: this.#epoch, account }) };
  }

  /** Applies the answer to a sync and returns its events. Another sync may be needed afterwards. */
  applySync(answer: SyncResult): Event[] {
    const gaps = this.#gaps;
    gaps.syncAnswered(answer.account?.version ?? 0);
    const events = this.#adoptEpoch(answer.epoch);
    if (events.length > 0) {
      // The request named versions of another history. Ask for all chats instead.
      gaps.needsSync = true;
      return events;
    }
    const stale = new Set(gaps.stale);
    gaps.needsSync ||= answer.more || stale.size > 0;
    // Before the chats, which were read later.
    const brought = new Set(answer.changes.map(({ chat }) => chat.id));
    if (answer.account) events.push(...this.#signals.applySync(answer.account, brought, stale, gaps));
    for (const chat of answer.gone.filter((chat) => !stale.has(chat))) events.push(...this.#leave(chat));
    for (const changes of answer.changes.filter(({ chat }) => !stale.has(chat.id))) {
      events.push(...this.#applyChanges(changes));
    }
    gaps.retain((chat) => this.chats.has(chat) || stale.has(chat));
    // What is still kept lies behind a gap that this sync has not filled.
    gaps.needsSync ||= gaps.hasKept;
    return events;
  }

  /** The sync failed: another one is needed. */
  syncFailed(): void {
    this.#gaps.needsSync = true;
    this.#gaps.isSyncing = false;
    this.#account.fallBehind();
  }

  /** The connection is lost, and with it the sync in progress and everything kept. */
  disconnected(): void {
    this.#gaps = new Gaps();
    this.#account.disconnected();
  }

  #start(ready: Ready): Event[] {
    this.#gaps = new Gaps();
    this.#me = ready.user.id;
    const events: Event[] = [{ type: "ready", ready }, ...this.#adoptEpoch(ready.epoch)];
    const versions = new Map(Object.entries(ready.versions).map(([id, version]) => [Number(id), version]));
    for (const [id, { version }] of this.chats) {
      // A chat that the server has at an earlier version is not the chat that is known.
      if (version > (versions.get(id) ?? -1)) events.push(...this.#leave(id));
    }
    const accountChanged = this.#account.start(ready, this.chats.size > 0);
    const isKnown = ([id, version]: [number, number]) => this.chats.get(id)?.version === version;
    this.#gaps.needsSync = accountChanged || ![...versions].every(isKnown);
    return events;
  }

  /** Applies a change if it is the next one, ignores a repeated one, and keeps one behind a gap. */
  #receiveChange(change: Change): Event[] {
    const known = this.chats.get(change.chat)?.version;
    if (known !== undefined && change.version <= known) return [];
    if (known !== undefined && change.version === known + 1) {
      return [this.#applyChange(change), ...this.#applyKept(change.chat)];
    }
    this.#gaps.keep(change);
    return [];
  }

  #applyChange(change: Change): Event {
    this.#gaps.changed.add(change.chat);
    this.#chats.edit(change.chat)?.apply(change);
    return { type: "change", change };
  }

  /** Applies the kept changes that are next. */
  #applyKept(id: number): Event[] {
    const events: Event[] = [];
    for (let version = this.chats.get(id)?.version; version !== undefined; version += 1) {
      const next = this.#gaps.take(id, version + 1);
      if (!next) break;
      events.push(this.#applyChange(next));
    }
    return events;
  }

  #join(chat: Chat): Event[] {
    this.#gaps.stale.add(chat.id);
    const known = this.chats.get(chat.id);
    if (known) {
      // You left and rejoined. A sync brings what happened in between.
      if (known.version < chat.version) this.#gaps.needsSync = true;
      return [];
    }
    this.#chats.set(chat.id, this.#newChat(chat));
    return [{ type: "chatCreated", chat }, ...this.#applyKept(chat.id)];
  }

  #newChat(chat: Chat): ChatReplica {
    return new ChatReplica({ ...chat, ...this.#gaps.newerFields(chat) }, this.#me);
  }

  #leave(chat: number): Event[] {
    this.#gaps.forget(chat);
    return this.#chats.delete(chat) ? [{ type: "chatDeleted", chat }] : [];
  }

  /** Brings a chat to the state in a sync's answer. */
  #applyChanges({ chat, messages, more }: ChatChanges): Event[] {
    const known = this.chats.get(chat.id);
    const from = known?.version ?? 0;
    // The server reads messages after the chat, so one may be newer than the chat: it arrives as an event.
    const fitting = messages.filter(({ version }) => version <= chat.version);
    const isPart = more && fitting.length === messages.length;
    const to = isPart ? (fitting.at(-1)?.version ?? from) : chat.version;
    if (isPart) this.#gaps.needsSync = true;
    if (to <= from) return [];
    const news = fitting.filter(({ version }) => version > from);
    if (!known) this.#chats.set(chat.id, this.#newChat(chat));
    this.mergeMessages(news);
    this.#chats.edit(chat.id)?.replaceChat(chat, to, this.#gaps.newerFields(chat));
    return [{ type: "resynced", from, to, chat, messages: news }, ...this.#applyKept(chat.id)];
  }

  #adoptEpoch(epoch: string): Event[] {
    const previous = this.#epoch;
    this.#epoch = epoch;
    if (previous === undefined || previous === epoch) return [];
    this.#chats.clear();
    this.#gaps.retain(() => false);
    this.#account.forgetVersion();
    return [{ type: "epochChanged" }];
  }
}

/** The fields that have a value. */
function defined<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

// What a client knows about one chat: the chat itself, its newest messages, and the members it has received. It expects
// changes in version order; keeping that order is the task of `replica`.

import { messageOf } from "./frames.ts";
import type { AccountChat, Change, Chat, ChatSettings, Member, Message, Role } from "./types.ts";
import { countAll, countsOf, plus } from "./unread.ts";

/** How far a member has received and read a chat. */
export interface Markers {
  readonly last_delivered_seq: number;
  readonly last_read_seq: number;
}

/** A chat as it is stored. */
export interface StoredChat {
  chat: Chat;
  version: number;
  completeFrom: number;
  messages: Message[];
  markers: [number, Markers][];
  roles: [number, Role][];
  isUncertain: boolean;
}

export class ChatReplica {
  #chat: Chat;
  #version: number;
  #completeFrom: number;
  readonly #messages = new Map<number, Message>();
  /** The `seq` of each known message by its id. */
  readonly #seqs = new Map<number, number>();
  readonly #markers = new Map<number, Markers>();
  readonly #roles = new Map<number, Role>();
  readonly #me: number | undefined;
  /** The unread counts need messages that are not known. */
  #isUncertain = false;

  /** `me` is the user's id. */
  constructor({ members = [], ...chat }: Chat, me: number | undefined) {
    this.#me = me;
    this.#chat = chat;
    this.#version = chat.version;
    this.#completeFrom = chat.last_seq + 1;
    if (chat.last_message) this.mergeMessage(chat.last_message);
    this.mergeMembers(members);
  }

  static restore(stored: StoredChat, me: number | undefined): ChatReplica {
    const replica = new ChatReplica(stored.chat, me);
    replica.#version = stored.version;
    replica.#completeFrom = stored.completeFrom;
    for (const message of stored.messages) replica.#set(message);
    for (const [user, markers] of stored.markers) replica.#markers.set(user, markers);
    for (const [user, role] of stored.roles) replica.#roles.set(user, role);
    replica.#isUncertain = stored.isUncertain;
    return replica;
  }

  /** What `restore` takes, with at most this many messages: the newest ones. */
  store(limit: number): StoredChat {
    const completeFrom = Math.max(this.#completeFrom, this.#chat.last_seq + 1 - limit);
    const messages = this.#range(completeFrom, this.#chat.last_seq);
    const { markers, roles, isUncertain } = this;
    return {
      isUncertain,
      chat: this.#chat,
      version: this.#version,
      completeFrom,
      messages,
      markers: [...markers],
      roles: [...roles],
    };
  }

  /** The chat, with its changes applied. */
  get chat(): Readonly<Chat> {
    return this.#chat;
  }

  /** Whether the unread counts need messages that are not known: `mergeCounts` takes them from the server. */
  get isUncertain(): boolean {
    return this.#isUncertain;
  }

  /** The version up to which changes are applied. While a sync is in progress, `chat` may be newer. */
  get version(): number {
    return this.#version;
  }

  /** The known messages by `seq`, tombstones included. */
  get messages(): ReadonlyMap<number, Message> {
    return this.#messages;
  }

  /** Every message from this `seq` on is known. Some older ones may be. */
  get completeFrom(): number {
    return this.#completeFrom;
  }

  /** The markers of members by user id, as far as they were received. */
  get markers(): ReadonlyMap<number, Markers> {
    return this.#markers;
  }

  /** The roles of members by user id, as far as they were received. */
  get roles(): ReadonlyMap<number, Role> {
    return this.#roles;
  }

  /** The known messages without a gap around a `seq`, oldest first. Without one, those at the end of the chat. */
  history(around = this.#chat.last_seq): Message[] {
    let [first, last] = [around, around];
    while (this.#messages.has(first - 1)) first -= 1;
    while (this.#messages.has(last + 1)) last += 1;
    return this.#range(first, last);
  }

  /** A known message by its id, such as one that another message replies to. */
  messageById(id: number): Message | undefined {
    const seq = this.#seqs.get(id);
    return seq === undefined ? undefined : this.#messages.get(seq);
  }

  /** Keeps a message unless a later state of it is known. */
  mergeMessage(message: Message): void {
    if (message.seq < (this.#chat.first_seq ?? 0)) return;
    const known = this.#messages.get(message.seq);
    if (known === undefined || known.version <= message.version) this.#set(message);
    while (this.#messages.has(this.#completeFrom - 1)) this.#completeFrom -= 1;
  }

  mergeMembers(members: readonly Member[]): void {
    for (const member of members) {
      this.#roles.set(member.user.id, member.role);
      this.moveMarkers(member.user.id, member);
    }
  }

  /** Takes the unread counts of a chat that was read over REST. If it was read at another state, they stay uncertain. */
  mergeCounts({ version, last_read_seq, unread_count, unread_mentions }: Chat): void {
    if (version !== this.#version || last_read_seq !== this.#chat.last_read_seq) return;
    this.#isUncertain = false;
    this.#update({ unread_count, unread_mentions });
  }

  /** Replaces the chat after a sync, which brings it to `version`. `kept` are fields that events have changed since. */
  replaceChat({ members: _, ...chat }: Chat, version: number, kept: Partial<Chat>): void {
    const read = this.#chat.last_read_seq;
    this.#chat = { ...chat, ...kept };
    this.#version = version;
    this.#isUncertain = false;
    this.#dropRemoved();
    // A receipt may have been faster than the answer.
    this.#moveReadMarker(read);
  }

  /** Takes what only the user sees from a sync. `isExact`: no change arrived since it was read. */
  applyAccount(state: AccountChat, isExact: boolean): void {
    if (state.last_read_seq < this.#chat.last_read_seq) return;
    this.#moveReadMarker(state.last_read_seq);
    if (!isExact) return;
    this.#isUncertain = false;
    this.#update({ unread_count: state.unread_count, unread_mentions: state.unread_mentions });
  }

  applySettings({ muted_until, pinned, archived }: ChatSettings): void {
    this.#update({ muted_until, pinned, archived });
  }

  /** Changes fields that have no version. */
  patch(fields: Partial<Chat>): void {
    this.#update(fields);
  }

  /** Applies the next change. */
  apply(change: Change): void {
    this.#version = change.version;
    const message = messageOf(change);
    if (change.version <= this.#chat.version) {
      // `chat` has this change already; only the message may be missing.
      if (message) this.mergeMessage(message);
      return;
    }
    this.#update({ version: change.version });
    if (message) this.#applyMessage(change, message);
    else this.#applyOther(change);
  }

  /** Moves a member's markers. They only move forward. */
  moveMarkers(user: number, { last_delivered_seq, last_read_seq }: Markers): void {
    const known = this.#markers.get(user) ?? { last_delivered_seq: 0, last_read_seq: 0 };
    this.#markers.set(user, {
      last_delivered_seq: Math.max(known.last_delivered_seq, last_delivered_seq),
      last_read_seq: Math.max(known.last_read_seq, last_read_seq),
    });
    if (user === this.#me) this.#moveReadMarker(last_read_seq);
  }

  #applyMessage(change: Change, message: Message): void {
    const { last_seq, last_message, last_read_seq } = this.#chat;
    const isNew = message.seq > last_seq;
    const before = this.#messages.get(message.seq);
    this.mergeMessage(message);
    if (last_message === null || last_message.seq <= message.seq) this.#update({ last_message: message });
    if (!isNew) return this.#recount(change, message, before);
    this.#update({ last_seq: message.seq });
    if (message.sender.id === this.#me) {
      this.moveMarkers(this.#me, { last_delivered_seq: message.seq, last_read_seq: message.seq });
    } else {
      this.#update(plus(this.#chat, countsOf(message, last_read_seq, this.#me)));
    }
  }

  /** A message changed. Without its state before, its deletion still counts, but what it mentioned is not known. */
  #recount(change: Change, message: Message, before: Message | undefined): void {
    if (message.seq <= this.#chat.last_read_seq || message.sender.id === this.#me) return;
    const counts = countAll(this.#chat, this.#messages, this.#me);
    if (counts) return this.#update(counts);
    this.#isUncertain ||= before === undefined;
    const { unread_count, unread_mentions } = this.#chat;
    const wasMentioned = before && countsOf(before, 0, this.#me).unread_mentions;
    const isMentioned = countsOf(message, 0, this.#me).unread_mentions;
    this.#update({
      unread_count: Math.max(0, unread_count - (change.type === "message.deleted" ? 1 : 0)),
      unread_mentions: Math.max(0, unread_mentions + isMentioned - (wasMentioned ?? isMentioned)),
    });
  }

  #applyOther(change: Change): void {
    switch (change.type) {
      case "messages.removed":
        this.#update({ first_seq: Math.max(this.#chat.first_seq ?? 0, change.first_seq) });
        this.#dropRemoved();
        this.#countAfter(this.#chat.last_read_seq);
        break;
      case "chat.updated":
        this.#update(fieldsOf(change));
        break;
      case "member.joined":
        this.#update({ members_count: this.#chat.members_count + 1 });
        this.#markers.set(change.member.user.id, markersOf(change.member));
        this.#roles.set(change.member.user.id, change.member.role);
        break;
      case "member.updated":
        this.#roles.set(change.member.user.id, change.member.role);
        if (change.member.user.id === this.#me) this.#update({ my_role: change.member.role });
        break;
      case "member.left":
        this.#update({ members_count: this.#chat.members_count - 1 });
        this.#markers.delete(change.member.user.id);
        this.#roles.delete(change.member.user.id);
        break;
    }
  }

  /** Moves the own read marker forward, and counts what is unread after it. */
  #moveReadMarker(seq: number): void {
    if (seq <= this.#chat.last_read_seq) return;
    this.#update({ last_read_seq: seq });
    this.#countAfter(seq);
  }

  /** Counts what is unread after a marker, and not removed; at most as many as before if a message is not known. */
  #countAfter(marker: number): void {
    const counts = countAll(this.#chat, this.#messages, this.#me);
    if (counts) return this.#update(counts);
    this.#isUncertain = true;
    const { last_seq, first_seq = 0, unread_count, unread_mentions } = this.#chat;
    const most = Math.min(unread_count, Math.max(0, last_seq - Math.max(marker, first_seq - 1)));
    this.#update({ unread_count: most, unread_mentions: Math.min(unread_mentions, most) });
  }

  #dropRemoved(): void {
    const { first_seq, last_message } = this.#chat;
    if (first_seq === undefined) return;
    for (const { seq, id } of this.#messages.values()) {
      if (seq >= first_seq) continue;
      this.#messages.delete(seq);
      this.#seqs.delete(id);
    }
    this.#completeFrom = Math.max(this.#completeFrom, first_seq);
    if (last_message !== null && last_message.seq < first_seq) this.#update({ last_message: null });
  }

  #set(message: Message): void {
    this.#messages.set(message.seq, message);
    this.#seqs.set(message.id, message.seq);
  }

  #range(first: number, last: number): Message[] {
    const messages: Message[] = [];
    for (let seq = first; seq <= last; seq++) {
      const message = this.#messages.get(seq);
      if (message) messages.push(message);
    }
    return messages;
  }

  /** The chat is replaced, never changed: a program may compare it with the one that it had before. */
  #update(fields: Partial<Chat>): void {
    this.#chat = { ...this.#chat, ...fields };
  }
}

/** The fields of the chat in a `chat.updated`, also those that are newer than this package. */
function fieldsOf({ type: _type, chat: _chat, ...fields }: Extract<Change, { type: "chat.updated" }>): Partial<Chat> {
  return fields;
}

function markersOf({ last_delivered_seq, last_read_seq }: Markers): Markers {
  return { last_delivered_seq, last_read_seq };
}

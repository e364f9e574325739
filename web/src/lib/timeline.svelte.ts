// The part of a chat's history that is shown: a window of messages, which moves as the user scrolls. Messages come from the
// replica, and from the server where that has none.

import type { ChatReplica, Message } from "@meowsenger/client";
import { session } from "./session.svelte.ts";
import { type LeastMarkers, leastMarkers } from "./ticks.ts";

/** How many messages a chat is opened with, which fill a screen; and by how many the window grows, so that rendering them fits
 * into a frame or two. */
const OPENED = 30;
const STEP = 10;
/** With how many known messages beyond the window more are asked for. */
const AHEAD = 2 * STEP;

/** Messages by their `seq`, both included. */
interface Range {
  first: number;
  last: number;
}

function grown({ first, last }: Range, has: (seq: number) => boolean): Range {
  while (has(first - 1)) first -= 1;
  while (has(last + 1)) last += 1;
  return { first, last };
}

export class Timeline {
  readonly chat: number;
  /** How many messages the window has at most: more than fit on the screen. The fewer, the less the garbage collector has to copy
   * while somebody scrolls. */
  most = 150;
  /** The window by `seq`. Without an end it follows new messages. */
  #first = $state(0);
  #last = $state(Number.POSITIVE_INFINITY);
  /** A message of the part of the history that is shown; undefined: its end. */
  #anchor = $state<number | undefined>();
  isLoading = $state(false);
  error = $state.raw<unknown>();
  /** The first message that was unread when the chat was opened. */
  unreadFrom = $state<number | undefined>();

  /** The first and the last of the known messages without a gap around the window. */
  readonly #known: Range | undefined = $derived.by(() => this.#findKnown());
  #found: { replica: ChatReplica; range: Range } | undefined;

  readonly messages: Message[] = $derived.by(() => {
    const messages: Message[] = [];
    const { first, last } = this.#known ?? { first: 0, last: -1 };
    for (let seq = Math.max(first, this.#first); seq <= Math.min(last, this.#last); seq++) {
      const message = this.#replica?.messages.get(seq);
      if (message) messages.push(message);
    }
    return messages;
  });

  /** How far everybody else has received and read: once for all rows, since a group may have thousands of members. */
  readonly least: LeastMarkers | undefined = $derived(leastMarkers(this.#replica, session.userId));

  constructor(chat: number) {
    this.chat = chat;
  }

  get #replica() {
    return session.replicaOf(this.chat);
  }

  /** Grows what was found before: to look up ten thousand messages at each change would hold up the scrolling. */
  #findKnown(): Range | undefined {
    const replica = this.#replica;
    if (!replica) return undefined;
    const has = (seq: number) => replica.messages.has(seq);
    // The newest message may not be known yet.
    const newest = has(this.#lastSeq) ? this.#lastSeq : this.#lastSeq - 1;
    const at = this.#anchor ?? newest;
    const before = this.#found?.replica === replica ? this.#found.range : undefined;
    let range = before && has(before.first) && has(before.last) ? grown(before, has) : undefined;
    if (!range || at < range.first || at > range.last) range = has(at) ? grown({ first: at, last: at }, has) : undefined;
    this.#found = range && { replica, range };
    return range;
  }

  get #lastSeq(): number {
    return this.#replica?.chat.last_seq ?? 0;
  }

  /** Whether the newest message is in the window. */
  get isAtEnd(): boolean {
    return this.#last >= this.#lastSeq && (this.#known?.last ?? 0) === this.#lastSeq;
  }

  get hasOlder(): boolean {
    const first = this.messages[0]?.seq ?? this.#lastSeq + 1;
    return first > (this.#replica?.chat.first_seq ?? 1);
  }

  /** Shows the first unread message, or the newest ones. */
  async open(): Promise<void> {
    const chat = this.#replica?.chat;
    if (!chat) return;
    this.unreadFrom = chat.unread_count > 0 ? chat.last_read_seq + 1 : undefined;
    if (this.unreadFrom !== undefined && chat.unread_count > OPENED / 2) return this.show(this.unreadFrom);
    this.showLatest();
    if (this.messages.length < OPENED / 2 && this.hasOlder) await this.showOlder();
  }

  showLatest(): void {
    this.#anchor = undefined;
    this.#first = this.#lastSeq - OPENED;
    this.#last = Number.POSITIVE_INFINITY;
  }

  /** Shows the messages around one. Returns whether it can be shown. */
  async show(seq: number): Promise<void> {
    if (!this.#replica?.messages.has(seq)) {
      await this.#load(() => session.live.loadAround(this.chat, seq));
      if (this.error) return;
    }
    this.#anchor = seq;
    this.#first = seq - OPENED / 2;
    this.#last = seq + OPENED;
    this.#followIfLast();
  }

  async showOlder(): Promise<void> {
    if (!this.hasOlder) return;
    const start = this.#known?.first ?? this.#lastSeq + 1;
    if (this.#first > start) {
      this.#first -= STEP;
      if (this.messages.length > this.most) this.#last = (this.messages[0]?.seq ?? 0) + this.most;
    }
    // Before all that is known is shown, so that nobody who scrolls waits for the server.
    const isKnown = start <= (this.#replica?.chat.first_seq ?? 1);
    if (this.isLoading || isKnown || this.#first > start + AHEAD) return;
    const isTail = !this.#known || this.#known.last === this.#lastSeq;
    await this.#load(() =>
      isTail ? session.live.loadOlder(this.chat) : session.live.loadAround(this.chat, start),
    );
  }

  async showNewer(): Promise<void> {
    if (this.isLoading || this.isAtEnd) return;
    const end = this.#known?.last ?? 0;
    if (this.#last >= end && end < this.#lastSeq) {
      await this.#load(() => session.live.loadAround(this.chat, end));
      if (this.error) return;
    }
    this.#last = Math.min(this.#last, this.#known?.last ?? 0) + STEP;
    this.#first = Math.max(this.#first, this.#last - this.most);
    this.#followIfLast();
  }

  /** Drops old messages from the window while it follows new ones. */
  trim(): void {
    if (this.isAtEnd && this.messages.length > this.most) this.#first = this.#lastSeq - OPENED;
  }

  #followIfLast(): void {
    const isTail = this.#known?.last === this.#lastSeq;
    if (isTail && this.#last >= this.#lastSeq) this.#last = Number.POSITIVE_INFINITY;
  }

  async #load(load: () => Promise<unknown>): Promise<void> {
    this.isLoading = true;
    this.error = undefined;
    try {
      await load();
      session.revision += 1;
    } catch (error) {
      this.error = error;
    } finally {
      this.isLoading = false;
    }
  }
}

// The events that a program reads from a `Live`, and how it reads them.

import type { AccountSync, Change, Chat, Message, Ready, Signal } from "./types.ts";

/**
 * An event. A chat's changes arrive in version order, each exactly once. If the connection missed some, `resynced` takes their
 * place. The replica has an event's change already when the event is delivered.
 */
export type Event =
  /** Connected: the first time, or after a reconnection. */
  | { type: "ready"; ready: Ready }
  /** A chat's next change. */
  | { type: "change"; change: Change }
  /** You are a member of a new chat. */
  | { type: "chatCreated"; chat: Chat }
  /** You are no longer a member of a chat, or it was deleted. The replica has dropped it. */
  | { type: "chatDeleted"; chat: number }
  | Resynced
  /** What only you see changed on another device, and a sync brought it. */
  | { type: "accountSynced"; account: AccountSync }
  /** The unread counts of a chat were uncertain, and are right now. */
  | { type: "counted"; chat: number }
  /** The server's data has another history, as after a restore from a backup. The replica is empty, and all chats follow anew. */
  | { type: "epochChanged" }
  /** What an earlier program stored is in the replica. */
  | { type: "restored" }
  /** The messages of a chat that are in the outbox changed. */
  | { type: "outbox"; chat: number }
  /** An ephemeral signal. */
  | { type: "signal"; signal: Signal }
  /** Nothing is known to be missing any more. */
  | { type: "synced" }
  /** The connection is lost, or an attempt to connect failed. `retryIn` is the delay before the next one, in milliseconds. */
  | { type: "disconnected"; reason: string; retryIn: number }
  /** The connection has ended for good: `SessionEnded`, `TooManyConnections`, or `Closed` by the program. This is the last event. */
  | { type: "ended"; error: Error };

/** A chat moved forward by more than one change. */
export interface Resynced {
  type: "resynced";
  /** The version that was known before; 0 for a chat that was not known. */
  from: number;
  /** The version that is known now. The chat's own version is later if more is to follow. */
  to: number;
  /** The current chat. */
  chat: Chat;
  /**
   * The messages that were created or changed in between, in their current state and in version order. Only the newest one
   * for a chat that was not known.
   */
  messages: Message[];
}

/** An iterator was not read for so long that its events took too much memory. The replica is right nevertheless. */
export class EventsLost extends Error {
  override name = "EventsLost";
  constructor() {
    super(`more than ${MAX_WAITING} events waited`);
  }
}

const MAX_WAITING = 10_000;

/** Delivers events to listeners and iterators. */
export class Events {
  readonly #listeners = new Set<(event: Event) => void>();

  /** Calls the listener with each event from now on. Returns what stops that. */
  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  deliver(event: Event): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // One listener's fault must not keep an event from the others: report it as uncaught.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** The events from now on, up to `ended`. */
  iterate(): AsyncIterableIterator<Event> {
    const iterator = new Iterator(() => stop());
    const stop = this.listen((event) => iterator.push(event));
    return iterator;
  }
}

/** A queue of events, read by `for await`. */
class Iterator implements AsyncIterableIterator<Event> {
  readonly #stop: () => void;
  #waiting: Event[] = [];
  #wake: (() => void) | undefined;
  #isOver = false;
  #isLost = false;

  constructor(stop: () => void) {
    this.#stop = stop;
  }

  push(event: Event): void {
    this.#waiting.push(event);
    if (event.type === "ended") this.#end();
    if (this.#waiting.length > MAX_WAITING) {
      this.#isLost = true;
      this.#waiting = [];
      this.#end();
    }
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<Event, undefined>> {
    for (;;) {
      const value = this.#waiting.shift();
      if (value) return { done: false, value };
      if (this.#isLost) throw new EventsLost();
      if (this.#isOver) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.#waiting = [];
    this.#end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    this.#isOver = true;
    this.#stop();
  }
}

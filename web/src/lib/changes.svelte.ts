// Edits, deletions and reactions that the server has not acknowledged. They are shown at once, and wait in this browser as unsent
// messages do, so that a reload loses none of them. Asking for one again is idempotent.

import { ApiError, type Live, type Message } from "@meowsenger/client";
import { SvelteMap } from "svelte/reactivity";
import { forget, keep, kept } from "./kept.ts";

/** The frame that asks for it. */
export type Change =
  | { type: "message.edit"; message: number; content: string }
  | { type: "message.delete"; message: number }
  | { type: "message.react"; message: number; emoji: string; active: boolean };

const PREFIX = "meow.change.";

class Changes {
  /** By the key in the storage: a later change replaces an earlier one of its kind. */
  readonly #waiting = new SvelteMap<string, Change>();
  /** The beginning of the keys of the present user. */
  #own = PREFIX;

  /** Starts with a connection: asks again for what this user left, and removes what others have left here. */
  open(user: number, live: Live): void {
    this.#own = `${PREFIX}${user}.`;
    this.#waiting.clear();
    forget(PREFIX, this.#own);
    for (const key of Object.keys(localStorage)) {
      const change = key.startsWith(this.#own) ? kept<Change>(key) : undefined;
      if (change) this.make(live, change).catch(() => {});
    }
  }

  /** Resolves when the server has made the change. If it refuses, the message is shown as it is. */
  async make(live: Live, change: Change): Promise<void> {
    const key = this.#own + keyOf(change);
    keep(key, change);
    this.#waiting.set(key, change);
    try {
      await live.request(change);
    } catch (error) {
      // Otherwise the connection has ended, and the next one asks again.
      if (error instanceof ApiError && error.kind !== "not_authenticated") this.#forget(key, change);
      throw error;
    }
    this.#forget(key, change);
  }

  /** The message as it will be, and whether it still has to be changed. */
  shown(message: Message, me: number): { message: Message; isWaiting: boolean } {
    let [shown, isWaiting] = [message, false];
    for (const change of this.#waiting.values()) {
      if (change.message !== message.id || message.deleted_at) continue;
      [shown, isWaiting] = [changed(shown, change, me), true];
    }
    return { message: shown, isWaiting };
  }

  clear(): void {
    this.#waiting.clear();
    forget(PREFIX);
  }

  #forget(key: string, change: Change): void {
    if (this.#waiting.get(key) === change) this.#waiting.delete(key);
    // Another tab may have stored a later change.
    if (localStorage.getItem(key) === JSON.stringify(change)) localStorage.removeItem(key);
  }
}

const keyOf = (change: Change) =>
  `${change.type}.${change.message}${change.type === "message.react" ? `.${change.emoji}` : ""}`;

function changed(message: Message, change: Change, me: number): Message {
  if (change.type === "message.edit") return { ...message, content: change.content };
  if (change.type === "message.delete") return { ...message, deleted_at: message.timestamp, content: "", reactions: [] };
  const of = (emoji: string) => message.reactions.find((reaction) => reaction.emoji === emoji);
  const before = of(change.emoji) ?? { emoji: change.emoji, count: 0, users: [] };
  if (before.users.includes(me) === change.active) return message;
  const users = change.active ? [...before.users, me] : before.users.filter((id) => id !== me);
  const after = { ...before, users, count: before.count + (change.active ? 1 : -1) };
  const reactions = of(change.emoji)
    ? message.reactions.map((reaction) => (reaction === before ? after : reaction))
    : [...message.reactions, after];
  return { ...message, reactions: reactions.filter(({ count }) => count > 0) };
}

export const changes = new Changes();

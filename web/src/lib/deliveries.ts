// Tells the server what has arrived here, at most once a second for each chat.

import type { Live } from "@meowsenger/client";

const PAUSE = 1_000;

export class Deliveries {
  readonly #live: Live;
  readonly #arrived = new Map<number, number>();

  constructor(live: Live) {
    this.#live = live;
  }

  add(chat: number, seq: number): void {
    if (this.#arrived.size === 0) setTimeout(() => this.#send(), PAUSE);
    this.#arrived.set(chat, Math.max(seq, this.#arrived.get(chat) ?? 0));
  }

  #send(): void {
    for (const [chat, seq] of this.#arrived) {
      // What was read is delivered. What fails is told with the next message.
      if ((this.#live.replica.chats.get(chat)?.chat.last_read_seq ?? seq) >= seq) continue;
      this.#live.markDelivered(chat, seq).catch(() => {});
    }
    this.#arrived.clear();
  }
}

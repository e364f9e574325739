// Tells the others of a chat that the user is typing, every few seconds while that goes on.

import type { Live } from "@meowsenger/client";
import { session } from "./session.svelte.ts";

/** Others show an indicator for six seconds. */
const RENEWED_AFTER = 3_000;

export class TypingSignal {
  readonly #chat: number;
  #sentAt = 0;
  /** The connection that was told. There may be none any more when the typing stops. */
  #live: Live | undefined;

  constructor(chat: number) {
    this.#chat = chat;
  }

  typed(text: string): void {
    if (text.trim() === "") return this.stop();
    if (Date.now() - this.#sentAt < RENEWED_AFTER) return;
    this.#sentAt = Date.now();
    this.#live = session.live;
    this.#live.sendTyping(this.#chat, true);
  }

  stop(): void {
    this.#sentAt = 0;
    this.#live?.sendTyping(this.#chat, false);
    this.#live = undefined;
  }
}

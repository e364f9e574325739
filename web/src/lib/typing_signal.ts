// Tells the others of a chat that the user is typing, every few seconds while that goes on.

import { session } from "./session.svelte.ts";

/** Others show an indicator for six seconds. */
const RENEWED_AFTER = 3_000;

export class TypingSignal {
  readonly #chat: number;
  #sentAt = 0;

  constructor(chat: number) {
    this.#chat = chat;
  }

  typed(text: string): void {
    if (text.trim() === "") return this.stop();
    if (Date.now() - this.#sentAt < RENEWED_AFTER) return;
    this.#sentAt = Date.now();
    session.live.sendTyping(this.#chat, true);
  }

  stop(): void {
    if (this.#sentAt === 0 || session.phase !== "in") return;
    this.#sentAt = 0;
    session.live.sendTyping(this.#chat, false);
  }
}

// Searching messages: a call that the client has no name for yet.

import { List, type Message } from "@meowsenger/client";
import { session } from "./session.svelte.ts";

/** A message, and where the matches begin and end in its text, in code points. */
export interface Found {
  message: Message;
  highlights: number[][];
}

export function searchMessages(chat: number, q: string): List<Found> {
  return new List<Found>(session.client, "/api/messages/search/", { q, chat, page_size: 30 });
}

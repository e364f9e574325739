// What counts as unread. Only functions of what is known.

import type { Chat, Message } from "./types.ts";

export type Counts = Pick<Chat, "unread_count" | "unread_mentions">;

/** What a message adds to the counts of a chat that is read up to `marker`. */
export function countsOf(message: Message, marker: number, me: number | undefined): Counts {
  const { sender, deleted_at, seq, mentions = [], mentions_all = false } = message;
  if (sender.id === me || deleted_at !== null || seq <= marker) return { unread_count: 0, unread_mentions: 0 };
  const isMentioned = mentions_all || (me !== undefined && mentions.includes(me));
  return { unread_count: 1, unread_mentions: isMentioned ? 1 : 0 };
}

/** The counts by the messages themselves; undefined if one that may be unread is not known. */
export function countAll(
  chat: Chat,
  messages: ReadonlyMap<number, Message>,
  me: number | undefined,
): Counts | undefined {
  const marker = Math.max(chat.last_read_seq, (chat.first_seq ?? 1) - 1);
  let sum: Counts = { unread_count: 0, unread_mentions: 0 };
  for (let seq = marker + 1; seq <= chat.last_seq; seq++) {
    const message = messages.get(seq);
    if (!message) return undefined;
    sum = plus(sum, countsOf(message, marker, me));
  }
  return sum;
}

export function plus(a: Counts, b: Counts): Counts {
  return {
    unread_count: a.unread_count + b.unread_count,
    unread_mentions: a.unread_mentions + b.unread_mentions,
  };
}

// What a conversation shows, line by line: messages, with separators before some, and what is not sent yet.

import type { Message, OutboxItem } from "@meowsenger/client";
import { dayKey } from "./format.ts";

/** Messages of one sender within this time are one group. */
const GROUP = 5 * 60_000;

export type Row =
  | { key: string; kind: "day"; at: string | number }
  | { key: string; kind: "unread" }
  | { key: string; kind: "message"; message: Message; isFirst: boolean }
  | { key: string; kind: "pending"; item: OutboxItem; isFirst: boolean };

interface Line {
  at: string | number;
  sender: number;
}

/** `unreadFrom` is the `seq` of the first unread message. */
export function rowsOf(messages: Message[], pending: OutboxItem[], unreadFrom: number | undefined, me: number): Row[] {
  const rows: Row[] = [];
  let previous: Line | undefined;
  let isMarked = false;
  const add = (line: Line, make: (isFirst: boolean) => Row, isUnread = false) => {
    const isNewDay = previous === undefined || dayKey(previous.at) !== dayKey(line.at);
    if (isNewDay) rows.push({ key: `day ${dayKey(line.at)}`, kind: "day", at: line.at });
    if (isUnread) rows.push({ key: "unread", kind: "unread" });
    const isLater = previous !== undefined && Number(new Date(line.at)) - Number(new Date(previous.at)) > GROUP;
    rows.push(make(isNewDay || isUnread || isLater || previous?.sender !== line.sender));
    previous = line;
  };
  for (const message of messages) {
    const isUnread: boolean = !isMarked && unreadFrom !== undefined && message.seq >= unreadFrom && message.sender.id !== me;
    isMarked ||= isUnread;
    // A message keeps its row when it is acknowledged.
    const key = message.sender.id === me && message.client_id ? message.client_id : String(message.seq);
    add({ at: message.timestamp, sender: message.sender.id }, (isFirst) => ({ key, kind: "message", message, isFirst }), isUnread);
  }
  const known = new Set(messages.map(({ client_id }) => client_id));
  for (const item of pending) {
    if (known.has(item.client_id)) continue;
    const key = item.client_id;
    add({ at: item.createdAt, sender: me }, (isFirst) => ({ key, kind: "pending", item, isFirst }));
  }
  return rows;
}

// What a conversation shows, line by line: messages, with separators before some, and what is not sent yet.

import type { Message, OutboxItem } from "@meowsenger/client";
import { dayKey } from "./format.ts";

/** Messages of one sender within this time are one group. */
const GROUP = 5 * 60_000;

export type Row =
  | { key: string; kind: "day"; at: number }
  | { key: string; kind: "unread" }
  | MessageRow
  | { key: string; kind: "pending"; item: OutboxItem; isFirst: boolean };

interface MessageRow {
  key: string;
  kind: "message";
  message: Message;
  isFirst: boolean;
}

/** Where a message or draft belongs: its day, its time in milliseconds, and who wrote it. */
interface Place {
  day: string;
  time: number;
  sender: number;
}

/** What was made before for a message. A row that is the same object is not rendered again. */
const places = new WeakMap<Message, Place>();
const made = new WeakMap<Message, MessageRow>();

const place = (at: string | number, sender: number): Place => ({ day: dayKey(at), time: Number(new Date(at)), sender });

function placeOf(message: Message): Place {
  const known = places.get(message) ?? place(message.timestamp, message.sender.id);
  places.set(message, known);
  return known;
}

function rowOf(message: Message, me: number, isFirst: boolean): MessageRow {
  const before = made.get(message);
  if (before && before.isFirst === isFirst) return before;
  // A message keeps its row when it is acknowledged.
  const key = message.sender.id === me && message.client_id ? message.client_id : String(message.seq);
  const row: MessageRow = { key, kind: "message", message, isFirst };
  made.set(message, row);
  return row;
}

/** `unreadFrom` is the `seq` of the first unread message. */
export function rowsOf(messages: Message[], pending: OutboxItem[], unreadFrom: number | undefined, me: number): Row[] {
  const rows: Row[] = [];
  let before: Place | undefined;
  let isMarked = false;
  /** Adds the separators before a row. Returns whether it is the first of its group. */
  const separate = (at: Place, isUnread: boolean): boolean => {
    const isNewDay = before?.day !== at.day;
    if (isNewDay) rows.push({ key: `day ${at.day}`, kind: "day", at: at.time });
    if (isUnread) rows.push({ key: "unread", kind: "unread" });
    const isFirst = isNewDay || isUnread || !before || at.time - before.time > GROUP || before.sender !== at.sender;
    before = at;
    return isFirst;
  };
  for (const message of messages) {
    const isUnread: boolean = !isMarked && unreadFrom !== undefined && message.seq >= unreadFrom && message.sender.id !== me;
    isMarked ||= isUnread;
    rows.push(rowOf(message, me, separate(placeOf(message), isUnread)));
  }
  if (pending.length === 0) return rows;
  const known = new Set(messages.map(({ client_id }) => client_id));
  for (const item of pending) {
    if (known.has(item.client_id)) continue;
    rows.push({ key: item.client_id, kind: "pending", item, isFirst: separate(place(item.createdAt, me), false) });
  }
  return rows;
}

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
  place: Place;
}

/** Where a message or draft belongs: its day, its time in milliseconds, and who wrote it. */
interface Place {
  day: string;
  time: number;
  sender: number;
}

const placeOf = (at: string | number, sender: number): Place => ({ day: dayKey(at), time: Number(new Date(at)), sender });

/** The rows that were made before: one that is the same object is not rendered again. */
const made = new WeakMap<Message, MessageRow>();

function rowOf(message: Message, me: number): MessageRow {
  const before = made.get(message);
  if (before) return before;
  const { sender, seq, timestamp, client_id } = message;
  // A message keeps its row when it is acknowledged.
  const key = sender.id === me && client_id ? client_id : String(seq);
  return { key, kind: "message", message, isFirst: false, place: placeOf(timestamp, sender.id) };
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
    const row = rowOf(message, me);
    const isFirst = separate(row.place, isUnread);
    const shown = row.isFirst === isFirst ? row : { ...row, isFirst };
    made.set(message, shown);
    rows.push(shown);
  }
  if (pending.length === 0) return rows;
  const known = new Set(messages.map(({ client_id }) => client_id));
  for (const item of pending) {
    if (known.has(item.client_id)) continue;
    rows.push({ key: item.client_id, kind: "pending", item, isFirst: separate(placeOf(item.createdAt, me), false) });
  }
  return rows;
}

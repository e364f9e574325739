// Times and pictures as they are shown.

import { texts } from "../texts.ts";
import { now } from "./now.svelte.ts";

const DAY = 86_400_000;
const weekday = new Intl.DateTimeFormat("en", { weekday: "long" });
const shortDate = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const date = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });

const twoDigits = (number: number) => String(number).padStart(2, "0");
const clockOf = (at: Date) => `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;

/** Of every message that is shown, and formatters take a tenth of a millisecond: so without them, and a day's date only once. */
export const clock = (at: string | number): string => clockOf(new Date(at));
export const dayKey = (at: string | number): string => new Date(at).toDateString();

const dates = new Map<string, string>();

export function exactTime(value: string | number): string {
  const at = new Date(value);
  const key = at.toDateString();
  const known = dates.get(key) ?? fullDate.format(at);
  dates.set(key, known);
  return `${known}, ${clockOf(at)}`;
}

function daysAgo(at: Date): number {
  const start = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  return Math.round((start(new Date(now.time)) - start(at)) / DAY);
}

/** For a day separator. */
export function dayName(value: string | number): string {
  const at = new Date(value);
  const ago = daysAgo(at);
  if (ago <= 0) return texts.time.today;
  if (ago === 1) return texts.time.yesterday;
  return at.getFullYear() === new Date().getFullYear() ? date.format(at) : fullDate.format(at);
}

/** For a row of a list: short. */
export function shortTime(value: string): string {
  const at = new Date(value);
  const ago = daysAgo(at);
  if (ago <= 0) return clockOf(at);
  if (ago === 1) return texts.time.yesterday;
  if (ago < 7) return weekday.format(at);
  return at.getFullYear() === new Date().getFullYear() ? shortDate.format(at) : fullDate.format(at);
}

/** "last seen" of somebody who is offline. */
export function lastSeen(value: string): string {
  const minutes = Math.floor((Math.max(now.time, Date.now()) - new Date(value).getTime()) / 60_000);
  if (minutes < 1) return texts.time.seenNow;
  if (minutes < 60) return texts.time.seenMinutes(minutes);
  return daysAgo(new Date(value)) <= 0 ? texts.time.seenToday(clock(value)) : texts.time.seen(shortTime(value));
}

/** The picture at this page's origin: a server's public address may be another one of the same server. */
export function pictureUrl(avatar: string | null): string | null {
  if (avatar === null) return null;
  const { pathname } = new URL(avatar, location.origin);
  return pathname.startsWith("/media/") ? pathname : avatar;
}

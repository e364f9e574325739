// Who is typing where. An indicator lasts six seconds, unless it is renewed.

import { SvelteMap } from "svelte/reactivity";

const LASTS = 6_000;
/** For each chat, the users and their timers. */
const chats = new SvelteMap<number, ReadonlyMap<number, ReturnType<typeof setTimeout>>>();

export const typing = {
  /** The ids of those who are typing in a chat. */
  in: (chat: number): number[] => [...(chats.get(chat)?.keys() ?? [])],

  receive({ chat, user, active }: { chat: number; user: number; active: boolean }): void {
    typing.stopped(chat, user);
    if (!active) return;
    const timer = setTimeout(() => typing.stopped(chat, user), LASTS);
    chats.set(chat, new Map(chats.get(chat)).set(user, timer));
  },

  stopped(chat: number, user: number): void {
    const users = new Map(chats.get(chat));
    clearTimeout(users.get(user));
    if (users.delete(user)) chats.set(chat, users);
  },

  clear(): void {
    for (const users of chats.values()) for (const timer of users.values()) clearTimeout(timer);
    chats.clear();
  },
};

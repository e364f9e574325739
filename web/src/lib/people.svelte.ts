// Names of users by id, as far as they were seen in messages and lists of members.

import type { UserRef } from "@meowsenger/client";
import { SvelteMap } from "svelte/reactivity";

const known = new SvelteMap<number, UserRef>();

export const people = {
  get: (id: number): UserRef | undefined => known.get(id),

  learn(user: UserRef): void {
    const before = known.get(user.id);
    const isSame = before && nameOf(before) === nameOf(user) && before.avatar === user.avatar;
    if (!isSame) known.set(user.id, user);
  },

  clear: (): void => known.clear(),
};

/** What a user is called: the full name, or the username. */
export function nameOf(user: Pick<UserRef, "first_name" | "last_name" | "username">): string {
  return `${user.first_name} ${user.last_name}`.trim() || user.username;
}

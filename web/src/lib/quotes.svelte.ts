// Messages that are quoted, and that the shown part of the history does not have.

import type { Message } from "@meowsenger/client";
import { SvelteMap } from "svelte/reactivity";
import { session } from "./session.svelte.ts";

/** `null`: it cannot be read. */
const loaded = new SvelteMap<number, Message | null>();
const loading = new Set<number>();

export const quotes = {
  get: (id: number): Message | undefined => loaded.get(id) ?? undefined,
  isGone: (id: number): boolean => loaded.get(id) === null,

  async load(id: number): Promise<void> {
    if (loaded.has(id) || loading.has(id)) return;
    loading.add(id);
    loaded.set(id, await session.client.messages.get(id).catch(() => null));
    loading.delete(id);
  },
};

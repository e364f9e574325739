// Messages that are quoted, and that are not known otherwise.

import { ApiError, type Message } from "@meowsenger/client";
import { SvelteMap } from "svelte/reactivity";
import { session } from "./session.svelte.ts";

/** `null`: it cannot be read. */
const loaded = new SvelteMap<number, Message | null>();
const loading = new Set<number>();

export const quotes = {
  get: (id: number): Message | undefined => loaded.get(id) ?? undefined,
  isGone: (id: number): boolean => loaded.get(id) === null,

  /** What fails for another reason than that it is gone is loaded again on the next connection. */
  async load(id: number): Promise<void> {
    if (loaded.has(id) || loading.has(id)) return;
    loading.add(id);
    try {
      loaded.set(id, await session.client.messages.get(id));
    } catch (error) {
      if (error instanceof ApiError && error.kind === "not_found") loaded.set(id, null);
    } finally {
      loading.delete(id);
    }
  },

  clear: (): void => loaded.clear(),
};

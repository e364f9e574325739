// Whether a chat is muted at this moment.

import type { Chat } from "@meowsenger/client";
import { now } from "./now.svelte.ts";

export function isMuted({ muted_until }: Chat): boolean {
  return muted_until !== null && new Date(muted_until).getTime() > Math.max(now.time, Date.now());
}

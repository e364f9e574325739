// Links to the bytes of attachments, which need no token for an hour. They are asked for together, and again before they expire.

import type { AttachmentLink } from "@meowsenger/client";
import { SvelteMap } from "svelte/reactivity";
import { session } from "./session.svelte.ts";

/** The server's limit for one call. */
const MOST = 100;
/** How long before its end a link is not used any more, in milliseconds. */
const MARGIN = 5 * 60_000;
/** How long after a failure they are asked for again, in milliseconds. */
const PAUSE = 5_000;

const links = new SvelteMap<number, AttachmentLink>();
const wanted = new Set<number>();
let isAsking = false;

/** The link to an attachment, once it is there: it is asked for otherwise. The server's public address is replaced by this page's. */
export function linkOf(id: number): { url: string; thumbnail: string | null } | undefined {
  const link = links.get(id);
  if (!link || Date.parse(link.expires_at) - MARGIN < Date.now()) ask(id);
  return link && { url: local(link.url), thumbnail: link.thumbnail_url && local(link.thumbnail_url) };
}

export function forgetLinks(): void {
  links.clear();
  wanted.clear();
}

function ask(id: number): void {
  wanted.add(id);
  if (isAsking) return;
  isAsking = true;
  // Together with the others of the messages that are shown now.
  setTimeout(() => void fetchLinks(), 20);
}

async function fetchLinks(): Promise<void> {
  while (wanted.size > 0) {
    const ids = [...wanted].slice(0, MOST);
    try {
      for (const link of await session.client.attachments.links(ids)) links.set(link.id, link);
      // Those that were left out may not be read.
      for (const id of ids) wanted.delete(id);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      if (session.phase !== "in") break;
    }
  }
  isAsking = false;
}

function local(url: string): string {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

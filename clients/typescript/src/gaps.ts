// What is missing, and what waits for it. Valid for one connection only.

import type { BlockChanged, Change, Chat, ChatSettings, SettingsChanged } from "./types.ts";

/** The most changes of a chat that are kept behind a gap. More are dropped: the sync brings them. */
const MAX_KEPT = 1_000;

export class Gaps {
  /** Something is missing that the sync in progress may not bring. */
  needsSync = false;
  /** A sync was sent and is not answered. */
  isSyncing = false;
  /** Chats joined or left since the sync was sent: its answer may be older than that. */
  readonly stale = new Set<number>();
  /** Chats that changed since the sync was sent: its unread counts do not include that. */
  readonly changed = new Set<number>();
  /** Settings that arrived as frames, by chat: what a sync or a new chat brings may be older. */
  readonly settings = new Map<number, SettingsChanged>();
  /** Blocks that arrived as frames, by user. */
  readonly blocks = new Map<number, BlockChanged>();
  /** Changes behind a gap, by chat and version. */
  readonly #kept = new Map<number, Map<number, Change>>();

  /** Nothing is known to be missing. */
  get areFilled(): boolean {
    return !this.needsSync && !this.isSyncing && this.#kept.size === 0;
  }

  get hasKept(): boolean {
    return this.#kept.size > 0;
  }

  /** A sync is being sent. */
  startSync(): void {
    this.needsSync = false;
    this.isSyncing = true;
    this.stale.clear();
    this.changed.clear();
  }

  /** The answer is there, with everything up to this version of the account. */
  syncAnswered(version: number): void {
    this.isSyncing = false;
    for (const frames of [this.settings, this.blocks]) {
      for (const [id, { account }] of frames) {
        if (account <= version) frames.delete(id);
      }
    }
  }

  /** What frames said of a chat, which is newer than what a sync or another node says of it. */
  newerFields(chat: Chat): Partial<Chat> {
    const settings = this.settings.get(chat.id);
    const block = this.blocks.get(chat.peer?.id ?? 0);
    return { ...(settings && settingsOf(settings)), ...(block && { blocked: block.blocked }) };
  }

  /** Keeps a change that follows a gap. */
  keep(change: Change): void {
    const kept = this.#kept.get(change.chat) ?? new Map<number, Change>();
    this.#kept.set(change.chat, kept);
    const fits = kept.size < MAX_KEPT;
    if (fits) kept.set(change.version, change);
    // A sync in progress may fill the gap. If it does not, its answer asks again.
    if (!this.isSyncing || !fits) this.needsSync = true;
  }

  /** Takes the kept change with this version, if there is one, and drops those before it. */
  take(chat: number, version: number): Change | undefined {
    const kept = this.#kept.get(chat);
    if (!kept) return undefined;
    const next = kept.get(version);
    for (const known of kept.keys()) {
      if (known <= version) kept.delete(known);
    }
    if (kept.size === 0) this.#kept.delete(chat);
    else if (!next && !this.isSyncing) this.needsSync = true;
    return next;
  }

  /** Drops what was kept of a chat that is gone. */
  forget(chat: number): void {
    this.#kept.delete(chat);
    this.settings.delete(chat);
  }

  /** Drops what was kept of chats that are still unknown. */
  retain(isKnown: (chat: number) => boolean): void {
    for (const chat of this.#kept.keys()) {
      if (!isKnown(chat)) this.#kept.delete(chat);
    }
  }
}

function settingsOf({ muted_until, pinned, archived }: ChatSettings): ChatSettings {
  return { muted_until, pinned, archived };
}

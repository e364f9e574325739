// What changes without a chat's version: markers, presence and profiles, and what only the user sees, which has the account's
// version.

import type { AccountReplica } from "./account_replica.ts";
import type { Chats } from "./chats.ts";
import type { Event } from "./events.ts";
import type { Gaps } from "./gaps.ts";
import type { AccountSync, Presence, Signal, User } from "./types.ts";

export class Signals {
  readonly #chats: Chats;
  readonly #account: AccountReplica;

  constructor(chats: Chats, account: AccountReplica) {
    this.#chats = chats;
    this.#account = account;
  }

  /** Applies a frame. `gaps` are those of the connection. */
  receive(signal: Signal, gaps: Gaps): void {
    switch (signal.type) {
      case "receipt":
        this.#chats.edit(signal.chat)?.moveMarkers(signal.user, signal);
        if (signal.account !== undefined) this.#receiveAbout(signal.chat, signal.account, gaps, false);
        break;
      case "chat.settings":
        gaps.settings.set(signal.chat, signal);
        this.#chats.edit(signal.chat)?.applySettings(signal);
        this.#receiveAbout(signal.chat, signal.account, gaps, true);
        break;
      case "block.updated":
        gaps.blocks.set(signal.user, signal);
        this.#chats.setBlocked(signal.user, signal.blocked);
        this.#account.receive(signal.account);
        break;
      case "user.updated":
        this.#chats.updatePeer(signal.user.id, signal.user);
        if (signal.account !== undefined) this.#account.update(signal.user);
        this.#receiveProfile(signal.account, gaps);
        break;
      case "status":
        this.#chats.updatePeer(signal.user, presenceOf(signal));
        this.#receiveProfile(signal.account, gaps);
        break;
    }
  }

  /**
   * Applies what a sync says of the account, but nothing of the chats that its answer may be too old for. `brought` are those of
   * which the answer has more.
   */
  applySync(account: AccountSync, brought: ReadonlySet<number>, stale: ReadonlySet<number>, gaps: Gaps): Event[] {
    const { chats = [], blocks = [], user = null } = account;
    const fitting = chats.filter(({ chat }) => !stale.has(chat));
    const applied = fitting.filter(({ chat }) => this.#chats.all.has(chat) || brought.has(chat));
    if (this.#account.apply(account, applied.length === chats.length)) gaps.needsSync = true;
    for (const state of fitting) {
      const chat = this.#chats.edit(state.chat);
      chat?.applyAccount(state, !gaps.changed.has(state.chat));
      chat?.applySettings(gaps.settings.get(state.chat) ?? state);
    }
    for (const { user, blocked } of blocks) this.#chats.setBlocked(user, gaps.blocks.get(user)?.blocked ?? blocked);
    const hasNews = user !== null || chats.length > 0 || blocks.length > 0;
    return hasNews ? [{ type: "accountSynced", account }] : [];
  }

  /** A frame with an account version was about a chat. `isKept`: if that is not known yet, it gets what the frame says. */
  #receiveAbout(chat: number, account: number, gaps: Gaps, isKept: boolean): void {
    if ((gaps.isSyncing || !isKept) && !this.#chats.all.has(chat)) {
      // The sync in progress, or another node, may bring the chat as it was before.
      gaps.needsSync = true;
      this.#account.miss();
    }
    this.#account.receive(account);
  }

  /** A frame about the own profile has only a part of it. */
  #receiveProfile(version: number | undefined, gaps: Gaps): void {
    if (version === undefined || version <= (this.#account.version ?? -1)) return;
    this.#account.receive(version);
    gaps.needsSync = true;
  }
}

function presenceOf({ status, status_text, last_seen }: Presence): Partial<User> {
  return { status, status_text, last_seen };
}

// What a client knows of the own account, and up to which version. It does no I/O: `replica` gives it what the server sends.

import type { AccountSync, Ready, User } from "./types.ts";

/** An account as it is stored. */
export interface StoredAccount {
  user: User | undefined;
  version: number | undefined;
}

export class AccountReplica {
  #user: User | undefined;
  #version: number | undefined;
  /** Something is missing that the sync in progress may not bring. */
  #isBehind = false;
  /** A sync is in progress, which named this version. */
  #asked: { version: number | undefined } | undefined;

  constructor(stored: StoredAccount = { user: undefined, version: undefined }) {
    this.#user = stored.user;
    this.#version = stored.version;
  }

  store(): StoredAccount {
    return { user: this.#user, version: this.#version };
  }

  get user(): User | undefined {
    return this.#user;
  }

  /** Everything up to this version is known. */
  get version(): number | undefined {
    return this.#version;
  }

  /** Starts on a new connection. Returns whether a sync is needed. */
  start({ user, account }: Ready, hasChats: boolean): boolean {
    this.disconnected();
    this.#user = user;
    // Without chats: they come with their read markers.
    if (this.#version === undefined && !hasChats) this.#version = account;
    this.#isBehind = this.#version !== account;
    return this.#isBehind;
  }

  /** The version to name in a sync. Without one, chats that are known may have other read markers by now. */
  ask(hasChats: boolean): number | undefined {
    const version = this.#version ?? (hasChats ? 0 : undefined);
    this.#isBehind = false;
    this.#asked = { version };
    return version;
  }

  /** Applies the answer to a sync. `isWhole`: all of its chats are applied, too. Returns whether another sync is needed. */
  apply({ version, user, more }: AccountSync, isWhole: boolean): boolean {
    const asked = this.#asked?.version;
    this.#asked = undefined;
    if (asked !== undefined && more === undefined) {
      // The server has not reached the version that was named.
      this.#version = 0;
      this.#isBehind = true;
      return true;
    }
    if (user) this.#user = user;
    if (isWhole) this.#version = Math.max(this.#version ?? 0, version);
    this.#isBehind ||= more === true || !isWhole;
    return this.#isBehind;
  }

  /** A frame arrived with this version. Everything before it has arrived, but others may have the same one. */
  receive(version: number): void {
    if (this.#isBehind || this.#asked) return;
    this.#version = Math.max(this.#version ?? 0, version - 1);
  }

  /** A part of the profile changed. */
  update(fields: Partial<User>): void {
    if (this.#user) this.#user = { ...this.#user, ...fields };
  }

  /** Changes were dropped, which the sync in progress may not bring. */
  miss(): void {
    this.#isBehind = true;
  }

  /** The sync in progress failed. */
  fallBehind(): void {
    this.#isBehind = true;
    this.#asked = undefined;
  }

  /** The connection is lost. */
  disconnected(): void {
    this.#isBehind = false;
    this.#asked = undefined;
  }

  /** The version belongs to another epoch. */
  forgetVersion(): void {
    this.#version = undefined;
    this.disconnected();
  }
}

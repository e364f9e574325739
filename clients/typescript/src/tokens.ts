// A session's tokens. They are refreshed in time, and once for all tabs: a refresh token can be used once, and its reuse ends
// the session. Web Locks let one tab refresh at a time, and one that gets the lock later finds new tokens in the storage.
// Without Web Locks two tabs may refresh at the same moment; the server accepts that for 10 seconds.

import { SessionEnded } from "./errors.ts";
import { GuardedStorage } from "./guarded_storage.ts";
import { withLock } from "./locks.ts";
import type { Storage } from "./storage.ts";
import type { TokenPair } from "./types.ts";

const KEY = "tokens";
/** Whose data is stored, also after the session has ended. */
const LAST_USER = "user";
/** The share of an access token's lifetime after which it is refreshed. */
const REFRESH_AFTER = 0.8;

/** A pair as it is stored. */
interface Stored extends TokenPair {
  /** The user whose session it is. */
  user: number;
  /** When to refresh, by this machine's clock, in milliseconds. */
  refreshAt: number;
}

/** Exchanges a pair for the next one. Rejects with `SessionEnded` if the server does not accept it. */
export type Exchange = (pair: TokenPair) => Promise<TokenPair>;

export class Tokens {
  readonly #storage: Storage;
  readonly #lock: string;
  readonly #refresh: Exchange;
  #current: Stored;
  /** For the data of this session. */
  readonly guarded: GuardedStorage;

  private constructor(storage: Storage, refresh: Exchange, current: Stored) {
    this.#storage = storage;
    this.#lock = lockOf(storage);
    this.#refresh = refresh;
    this.#current = current;
    const { user } = current;
    const isOpen = async () => ((await storage.get(KEY)) as Stored | undefined)?.user === user;
    // Not the lock of the tokens: a refresh may hold that for seconds.
    this.guarded = new GuardedStorage(storage, `${this.#lock} data`, isOpen);
  }

  /** Stores the tokens of a new session. What is stored of another user's account is removed. */
  static async start(storage: Storage, refresh: Exchange, user: number, pair: TokenPair): Promise<Tokens> {
    const current = issuedNow(user, pair);
    await withLock(lockOf(storage), async () => {
      const previous = await storage.get(LAST_USER);
      if (previous !== user) await storage.clear();
      await storage.write(
        new Map<string, unknown>([
          [KEY, current],
          [LAST_USER, user],
        ]),
      );
    });
    return new Tokens(storage, refresh, current);
  }

  /** The tokens of a stored session, if there is one. */
  static async resume(storage: Storage, refresh: Exchange): Promise<Tokens | undefined> {
    const current = (await storage.get(KEY)) as Stored | undefined;
    return current && new Tokens(storage, refresh, current);
  }

  /** The user whose session it is. */
  get user(): number {
    return this.#current.user;
  }

  /** A valid access token, as far as is known. */
  async access(): Promise<string> {
    if (Date.now() < this.#current.refreshAt) return this.#current.access;
    const { access } = this.#current;
    try {
      return await this.replace(access);
    } catch (error) {
      if (error instanceof SessionEnded) throw error;
      // The old one is valid for a while.
      return access;
    }
  }

  /** Replaces the present access token, which the server has rejected. */
  async renew(): Promise<void> {
    await this.replace(this.#current.access);
  }

  /** A replacement for an access token that the server has rejected. Refreshes it, unless that was done. */
  replace(rejected: string): Promise<string> {
    return withLock(this.#lock, async () => {
      await this.#read();
      if (this.#current.access === rejected) await this.#refreshNow();
      return this.#current.access;
    });
  }

  /** Exchanges the pair in some other way than by a refresh. */
  exchange(exchange: Exchange): Promise<void> {
    return withLock(this.#lock, async () => {
      await this.#read();
      await this.#store(await exchange(this.#current));
    });
  }

  /** Removes the session, and everything else that is stored. */
  forget(): Promise<void> {
    return withLock(this.#lock, () => this.guarded.clear());
  }

  async #refreshNow(): Promise<void> {
    try {
      await this.#store(await this.#refresh(this.#current));
    } catch (error) {
      // What else is stored, such as unsent messages, waits for the user's next session.
      if (error instanceof SessionEnded) await this.#storage.write(new Map([[KEY, undefined]]));
      throw error;
    }
  }

  async #read(): Promise<void> {
    const stored = (await this.#storage.get(KEY)) as Stored | undefined;
    if (stored === undefined || stored.user !== this.#current.user) throw new SessionEnded();
    this.#current = stored;
  }

  /** Before the new pair is used: the old one is spent. */
  async #store(pair: TokenPair): Promise<void> {
    const next = issuedNow(this.#current.user, pair);
    await this.#storage.write(new Map([[KEY, next]]));
    this.#current = next;
  }
}

function lockOf({ name }: Storage): string {
  return `meowsenger ${name} tokens`;
}

/** A pair whose lifetime starts now by this machine's clock, which may differ from the server's. */
function issuedNow(user: number, { access, refresh }: TokenPair): Stored {
  return { user, access, refresh, refreshAt: Date.now() + REFRESH_AFTER * lifetime(access) };
}

/** The lifetime of an access token in milliseconds, by its claims. Only the server verifies them. */
function lifetime(access: string): number {
  try {
    const claims = (access.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { iat, exp } = JSON.parse(atob(claims)) as { iat: number; exp: number };
    return (exp - iat) * 1000;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

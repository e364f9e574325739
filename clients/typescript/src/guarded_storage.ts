// The storage for the data of a session. After a logout, in any tab, nothing is written any more.

import { SessionEnded } from "./errors.ts";
import { withLock } from "./locks.ts";
import type { Changes, Storage } from "./storage.ts";

export class GuardedStorage {
  readonly #storage: Storage;
  readonly #lock: string;
  readonly #isOpen: () => Promise<boolean>;

  /** `isOpen` looks into the storage. What clears it holds the same lock. */
  constructor(storage: Storage, lock: string, isOpen: () => Promise<boolean>) {
    this.#storage = storage;
    this.#lock = lock;
    this.#isOpen = isOpen;
  }

  get(key: string): Promise<unknown> {
    return this.#storage.get(key);
  }

  list(prefix: string): Promise<Map<string, unknown>> {
    return this.#storage.list(prefix);
  }

  write(changes: Changes): Promise<void> {
    return withLock(this.#lock, async () => {
      if (!(await this.#isOpen())) throw new SessionEnded();
      await this.#storage.write(changes);
    });
  }

  /** Removes everything. */
  clear(): Promise<void> {
    return withLock(this.#lock, () => this.#storage.clear());
  }
}

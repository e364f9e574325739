// Where a client keeps what has to survive a reload: tokens, unsent messages, what it knows of chats. A storage maps
// keys to values that `structuredClone` can copy. All tabs of a site share one, so that a write of one is seen by all.

import { randomId } from "./random_id.ts";

/** Values to write by key. Undefined removes the key. */
export type Changes = ReadonlyMap<string, unknown>;

export interface Storage {
  /** Tells it from others of the same site. */
  readonly name: string;
  get(key: string): Promise<unknown>;
  /** The values of all keys that start with a prefix, in the order of the keys. */
  list(prefix: string): Promise<Map<string, unknown>>;
  /** Writes all of the changes or none of them. Resolves when they are stored. */
  write(changes: Changes): Promise<void>;
  /** Removes everything. */
  clear(): Promise<void>;
}

/** A storage that is lost with the program. */
export class MemoryStorage implements Storage {
  readonly name = randomId();
  readonly #values = new Map<string, unknown>();

  async get(key: string): Promise<unknown> {
    return structuredClone(this.#values.get(key));
  }

  async list(prefix: string): Promise<Map<string, unknown>> {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
    return new Map(keys.map((key) => [key, structuredClone(this.#values.get(key))]));
  }

  async write(changes: Changes): Promise<void> {
    for (const [key, value] of structuredClone(changes)) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }

  async clear(): Promise<void> {
    this.#values.clear();
  }
}

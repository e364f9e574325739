// A storage in the browser's IndexedDB, which all tabs of a site share.

import { type Changes, MemoryStorage, type Storage } from "./storage.ts";

const TABLE = "values";

/**
 * The storage of a page: IndexedDB, or memory where the browser refuses it, as some do in private windows. Each name is a database
 * of its own.
 */
export async function browserStorage(name = "meowsenger"): Promise<Storage> {
  try {
    return new IndexedDbStorage(await openDatabase(name), name);
  } catch {
    return new MemoryStorage();
  }
}

class IndexedDbStorage implements Storage {
  readonly name: string;
  #database: Promise<IDBDatabase>;

  constructor(database: IDBDatabase, name: string) {
    this.name = name;
    this.#database = Promise.resolve(this.#watch(database));
  }

  async get(key: string): Promise<unknown> {
    return this.#run("readonly", (table) => table.get(key));
  }

  async list(prefix: string): Promise<Map<string, unknown>> {
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const values = new Map<string, unknown>();
    await this.#run("readonly", (table) => {
      const cursor = table.openCursor(range);
      cursor.onsuccess = () => {
        if (!cursor.result) return;
        values.set(String(cursor.result.key), cursor.result.value);
        cursor.result.continue();
      };
      return cursor;
    });
    return values;
  }

  async write(changes: Changes): Promise<void> {
    await this.#run("readwrite", (table) => {
      for (const [key, value] of changes) {
        if (value === undefined) table.delete(key);
        else table.put(value, key);
      }
      return undefined;
    });
  }

  async clear(): Promise<void> {
    await this.#run("readwrite", (table) => table.clear());
  }

  /** Runs one transaction. Resolves with the request's result when the transaction is stored. */
  async #run(mode: IDBTransactionMode, task: (table: IDBObjectStore) => IDBRequest | undefined): Promise<unknown> {
    const database = await this.#database;
    return new Promise((resolve, reject) => {
      // What is written must survive a crash of the machine, too: it may be the only copy of a message.
      const transaction = database.transaction(TABLE, mode, { durability: "strict" });
      try {
        const request = task(transaction.objectStore(TABLE));
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onabort = () => reject(transaction.error);
      } catch (error) {
        // A value cannot be copied. What was written before it must not stay.
        transaction.abort();
        reject(error);
      }
    });
  }

  /** Browsers may close a database, to free its space or for another tab. The next use opens it again. */
  #watch(database: IDBDatabase): IDBDatabase {
    const reopen = () => {
      database.close();
      this.#database = openDatabase(this.name).then((next) => this.#watch(next));
      // Each use of it gets the error.
      this.#database.catch(() => {});
    };
    database.onclose = reopen;
    database.onversionchange = reopen;
    return database;
  }
}

function openDatabase(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

// Keeps a replica in the storage: loads it, and saves what changed. One tab of a site saves, so that what is stored belongs
// together. What a tab had not saved is only fetched again.

import type { StoredChat } from "./chat_replica.ts";
import type { GuardedStorage } from "./guarded_storage.ts";
import { withLock } from "./locks.ts";
import { Replica, type StoredReplica } from "./replica.ts";

const HEAD = "replica";
const PREFIX = "chats/";
/** The most messages of a chat that are stored: the newest ones. */
const MESSAGES = 200;
/** How long changes are collected before they are saved, in milliseconds. */
const DELAY = 500;

export class ReplicaStore {
  readonly #storage: GuardedStorage;
  readonly #lock: string;
  readonly #replica: () => Replica;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the turn of this tab to save. Undefined while another tab saves. */
  #yield: (() => void) | undefined;
  #isStopped = false;
  #saving: Promise<void> = Promise.resolve();
  /** Chats that are not stored as they are now. */
  readonly #dirty = new Set<number>();

  constructor(storage: GuardedStorage, lock: string, replica: () => Replica) {
    this.#storage = storage;
    this.#lock = lock;
    this.#replica = replica;
  }

  /** The stored replica of a user, if there is one. */
  async load(user: number): Promise<Replica | undefined> {
    const head = (await this.#storage.get(HEAD)) as Omit<StoredReplica, "chats"> | undefined;
    if (head?.me !== user) return undefined;
    const chats = [...(await this.#storage.list(PREFIX)).values()] as StoredChat[];
    return new Replica({ ...head, chats });
  }

  /** Saves from now on, as soon as no other tab does. */
  start(): void {
    void withLock(this.#lock, async () => {
      if (this.#isStopped) return;
      const turn = new Promise<void>((resolve) => {
        this.#yield = resolve;
      });
      // What is stored is of another tab, or from before.
      this.#saving = this.#saveAll().catch(() => {});
      await turn;
    });
  }

  /** Saves what changed, soon. */
  changed(): void {
    if (this.#yield) this.#timer ??= setTimeout(() => this.save(), DELAY);
  }

  /** Saves what changed, now. */
  save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#yield) return;
    this.#saving = this.#saving.then(() => this.#write());
  }

  /** Saves what changed a last time, and lets another tab save. */
  async stop(): Promise<void> {
    this.save();
    this.#isStopped = true;
    await this.#saving;
    this.#yield?.();
    this.#yield = undefined;
  }

  async #saveAll(): Promise<void> {
    const stored = await this.#storage.list(PREFIX);
    for (const key of stored.keys()) this.#dirty.add(Number(key.slice(PREFIX.length)));
    for (const id of this.#replica().chats.keys()) this.#dirty.add(id);
    await this.#write();
  }

  /** Writes the chats that changed together with the account, at one moment. */
  async #write(): Promise<void> {
    const replica = this.#replica();
    for (const id of replica.takeUnsaved()) this.#dirty.add(id);
    const { me, epoch, account, chats } = replica;
    if (me === undefined) return;
    const entries = [...this.#dirty].map((id) => [PREFIX + id, chats.get(id)?.store(MESSAGES)] as const);
    try {
      await this.#storage.write(new Map<string, unknown>([[HEAD, { me, epoch, account }], ...entries]));
      this.#dirty.clear();
    } catch {
      // The session has ended, or there is no space: what is stored belongs together still, and is only older.
    }
  }
}

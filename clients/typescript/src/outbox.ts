// Messages on their way, for programs that show what they send. Each is stored before the first attempt, so it survives a reload,
// and is sent under one `client_id` until the server has acknowledged or refused it. A chat's messages are sent one after the
// other. Another tab that finds a stored message sends it, too; that does no harm.

import { ApiError } from "./errors.ts";
import type { GuardedStorage } from "./guarded_storage.ts";
import { randomId } from "./random_id.ts";
import type { Body, Message } from "./types.ts";

const PREFIX = "outbox/";
/** The pause after the storage failed, in milliseconds. */
const RETRY = 1_000;

/** A message as it is sent. */
export type Draft = Body<"send_message">;

/** Why the server refused a message. */
export type Refusal = Pick<ApiError, "kind" | "detail" | "errors">;

/** A message that is not acknowledged. */
export interface OutboxItem {
  readonly client_id: string;
  readonly chat: number;
  readonly draft: Draft;
  /** When it was written, by this machine's clock, in milliseconds. */
  readonly createdAt: number;
  /** It was refused, and is not sent again before `retry`. */
  readonly error?: Refusal;
}

interface Pending {
  key: string;
  item: OutboxItem;
  /** Resolves when it is stored for the first time. */
  stored: Promise<void>;
}

export class Outbox {
  readonly #storage: GuardedStorage;
  readonly #send: (item: OutboxItem) => Promise<Message>;
  readonly #changed: (chat: number) => void;
  /** In the order in which they were written. */
  #pending: Pending[] = [];
  /** Chats of which a message is being sent. */
  readonly #busy = new Set<number>();
  #isStopped = false;

  /** `changed` is called after each change of a chat's items. */
  constructor(storage: GuardedStorage, send: (item: OutboxItem) => Promise<Message>, changed: (chat: number) => void) {
    this.#storage = storage;
    this.#send = send;
    this.#changed = changed;
  }

  /** The messages that are not acknowledged, in the order in which they were written; of one chat, if it is named. */
  items(chat?: number): OutboxItem[] {
    return this.#pending.map(({ item }) => item).filter((item) => chat === undefined || item.chat === chat);
  }

  /** Stores a message and sends it as soon as possible. Resolves when it is stored. */
  async add(chat: number, draft: Draft): Promise<OutboxItem> {
    const item = { client_id: draft.client_id ?? randomId(), chat, draft, createdAt: Date.now() };
    const key = keyOf(item);
    const pending = { key, item, stored: this.#storage.write(new Map([[key, item]])) };
    this.#pending.push(pending);
    this.#changed(chat);
    try {
      await pending.stored;
    } catch (error) {
      this.#forget(pending);
      throw error;
    }
    this.#work(chat);
    return item;
  }

  /** Sends a message that was refused once more. */
  async retry(client_id: string): Promise<void> {
    const pending = this.#find(client_id);
    if (!pending?.item.error) return;
    const { error: _, ...item } = pending.item;
    await this.#replace(pending, item);
    this.#work(item.chat);
  }

  /** Gives a message up. One that is being sent may arrive nevertheless. */
  async discard(client_id: string): Promise<void> {
    const pending = this.#find(client_id);
    if (!pending) return;
    this.#forget(pending);
    await this.#storage.write(new Map([[pending.key, undefined]]));
  }

  /** Takes what earlier programs, or other tabs, have stored. */
  async load(): Promise<void> {
    const known = new Set(this.#pending.map(({ key }) => key));
    const stored = [...(await this.#storage.list(PREFIX))].filter(([key]) => !known.has(key));
    const earlier = stored.map(([key, item]) => ({ key, item: item as OutboxItem, stored: Promise.resolve() }));
    this.#pending = [...earlier, ...this.#pending];
    for (const chat of new Set(this.#pending.map(({ item }) => item.chat))) {
      this.#changed(chat);
      this.#work(chat);
    }
  }

  /** A message arrived that may be one of these. */
  async confirm({ client_id, chat }: Message): Promise<void> {
    const pending = client_id ? this.#find(client_id) : undefined;
    if (pending?.item.chat === chat) await this.discard(pending.item.client_id);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Sends a chat's messages, one after the other. */
  async #work(chat: number): Promise<void> {
    if (this.#busy.has(chat)) return;
    this.#busy.add(chat);
    try {
      for (let next = this.#next(chat); next && !this.#isStopped; next = this.#next(chat)) await this.#deliver(next);
    } catch {
      // If the connection has ended, what is stored waits for the next program. Otherwise the storage failed.
      if (!this.#isStopped) setTimeout(() => this.#work(chat), RETRY);
    } finally {
      this.#busy.delete(chat);
    }
  }

  #next(chat: number): Pending | undefined {
    return this.#pending.find(({ item }) => item.chat === chat && !item.error);
  }

  async #deliver(pending: Pending): Promise<void> {
    await pending.stored;
    // Another tab may have sent or discarded it.
    if ((await this.#storage.get(pending.key)) === undefined) return this.#forget(pending);
    try {
      await this.#send(pending.item);
    } catch (error) {
      if (!(error instanceof ApiError) || error.kind === "not_authenticated") throw error;
      const { kind, detail, errors } = error;
      return this.#replace(pending, { ...pending.item, error: { kind, detail, errors } });
    }
    await this.discard(pending.item.client_id);
  }

  async #replace(pending: Pending, item: OutboxItem): Promise<void> {
    // It may have been discarded meanwhile.
    if (!this.#pending.includes(pending)) return;
    pending.item = item;
    this.#changed(item.chat);
    await this.#storage.write(new Map([[pending.key, item]]));
  }

  #forget(pending: Pending): void {
    this.#pending = this.#pending.filter((other) => other !== pending);
    this.#changed(pending.item.chat);
  }

  #find(client_id: string): Pending | undefined {
    return this.#pending.find(({ item }) => item.client_id === client_id);
  }
}

let written = 0;

/** Keys sort in the order in which messages were written. */
function keyOf({ createdAt, client_id }: OutboxItem): string {
  written += 1;
  return `${PREFIX}${String(createdAt).padStart(15, "0")}/${String(written).padStart(9, "0")}/${client_id}`;
}

// The handle of a connection that reconnects by itself: sends requests, delivers events, has the replica and the outbox. The work is
// done in `driver`.

import { sleep } from "./backoff.ts";
import { Driver } from "./driver.ts";
import { Closed } from "./errors.ts";
import { type Event, Events } from "./events.ts";
import { messageOf } from "./frames.ts";
import type { LiveOptions } from "./options.ts";
import { type Draft, Outbox } from "./outbox.ts";
import { randomId } from "./random_id.ts";
import { Replica } from "./replica.ts";
import { ReplicaStore } from "./replica_store.ts";
import { Requests } from "./requests.ts";
import type { Client } from "./rest.ts";
import { MemoryStorage } from "./storage.ts";
import type { Availability, ClientFrame, Message, Presence } from "./types.ts";

/** The least time between two requests for unread counts, in milliseconds. */
const COUNT_PAUSE = 1_000;

/** A connection that reconnects by itself. Ends with `close`, or with an `ended` event. */
export class Live implements AsyncIterable<Event> {
  readonly #client: Client;
  #replica = new Replica();
  readonly #store: ReplicaStore | undefined;
  readonly #events = new Events();
  readonly #requests = new Requests();
  readonly #stop = new AbortController();
  readonly #driver: Driver;
  #isCounting = false;
  /** Messages that survive a reload. */
  readonly outbox: Outbox;
  /** Resolves when the connection has ended for good, with the reason. */
  readonly ended: Promise<Error>;

  constructor(client: Client, options: LiveOptions) {
    this.#client = client;
    const { storage, server } = client;
    const send = ({ client_id, chat, draft }: { client_id: string; chat: number; draft: Draft }) =>
      this.#messageRequest({ ...draft, type: "message.send", client_id, chat });
    this.outbox = new Outbox(storage, send, (chat) => this.#events.deliver({ type: "outbox", chat }));
    const replica = () => this.#replica;
    const keeps = options.keepReplica ?? !(server.storage instanceof MemoryStorage);
    const lock = `meowsenger ${server.storage.name} replica`;
    this.#store = keeps ? new ReplicaStore(storage, lock, replica) : undefined;
    const deliver = (event: Event) => this.#deliver(event);
    this.#driver = new Driver(client, options, replica, this.#requests, deliver, this.#stop.signal);
    this.ended = this.#run();
  }

  /** What is known at this moment. A stored one takes its place before the event `restored`. */
  get replica(): Replica {
    return this.#replica;
  }

  /** Whether there is a connection that is ready. */
  get isConnected(): boolean {
    return this.#driver.isReady;
  }

  /** Calls the listener with each event from now on. Returns what stops that. */
  listen(listener: (event: Event) => void): () => void {
    return this.#events.listen(listener);
  }

  /** The events from now on, for `for await`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event> {
    return this.#events.iterate();
  }

  /**
   * Sends a message. It is sent again under its `client_id`, over new connections and while the server is busy, until it is
   * acknowledged or refused. To keep the order of messages, await each. `outbox` does that, and survives a reload.
   */
  async send(chat: number, draft: Draft | string): Promise<Message> {
    const fields = typeof draft === "string" ? { content: draft } : draft;
    return this.#messageRequest({ client_id: randomId(), ...fields, type: "message.send", chat });
  }

  /** Edits a message you sent. Retried as in `send`. */
  edit(message: number, content: string): Promise<Message> {
    return this.#messageRequest({ type: "message.edit", message, content });
  }

  /** Deletes a message. Retried as in `send`. */
  delete(message: number): Promise<Message> {
    return this.#messageRequest({ type: "message.delete", message });
  }

  /** Reacts to a message with an emoji, or no longer. Retried as in `send`. */
  react(message: number, emoji: string, active = true): Promise<Message> {
    return this.#messageRequest({ type: "message.react", message, emoji, active });
  }

  /** Moves your read marker in a chat to a `seq`. */
  async markRead(chat: number, seq: number): Promise<void> {
    await this.request({ type: "message.read", chat, seq });
  }

  /** Moves your delivery marker in a chat to a `seq`. */
  async markDelivered(chat: number, seq: number): Promise<void> {
    await this.request({ type: "message.delivered", chat, seq });
  }

  /** Sets your availability. `online` and `away` belong to the present connection: set them again after the next `ready`. */
  async setAvailability(status: Availability): Promise<void> {
    await this.request({ type: "status", status });
  }

  /**
   * Subscribes this connection to the presence of users, instead of those subscribed to before. Their present one arrives as events,
   * too.
   */
  async watch(users: number[]): Promise<Presence[]> {
    const ack = (await this.request({ type: "status.watch", users })) as { users: Presence[] };
    for (const presence of ack.users) {
      for (const event of this.#replica.apply({ type: "status", ...presence })) this.#deliver(event);
    }
    return ack.users;
  }

  /** Sends a typing indicator. It is lost while there is no connection. */
  sendTyping(chat: number, active: boolean): void {
    this.#driver.sendNow({ type: "typing", chat, active });
  }

  /** Reads older messages of a chat into the replica. Returns whether there may be more. */
  async loadOlder(chat: number): Promise<boolean> {
    const before = this.#replica.chats.get(chat)?.completeFrom;
    if (before === undefined || before <= 1) return false;
    return this.#load(chat, { before });
  }

  /** Reads the messages around a `seq` into the replica. */
  async loadAround(chat: number, seq: number): Promise<void> {
    await this.#load(chat, { around: seq });
  }

  /** Any request, also one that is newer than this package. Resolves with its `ack`. */
  request(frame: ClientFrame): Promise<object> {
    if (this.#stop.signal.aborted) return Promise.reject(this.#stop.signal.reason);
    const ack = this.#requests.add(frame, Date.now());
    this.#driver.pump();
    return ack;
  }

  /** The network may be back, or another one: connects without waiting, or makes sure that the connection is alive. */
  wake(): void {
    this.#driver.wake();
  }

  /** Closes the connection and ends the events. Unanswered requests fail with `Closed`; the outbox keeps its messages. */
  close(): void {
    this.#stop.abort(new Closed());
  }

  async #run(): Promise<Error> {
    const stopWatching = this.#watchPage();
    const error = await this.#restore()
      .then(() => this.#driver.keepConnected())
      .catch((error: Error) => error);
    stopWatching();
    this.#stop.abort(error);
    this.outbox.stop();
    this.#requests.fail(error);
    await this.#store?.stop();
    this.#events.deliver({ type: "ended", error });
    return error;
  }

  /** Continues with what is stored. */
  async #restore(): Promise<void> {
    // A program that connects can still listen before the first event.
    await Promise.resolve();
    const stored = await this.#store?.load(this.#client.userId);
    if (stored) {
      this.#replica = stored;
      this.#events.deliver({ type: "restored" });
    }
    this.#store?.start();
    await this.outbox.load();
    this.#stop.signal.throwIfAborted();
  }

  /** A page connects at once when the network is back, and saves before it is closed. */
  #watchPage(): () => void {
    const wake = () => this.wake();
    const save = () => this.#store?.save();
    globalThis.addEventListener?.("online", wake);
    globalThis.addEventListener?.("pagehide", save);
    return () => {
      globalThis.removeEventListener?.("online", wake);
      globalThis.removeEventListener?.("pagehide", save);
    };
  }

  #deliver(event: Event): void {
    const message = event.type === "change" ? messageOf(event.change) : undefined;
    const messages = event.type === "resynced" ? event.messages : message ? [message] : [];
    for (const message of messages) {
      // If this fails, it is sent again, and answered with the first message.
      if (message.sender.id === this.#client.userId) this.outbox.confirm(message).catch(() => {});
    }
    this.#store?.changed();
    this.#events.deliver(event);
    void this.#fetchCounts();
  }

  /** Asks for unread counts that cannot be known otherwise. One request at a time, and not one for each event. */
  async #fetchCounts(): Promise<void> {
    const [id] = this.#replica.uncertain;
    if (this.#isCounting || id === undefined || !this.#replica.isUpToDate) return;
    this.#isCounting = true;
    const { epoch } = this.#replica;
    try {
      const chat = await this.#client.chats.get(id);
      if (epoch === this.#replica.epoch) this.#replica.mergeCounts(chat);
      this.#events.deliver({ type: "counted", chat: id });
      await sleep(COUNT_PAUSE, this.#stop.signal);
    } catch {
      // A session that has ended, or a chat that is gone, is noticed by the connection. Everything else is tried again.
      await sleep(5 * COUNT_PAUSE, this.#stop.signal).catch(() => {});
    }
    this.#isCounting = false;
    if (!this.#stop.signal.aborted) void this.#fetchCounts();
  }

  /** Reads a page of messages into the replica, unless the server's data changed its history meanwhile. */
  async #load(chat: number, query: { before: number } | { around: number }): Promise<boolean> {
    const { epoch } = this.#replica;
    const messages = (await this.#client.messages.list(chat, { ...query, page_size: 50 }).page()) ?? [];
    if (epoch === this.#replica.epoch) this.#replica.mergeMessages(messages);
    this.#store?.changed();
    return messages.length > 0;
  }

  async #messageRequest(frame: ClientFrame): Promise<Message> {
    const ack = (await this.request(frame)) as { message: Message };
    return ack.message;
  }
}

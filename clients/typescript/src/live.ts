// A socket that is kept: connects, reads, writes and reconnects. It decides neither what frames mean (`replica`) nor what has to be
// sent (`requests`).

import { Backoff, sleep } from "./backoff.ts";
import { Connection, type Lost } from "./connection.ts";
import { ApiError, Closed, isTransient, retryAfter, SessionEnded, TooManyConnections } from "./errors.ts";
import { type Event, Events } from "./events.ts";
import { type Frame, parseFrame } from "./frames.ts";
import { openSocket } from "./open_socket.ts";
import { randomId } from "./random_id.ts";
import { Replica } from "./replica.ts";
import { Requests } from "./requests.ts";
import type { Client } from "./rest.ts";
import type { Availability, ClientFrame, ErrorFrame, Message, Presence, Ready, SyncResult } from "./types.ts";

/** A connection that lasted this long resets the backoff, in milliseconds. */
const STABLE_AFTER = 10_000;
/** The least time between two syncs, so that a server whose answers bring nothing is not asked in a tight loop. */
const SYNC_PAUSE = 50;
/** The least time between two requests for unread counts that need messages which are not known. */
const COUNT_PAUSE = 1_000;
/** The `id` of sync requests; other requests are numbered from 1. */
const SYNC_ID = 0;

/** All times are in milliseconds. */
export interface LiveOptions {
  /** The longest delay before the first reconnection, which doubles with each further attempt; 0.5 s by default. */
  backoffBase?: number;
  /** The longest delay of all; 30 s by default. */
  backoffCap?: number;
  /** How long a connection may take until it is ready, and a request until it is answered; 30 s by default. */
  timeout?: number;
  /** Another implementation of WebSocket. */
  openSocket?: typeof openSocket;
  /** Receives every text frame as it arrives, for logs and tests: the number of the connection, counted from 1, and the text. */
  onFrame?: (connection: number, text: string) => void;
}

/** A message to send. */
export interface Draft {
  content: string;
  /** The id of the message that it answers. */
  reply_to?: number;
  /** The idempotency key; random, if it is not named. */
  client_id?: string;
}

/** A connection that reconnects by itself. Ends with `close`, or with an `ended` event. */
export class Live implements AsyncIterable<Event> {
  readonly #client: Client;
  readonly #options: LiveOptions;
  readonly #replica = new Replica();
  readonly #events = new Events();
  readonly #requests = new Requests();
  readonly #stop = new AbortController();
  /** Ends the wait before the next attempt. */
  #hurry = new AbortController();
  #connection: Connection | undefined;
  /** Counts connections, for `onFrame`. */
  #connections = 0;
  #isReady = false;
  #isSynced = false;
  /** Until the connection is ready, its timeout; then the next call of `#pump`. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the sync in progress was sent. */
  #syncSentAt: number | undefined;
  #syncNotBefore = 0;
  #isCounting = false;
  /** Resolves when the connection has ended for good, with the reason. */
  readonly ended: Promise<Error>;

  constructor(client: Client, options: LiveOptions) {
    this.#client = client;
    this.#options = options;
    this.ended = this.#run();
  }

  /** What is known at this moment. */
  get replica(): Replica {
    return this.#replica;
  }

  /** Whether there is a connection that is ready. */
  get isConnected(): boolean {
    return this.#isReady;
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
   * acknowledged or refused.
   */
  async send(chat: number, draft: Draft | string): Promise<Message> {
    const fields = typeof draft === "string" ? { content: draft } : draft;
    return this.#messageRequest({ type: "message.send", client_id: randomId(), chat, ...fields });
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

  /** Subscribes this connection to the presence of users, instead of those subscribed to before. */
  async watch(users: number[]): Promise<Presence[]> {
    const ack = (await this.request({ type: "status.watch", users })) as { users: Presence[] };
    return ack.users;
  }

  /** Sends a typing indicator. It is lost while there is no connection. */
  sendTyping(chat: number, active: boolean): void {
    if (this.#isReady) this.#connection?.send(JSON.stringify({ type: "typing", chat, active }));
  }

  /** Reads older messages of a chat into the replica. Returns whether there are more. */
  async loadOlder(chat: number): Promise<boolean> {
    const before = this.#replica.chats.get(chat)?.completeFrom;
    if (before === undefined) return false;
    return (await this.#load(chat, { before })) && before > 1;
  }

  /** Reads the messages around a `seq` into the replica. */
  async loadAround(chat: number, seq: number): Promise<void> {
    await this.#load(chat, { around: seq });
  }

  /** Any request, also one that is newer than this package. Resolves with its `ack`. */
  request(frame: ClientFrame): Promise<object> {
    if (this.#stop.signal.aborted) return Promise.reject(this.#stop.signal.reason);
    const ack = this.#requests.add(frame, Date.now());
    this.#pump();
    return ack;
  }

  /** The network may be back, or another one: connects without waiting, or makes sure that the connection is alive. */
  wake(): void {
    this.#hurry.abort();
    if (this.#isReady) this.#connection?.doubt();
  }

  /** Closes the connection and ends the events. Unanswered requests fail with `Closed`. */
  close(): void {
    this.#stop.abort(new Closed());
    this.#hurry.abort();
    this.#connection?.end({ kind: "retry", reason: "closed", after: 0 });
  }

  async #run(): Promise<Error> {
    const wake = () => this.wake();
    globalThis.addEventListener?.("online", wake);
    const error = await this.#keepConnected().catch((error: Error) => error);
    globalThis.removeEventListener?.("online", wake);
    this.#stop.abort(error);
    this.#requests.fail(error);
    this.#events.deliver({ type: "ended", error });
    return error;
  }

  /** Connects again and again, until there is no point in going on. */
  async #keepConnected(): Promise<never> {
    const backoff = new Backoff(this.#options.backoffBase ?? 500, this.#options.backoffCap ?? 30_000);
    // A rejected token is replaced once; if its successor is rejected too, the session is over.
    let isRefreshed = false;
    for (;;) {
      const since = Date.now();
      const { lost, wasReady } = await this.#connect();
      this.#stop.signal.throwIfAborted();
      if (wasReady || lost.kind === "retry") isRefreshed = false;
      if (wasReady && Date.now() - since >= STABLE_AFTER) backoff.reset();
      const { reason, after } = await this.#answer(lost, isRefreshed);
      isRefreshed = lost.kind === "unauthenticated" && after === undefined;
      const delay = isRefreshed ? 0 : backoff.next();
      this.#events.deliver({ type: "disconnected", reason, retryIn: (after ?? 0) + delay });
      await this.#wait(after ?? 0, delay);
    }
  }

  /** Does what the end of a connection asks for. Without `after`, the next attempt has new tokens and need not wait. */
  async #answer(lost: Lost, isRefreshed: boolean): Promise<{ reason: string; after?: number }> {
    if (lost.kind === "retry") return lost;
    if (lost.kind === "tooManyConnections") throw new TooManyConnections();
    if (isRefreshed) throw new SessionEnded();
    try {
      await this.#client.refresh();
      return { reason: "token rejected" };
    } catch (error) {
      if (!isTransient(error) && !(error instanceof ApiError)) throw error;
      return { reason: "token rejected", after: retryAfter(error) };
    }
  }

  /** `after` is the server's wish. `wake` shortens only what comes on top. */
  async #wait(after: number, delay: number): Promise<void> {
    if (after > 0) await sleep(after, this.#stop.signal);
    this.#hurry = new AbortController();
    if (delay > 0) await sleep(delay, this.#hurry.signal).catch(() => this.#stop.signal.throwIfAborted());
  }

  /** One connection, from the ticket to its end. */
  async #connect(): Promise<{ lost: Lost; wasReady: boolean }> {
    try {
      const { ticket } = await this.#client.account.ticket(this.#stop.signal);
      const url = `${this.#client.server.url.replace(/^http/, "ws")}/ws/?ticket=${encodeURIComponent(ticket)}`;
      const open = this.#options.openSocket ?? openSocket;
      this.#connection = await Connection.open(url, (text) => this.#receive(text), open);
    } catch (error) {
      if (!isTransient(error) && !(error instanceof ApiError)) throw error;
      return { lost: { kind: "retry", reason: error.message, after: retryAfter(error) }, wasReady: false };
    }
    this.#connections += 1;
    if (this.#stop.signal.aborted) this.close();
    this.#timer = setTimeout(() => this.#giveUp("connect timeout"), this.#timeout);
    const lost = await this.#connection.ended;
    const wasReady = this.#isReady;
    this.#disconnected();
    return { lost, wasReady };
  }

  #receive(text: string): void {
    this.#options.onFrame?.(this.#connections, text);
    try {
      for (const event of this.#handle(parseFrame(text))) this.#events.deliver(event);
    } catch (error) {
      return this.#giveUp(`malformed frame: ${error}`);
    }
    this.#pump();
  }

  #handle(frame: Frame): Event[] {
    const now = Date.now();
    switch (frame.type) {
      case "ready":
        return this.#ready(frame);
      case "ack":
        if (frame.id === SYNC_ID) return this.#syncSucceeded(frame as unknown as SyncResult, now);
        this.#requests.succeeded(frame.id, frame);
        return [];
      case "error":
        if (frame.id === SYNC_ID) this.#syncFailed(frame, now);
        else this.#requests.failed(frame.id, frame, now);
        return [];
      default:
        return this.#replica.apply(frame);
    }
  }

  #ready(ready: Ready): Event[] {
    this.#isReady = true;
    if (this.#connection) this.#connection.heartbeat = Math.max(1, ready.heartbeat) * 1000;
    return this.#replica.apply(ready);
  }

  #syncSucceeded(answer: SyncResult, now: number): Event[] {
    this.#syncSentAt = undefined;
    this.#syncNotBefore = now + SYNC_PAUSE;
    return this.#replica.applySync(answer);
  }

  #syncFailed(frame: ErrorFrame, now: number): void {
    this.#syncSentAt = undefined;
    const pause = ApiError.fromFrame(frame).retryAfter ?? this.#options.backoffBase ?? 500;
    this.#syncNotBefore = now + pause;
    this.#replica.syncFailed();
  }

  #disconnected(): void {
    clearTimeout(this.#timer);
    this.#connection = undefined;
    this.#isReady = false;
    this.#isSynced = false;
    this.#syncSentAt = undefined;
    this.#replica.disconnected();
    this.#requests.disconnected(Date.now());
  }

  /** Writes what is due, gives up a connection that leaves a request unanswered, and says when to look again. */
  #pump(): void {
    const connection = this.#connection;
    if (!connection || !this.#isReady) return;
    clearTimeout(this.#timer);
    const now = Date.now();
    const oldest = Math.min(this.#requests.oldestInFlight ?? Infinity, this.#syncSentAt ?? Infinity);
    if (now - oldest >= this.#timeout) return this.#giveUp("request timeout");
    for (const text of this.#requests.due(now)) connection.send(text);
    this.#sync(connection, now);
    this.#announceSynced();
    void this.#fetchCounts();
    this.#timer = setTimeout(() => this.#pump(), this.#nextWake() - now);
  }

  #sync(connection: Connection, now: number): void {
    if (now < this.#syncNotBefore) return;
    const request = this.#replica.nextSync();
    if (!request) return;
    this.#syncSentAt = now;
    connection.send(JSON.stringify({ type: "sync", id: SYNC_ID, ...request }));
  }

  #announceSynced(): void {
    const isSynced = this.#replica.isUpToDate;
    if (isSynced && !this.#isSynced) this.#events.deliver({ type: "synced" });
    this.#isSynced = isSynced;
  }

  /** Asks for the unread counts of a chat that cannot be known otherwise. One request at a time, and not one for each event. */
  async #fetchCounts(): Promise<void> {
    const [id] = this.#replica.uncertain;
    if (this.#isCounting || id === undefined || !this.#replica.isUpToDate) return;
    this.#isCounting = true;
    try {
      const { epoch } = this.#replica;
      const chat = await this.#client.chats.get(id);
      if (epoch === this.#replica.epoch) this.#replica.mergeCounts(chat);
      this.#events.deliver({ type: "counted", chat: id });
      await sleep(COUNT_PAUSE, this.#stop.signal);
    } catch {
      // A session that has ended, or a chat that is gone, is noticed by the connection. Everything else is tried again.
      await sleep(5 * COUNT_PAUSE, this.#stop.signal).catch(() => {});
    }
    this.#isCounting = false;
    this.#pump();
  }

  /** When something is due next, if nothing happens. */
  #nextWake(): number {
    const times = [
      (this.#requests.oldestInFlight ?? Infinity) + this.#timeout,
      (this.#syncSentAt ?? Infinity) + this.#timeout,
      this.#requests.nextDue ?? Infinity,
      this.#replica.needsSync ? this.#syncNotBefore : Infinity,
    ];
    // Timers overflow after 24 days.
    return Math.min(...times, Date.now() + 86_400_000);
  }

  #giveUp(reason: string): void {
    this.#connection?.end({ kind: "retry", reason, after: 0 });
  }

  get #timeout(): number {
    return this.#options.timeout ?? 30_000;
  }

  async #messageRequest(frame: ClientFrame): Promise<Message> {
    const ack = (await this.request(frame)) as { message: Message };
    return ack.message;
  }

  /** Reads a page of messages into the replica, unless the server's data changed its history meanwhile. */
  async #load(chat: number, query: { before: number } | { around: number }): Promise<boolean> {
    const { epoch } = this.#replica;
    const messages = (await this.#client.messages.list(chat, { ...query, page_size: 50 }).page()) ?? [];
    if (epoch === this.#replica.epoch) this.#replica.mergeMessages(messages);
    return messages.length > 0;
  }
}

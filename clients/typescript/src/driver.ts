// Keeps a connection: connects, reads, writes, syncs and reconnects. It decides neither what frames mean (`replica`) nor what has to
// be sent (`requests`).

import { Backoff, sleep } from "./backoff.ts";
import { Connection, type Lost } from "./connection.ts";
import { ApiError, isTransient, retryAfter, SessionEnded, TooManyConnections } from "./errors.ts";
import type { Event } from "./events.ts";
import { type Frame, parseFrame } from "./frames.ts";
import { openSocket } from "./open_socket.ts";
import type { LiveOptions } from "./options.ts";
import type { Replica } from "./replica.ts";
import type { Requests } from "./requests.ts";
import type { Client } from "./rest.ts";
import type { ErrorFrame, Ready, SyncResult } from "./types.ts";

/** A connection that lasted this long resets the backoff, in milliseconds. */
const STABLE_AFTER = 10_000;
/** The least time between two syncs, so that a server whose answers bring nothing is not asked in a tight loop. */
const SYNC_PAUSE = 50;
/** The `id` of sync requests; other requests are numbered from 1. */
const SYNC_ID = 0;

export class Driver {
  readonly #client: Client;
  readonly #options: LiveOptions;
  readonly #replica: () => Replica;
  readonly #requests: Requests;
  readonly #deliver: (event: Event) => void;
  readonly #stop: AbortSignal;
  /** Ends the wait before the next attempt. */
  #hurry = new AbortController();
  #connection: Connection | undefined;
  /** Counts connections, for `onFrame`. */
  #connections = 0;
  #isReady = false;
  #isSynced = false;
  /** Until the connection is ready, its timeout; then the next call of `pump`. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the sync in progress was sent. */
  #syncSentAt: number | undefined;
  #syncNotBefore = 0;

  constructor(
    client: Client,
    options: LiveOptions,
    replica: () => Replica,
    requests: Requests,
    deliver: (event: Event) => void,
    stop: AbortSignal,
  ) {
    this.#client = client;
    this.#options = options;
    this.#replica = replica;
    this.#requests = requests;
    this.#deliver = deliver;
    this.#stop = stop;
    stop.addEventListener("abort", () => {
      this.#hurry.abort();
      this.#giveUp("closed");
    });
  }

  /** Whether there is a connection that is ready. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Sends a frame now, or not at all. */
  sendNow(frame: object): void {
    if (this.#isReady) this.#connection?.send(JSON.stringify(frame));
  }

  /** The network may be back, or another one: connects without waiting, or makes sure that the connection is alive. */
  wake(): void {
    this.#hurry.abort();
    if (this.#isReady) this.#connection?.doubt();
  }

  /** Connects again and again, until there is no point in going on. Rejects then. */
  async keepConnected(): Promise<never> {
    const backoff = new Backoff(this.#backoffBase, this.#options.backoffCap ?? 30_000);
    // A rejected token is replaced once; if its successor is rejected too, the session is over.
    let isRefreshed = false;
    for (;;) {
      const since = Date.now();
      const { lost, wasReady } = await this.#connect();
      this.#stop.throwIfAborted();
      if (wasReady || lost.kind === "retry") isRefreshed = false;
      if (wasReady && Date.now() - since >= STABLE_AFTER) backoff.reset();
      const { reason, after } = await this.#answer(lost, isRefreshed);
      isRefreshed = lost.kind === "unauthenticated" && after === undefined;
      const delay = isRefreshed ? 0 : backoff.next();
      this.#deliver({ type: "disconnected", reason, retryIn: (after ?? 0) + delay });
      await this.#wait(after ?? 0, delay);
    }
  }

  /** Writes what is due, gives up a connection that leaves a request unanswered, and says when to look again. */
  pump(): void {
    const connection = this.#connection;
    if (!connection || !this.#isReady) return;
    clearTimeout(this.#timer);
    const now = Date.now();
    if (now - this.#oldestUnanswered() >= this.#timeout) return this.#giveUp("request timeout");
    for (const text of this.#requests.due(now)) connection.send(text);
    this.#sync(connection, now);
    this.#timer = setTimeout(() => this.pump(), this.#nextWake() - now);
    // Last: a listener may make requests at once, which pumps.
    this.#announceSynced();
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
      if (!isRetried(error)) throw error;
      return { reason: "token rejected", after: retryAfter(error) };
    }
  }

  /** `after` is the server's wish. `wake` shortens only what comes on top. */
  async #wait(after: number, delay: number): Promise<void> {
    if (after > 0) await sleep(after, this.#stop);
    this.#hurry = new AbortController();
    if (delay > 0) await sleep(delay, this.#hurry.signal).catch(() => this.#stop.throwIfAborted());
  }

  /** One connection, from the ticket to its end. */
  async #connect(): Promise<{ lost: Lost; wasReady: boolean }> {
    try {
      const { ticket } = await this.#client.account.ticket(this.#stop);
      const url = `${this.#client.server.url.replace(/^http/, "ws")}/ws/?ticket=${encodeURIComponent(ticket)}`;
      const open = this.#options.openSocket ?? openSocket;
      this.#connection = await Connection.open(url, (text) => this.#receive(text), open);
    } catch (error) {
      if (!isRetried(error)) throw error;
      return { lost: { kind: "retry", reason: error.message, after: retryAfter(error) }, wasReady: false };
    }
    this.#connections += 1;
    if (this.#stop.aborted) this.#giveUp("closed");
    this.#timer = setTimeout(() => this.#giveUp("connect timeout"), this.#timeout);
    const lost = await this.#connection.ended;
    const wasReady = this.#isReady;
    this.#disconnected();
    return { lost, wasReady };
  }

  #receive(text: string): void {
    this.#options.onFrame?.(this.#connections, text);
    try {
      for (const event of this.#handle(parseFrame(text), Date.now())) this.#deliver(event);
    } catch (error) {
      return this.#giveUp(`malformed frame: ${error}`);
    }
    this.pump();
  }

  #handle(frame: Frame, now: number): Event[] {
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
        return this.#replica().apply(frame);
    }
  }

  #ready(ready: Ready): Event[] {
    this.#isReady = true;
    if (this.#connection) this.#connection.heartbeat = Math.max(1, ready.heartbeat) * 1000;
    return this.#replica().apply(ready);
  }

  #disconnected(): void {
    clearTimeout(this.#timer);
    this.#connection = undefined;
    this.#isReady = false;
    this.#isSynced = false;
    this.#syncSentAt = undefined;
    this.#replica().disconnected();
    this.#requests.disconnected(Date.now());
  }

  #sync(connection: Connection, now: number): void {
    if (now < this.#syncNotBefore) return;
    const request = this.#replica().nextSync();
    if (!request) return;
    this.#syncSentAt = now;
    connection.send(JSON.stringify({ type: "sync", id: SYNC_ID, ...request }));
  }

  #syncSucceeded(answer: SyncResult, now: number): Event[] {
    this.#syncSentAt = undefined;
    this.#syncNotBefore = now + SYNC_PAUSE;
    return this.#replica().applySync(answer);
  }

  #syncFailed(frame: ErrorFrame, now: number): void {
    this.#syncSentAt = undefined;
    this.#syncNotBefore = now + (ApiError.fromFrame(frame).retryAfter ?? this.#backoffBase);
    this.#replica().syncFailed();
  }

  #announceSynced(): void {
    const wasSynced = this.#isSynced;
    this.#isSynced = this.#replica().isUpToDate;
    if (this.#isSynced && !wasSynced) this.#deliver({ type: "synced" });
  }

  #oldestUnanswered(): number {
    return Math.min(this.#requests.oldestInFlight ?? Infinity, this.#syncSentAt ?? Infinity);
  }

  /** When something is due next, if nothing happens. */
  #nextWake(): number {
    const sync = this.#replica().needsSync ? this.#syncNotBefore : Infinity;
    // Timers overflow after 24 days.
    const day = Date.now() + 86_400_000;
    return Math.min(this.#oldestUnanswered() + this.#timeout, this.#requests.nextDue ?? Infinity, sync, day);
  }

  #giveUp(reason: string): void {
    this.#connection?.end({ kind: "retry", reason, after: 0 });
  }

  get #timeout(): number {
    return this.#options.timeout ?? 30_000;
  }

  get #backoffBase(): number {
    return this.#options.backoffBase ?? 500;
  }
}

/** Whether a failed call is a reason to try again later, rather than to end. */
function isRetried(error: unknown): error is Error {
  return isTransient(error) || error instanceof ApiError;
}

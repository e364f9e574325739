// Requests over the socket. Each is sent again, in order, on every new connection until its `ack` or `error` arrives. This does no
// I/O: it says what to write, and is given the answers.

import { Backoff } from "./backoff.ts";
import { ApiError, retryAfter } from "./errors.ts";
import type { ClientFrame, ErrorFrame } from "./types.ts";

/**
 * The most requests in flight. The server stops reading at 64. Staying below that avoids a deadlock in which each side waits for
 * the other to read.
 */
const MAX_IN_FLIGHT = 32;
/** Backoff of a request that was rate limited or met a busy server, in milliseconds. */
const BACKOFF_BASE = 200;
const BACKOFF_CAP = 10_000;

interface Pending {
  text: string;
  /** When it was sent, or when it may be. */
  state: { sentAt: number } | { dueAt: number };
  backoff: Backoff;
  resolve(ack: object): void;
  reject(error: unknown): void;
}

export class Requests {
  /** By number. Numbers grow, so the order of the keys is that of the requests. */
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  /** Adds a request. Resolves with its `ack`. */
  add(frame: ClientFrame, now: number): Promise<object> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      const backoff = new Backoff(BACKOFF_BASE, BACKOFF_CAP);
      const text = JSON.stringify({ ...frame, id });
      this.#pending.set(id, { text, state: { dueAt: now }, backoff, resolve, reject });
    });
  }

  /** The frames to write now. */
  due(now: number): string[] {
    const texts: string[] = [];
    let free = MAX_IN_FLIGHT - this.#inFlight.length;
    for (const pending of this.#pending.values()) {
      if (free === 0) break;
      if (!("dueAt" in pending.state) || pending.state.dueAt > now) continue;
      pending.state = { sentAt: now };
      texts.push(pending.text);
      free -= 1;
    }
    return texts;
  }

  succeeded(id: unknown, ack: object): void {
    this.#take(id)?.resolve(ack);
  }

  /** Tries again later if the error is transient. */
  failed(id: unknown, frame: ErrorFrame, now: number): void {
    const error = ApiError.fromFrame(frame);
    const pending = this.#pending.get(id as number);
    if (pending && error.isTransient) {
      pending.state = { dueAt: now + retryAfter(error) + pending.backoff.next() };
    } else {
      this.#take(id)?.reject(error);
    }
  }

  /** The connection is lost: everything has to be sent again. */
  disconnected(now: number): void {
    for (const pending of this.#pending.values()) {
      if ("sentAt" in pending.state) pending.state = { dueAt: now };
    }
  }

  /** Fails every request: there will be no further connection. */
  fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  /** When the next request may be sent, if another may be in flight. */
  get nextDue(): number | undefined {
    if (this.#inFlight.length >= MAX_IN_FLIGHT) return undefined;
    const due = [...this.#pending.values()].flatMap(({ state }) => ("dueAt" in state ? [state.dueAt] : []));
    return due.length === 0 ? undefined : Math.min(...due);
  }

  /** When the oldest request in flight was sent. */
  get oldestInFlight(): number | undefined {
    const sent = this.#inFlight;
    return sent.length === 0 ? undefined : Math.min(...sent);
  }

  get #inFlight(): number[] {
    return [...this.#pending.values()].flatMap(({ state }) => ("sentAt" in state ? [state.sentAt] : []));
  }

  #take(id: unknown): Pending | undefined {
    const pending = this.#pending.get(id as number);
    this.#pending.delete(id as number);
    return pending;
  }
}

// Exponential backoff with full jitter: clients that lost the same server do not come back at the same moment.

/** Delays between attempts, in milliseconds. Each is random between zero and a bound that doubles. */
export class Backoff {
  readonly #base: number;
  readonly #cap: number;
  #attempts = 0;

  /** The first delay is at most `base`, none is longer than `cap`. */
  constructor(base: number, cap: number) {
    this.#base = base;
    this.#cap = cap;
  }

  next(): number {
    const bound = Math.min(this.#cap, this.#base * 2 ** this.#attempts);
    this.#attempts += 1;
    return bound * Math.random();
  }

  /** Starts over, after an attempt that succeeded. */
  reset(): void {
    this.#attempts = 0;
  }
}

/** Waits, or rejects as soon as the signal is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

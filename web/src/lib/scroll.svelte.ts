// Where a conversation is scrolled to: at its end it follows new messages, elsewhere what is seen stays where it is, whatever is
// added above or below. Also tells the server what was read.

import { session } from "./session.svelte.ts";
import type { Timeline } from "./timeline.svelte.ts";

/** So near to an end, in pixels, more messages are shown; and so near one is at it. */
const NEAR = 600;
const AT_END = 48;
/** No row is lower, in pixels. */
const LEAST_ROW = 32;
/** The least time between two read markers. */
const READ_PAUSE = 400;

const distanceToEnd = (element: HTMLElement) => element.scrollHeight - element.scrollTop - element.clientHeight;

export class Scroll {
  element = $state<HTMLElement | undefined>();
  isAtEnd = $state(true);
  readonly #timeline: Timeline;
  /** A row that is seen, and where. */
  #anchor: { row: Element; top: number } | undefined;
  /** Where to go with the next rows. */
  #target: number | "end" | "unread" | undefined = "unread";
  #reading: ReturnType<typeof setTimeout> | undefined;
  #growing: number | undefined;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  toEnd(): void {
    this.#target = "end";
    requestAnimationFrame(() => this.restore());
  }

  toMessage(seq: number): void {
    this.#target = seq;
    requestAnimationFrame(() => this.restore());
  }

  /** Before the rows change. */
  remember(): void {
    const { element } = this;
    if (!element) return;
    const { top } = element.getBoundingClientRect();
    const row = this.#rows.find((row) => row.getBoundingClientRect().bottom > top);
    this.#anchor = row && { row, top: row.getBoundingClientRect().top };
  }

  /** After the rows have changed. */
  restore(): void {
    const { element } = this;
    if (!element) return;
    if (this.#goToTarget(element)) {
      // Where it went is measured below.
    } else if (this.isAtEnd && this.#timeline.isAtEnd) {
      element.scrollTop = element.scrollHeight;
      this.#timeline.trim();
    } else if (this.#anchor?.row.isConnected) {
      const moved = this.#anchor.row.getBoundingClientRect().top - this.#anchor.top;
      if (moved !== 0) element.scrollTop += moved;
    }
    this.moved();
  }

  /** The user scrolled, or the rows have changed. */
  moved(): void {
    const { element } = this;
    if (!element || this.#timeline.messages.length === 0) return;
    const below = distanceToEnd(element);
    this.isAtEnd = below < AT_END && this.#timeline.isAtEnd;
    if (element.scrollTop < NEAR || below < NEAR) this.#growing ??= requestAnimationFrame(() => this.#grow());
    this.#reading ??= setTimeout(() => this.#read(), READ_PAUSE);
  }

  /** Shows more messages near an end. A few in each frame: rendering all that fit in one task would hold up the scrolling. */
  #grow(): void {
    this.#growing = undefined;
    const { element } = this;
    if (!element) return;
    if (element.scrollTop < NEAR && this.#timeline.hasOlder && !this.#timeline.error) void this.#timeline.showOlder();
    else if (distanceToEnd(element) < NEAR) void this.#timeline.showNewer();
  }

  /** Follows changes of size and of what the user looks at. Returns what ends that. */
  watch(): () => void {
    const { element } = this;
    if (!element) return () => {};
    const sizes = new ResizeObserver(() => {
      // What is seen, what is kept ready on both sides, and what is added at once.
      this.#timeline.most = Math.ceil((element.clientHeight + 3 * NEAR) / LEAST_ROW);
      if (this.isAtEnd) element.scrollTop = element.scrollHeight;
    });
    sizes.observe(element);
    const look = () => this.moved();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      sizes.disconnect();
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
      clearTimeout(this.#reading);
      if (this.#growing !== undefined) cancelAnimationFrame(this.#growing);
    };
  }

  get #rows(): Element[] {
    return [...(this.element?.querySelectorAll("[data-seq]") ?? [])];
  }

  /** Goes where the next rows should be seen from. Returns whether there was such a place. */
  #goToTarget(element: HTMLElement): boolean {
    const target = this.#target;
    if (target === undefined || this.#timeline.messages.length === 0) return false;
    this.#target = undefined;
    const row =
      target === "unread"
        ? element.querySelector("[data-unread]")
        : target === "end"
          ? null
          : element.querySelector(`[data-seq="${target}"]`);
    if (row) {
      const { top } = row.getBoundingClientRect();
      element.scrollTop += top - element.getBoundingClientRect().top - element.clientHeight / 3;
    } else {
      element.scrollTop = element.scrollHeight;
    }
    return true;
  }

  /** Moves the read marker to the last message that is seen, if somebody is looking. */
  #read(): void {
    this.#reading = undefined;
    const chat = session.replicaOf(this.#timeline.chat)?.chat;
    if (!chat || !this.element || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const { bottom } = this.element.getBoundingClientRect();
    const seen = this.#rows.findLast((row) => row.getBoundingClientRect().top < bottom - AT_END / 2);
    const seq = Number(seen?.getAttribute("data-seq") ?? 0);
    // Otherwise it is read already. What fails is told with the next message.
    if (seq > chat.last_read_seq) session.live.markRead(chat.id, seq).catch(() => {});
  }
}

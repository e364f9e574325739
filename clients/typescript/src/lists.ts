// Lists, read page by page as a program asks for more.

import type { Call } from "./http.ts";
import type { Page } from "./types.ts";

/** What makes calls: a session. */
export interface Caller {
  run<T>(call: Call): Promise<T>;
}

/**
 * A list of the server. It reads nothing until it is asked:
 *
 * ```ts
 * for await (const chat of client.chats.list()) console.log(chat.name);
 * ```
 */
export class List<T> implements AsyncIterable<T> {
  readonly #caller: Caller;
  #next: Call | undefined;

  constructor(caller: Caller, path: string, query: NonNullable<Call["query"]> = {}) {
    this.#caller = caller;
    this.#next = { method: "GET", path, query: { page_size: 100, ...query } };
  }

  /** The items of the next page; undefined after the last one. After an error it can be asked again. */
  async page(): Promise<T[] | undefined> {
    if (this.#next === undefined) return undefined;
    const page = await this.#caller.run<Page<T>>(this.#next);
    this.#next = page.next === null ? undefined : { method: "GET", path: localPath(page.next) };
    return page.results;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let page = await this.page(); page !== undefined; page = await this.page()) yield* page;
  }

  /** All remaining items. */
  async all(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }
}

/** Links contain the server's public address; stay with the address that is used here. */
function localPath(link: string): string {
  const { pathname, search } = new URL(link);
  return pathname.slice(pathname.indexOf("/api/")) + search;
}

// Messages.

import { type Caller, List } from "../lists.ts";
import { randomId } from "../random_id.ts";
import type { Body, FoundMessage, Message, Query, Reaction, Receipts, SyncRequest, SyncResult } from "../types.ts";

export class Messages {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** A chat's messages: the newest first, or those `before`, `after` or `around` a `seq`. */
  list(chat: number, query: Query<"list_messages"> = {}): List<Message> {
    return new List(this.#caller, `/api/chats/${chat}/messages/`, query);
  }

  get(id: number): Promise<Message> {
    return this.#caller.run({ method: "GET", path: `/api/messages/${id}/` });
  }

  /** Messages with all of these words in your chats, the newest first; the last word may be the beginning of one. */
  search(q: string, query: Omit<Query<"search_messages">, "q"> = {}): List<FoundMessage> {
    return new List(this.#caller, "/api/messages/search/", { q, ...query });
  }

  /** Sends a message over HTTP. It is retried under its `client_id`, so it is created once. */
  send(chat: number, draft: Body<"send_message">): Promise<Message> {
    const body = { client_id: randomId(), ...draft };
    return this.#caller.run({ method: "POST", path: `/api/chats/${chat}/messages/`, body, isIdempotent: true });
  }

  edit(id: number, content: string): Promise<Message> {
    return this.#caller.run({ method: "PATCH", path: `/api/messages/${id}/`, body: { content } });
  }

  async delete(id: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/messages/${id}/` });
  }

  /** Reacts with an emoji. Reacting twice changes nothing. */
  react(id: number, emoji: string): Promise<Message> {
    return this.#caller.run({ method: "PUT", path: reaction(id, emoji) });
  }

  /** Removes your reaction with an emoji. */
  unreact(id: number, emoji: string): Promise<Message> {
    return this.#caller.run({ method: "DELETE", path: reaction(id, emoji) });
  }

  /** Who reacts, oldest first; with one emoji only, if it is named. */
  reactions(id: number, emoji?: string): List<Reaction> {
    return new List(this.#caller, `/api/messages/${id}/reactions/`, { emoji });
  }

  /** Pins a message: in a group as its owner or an admin. */
  pin(id: number): Promise<Message> {
    return this.#caller.run({ method: "PUT", path: `/api/messages/${id}/pin/` });
  }

  unpin(id: number): Promise<Message> {
    return this.#caller.run({ method: "DELETE", path: `/api/messages/${id}/pin/` });
  }

  /** Forwards a message to up to 20 chats, to all or to none. It is retried under one `client_id`. */
  async forward(id: number, chats: number[], client_id = randomId()): Promise<Message[]> {
    const body: Body<"forward_message"> = { chats, client_id };
    const path = `/api/messages/${id}/forward/`;
    const { results } = await this.#caller.run<{ results: Message[] }>({
      method: "POST",
      path,
      body,
      isIdempotent: true,
    });
    return results;
  }

  /** Moves the read marker of a chat. */
  markRead(chat: number, seq: number): Promise<{ last_read_seq: number; unread_count: number }> {
    return this.#caller.run({ method: "POST", path: `/api/chats/${chat}/read/`, body: { seq }, isIdempotent: true });
  }

  /** Who has read a message, and who has received it. */
  receipts(id: number): Promise<Receipts> {
    return this.#caller.run({ method: "GET", path: `/api/messages/${id}/receipts/` });
  }

  /** What changed since these versions. A `Live` does this by itself. */
  sync(request: SyncRequest): Promise<SyncResult> {
    return this.#caller.run({ method: "POST", path: "/api/sync/", body: request, isIdempotent: true });
  }
}

function reaction(id: number, emoji: string): string {
  return `/api/messages/${id}/reactions/${encodeURIComponent(emoji)}/`;
}

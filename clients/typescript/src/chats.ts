// The chats that a client knows, and which of them changed since they were stored.

import type { ChatReplica } from "./chat_replica.ts";
import type { User, UserRef } from "./types.ts";

export class Chats {
  readonly #chats = new Map<number, ChatReplica>();
  /** Those that changed since they were last stored. */
  readonly #unsaved = new Set<number>();

  get all(): ReadonlyMap<number, ChatReplica> {
    return this.#chats;
  }

  /** A chat that is about to change. */
  edit(id: number): ChatReplica | undefined {
    const chat = this.#chats.get(id);
    if (chat) this.#unsaved.add(id);
    return chat;
  }

  set(id: number, chat: ChatReplica): void {
    this.#chats.set(id, chat);
    this.#unsaved.add(id);
  }

  /** Returns whether it was known. */
  delete(id: number): boolean {
    this.#unsaved.add(id);
    return this.#chats.delete(id);
  }

  clear(): void {
    for (const id of this.#chats.keys()) this.delete(id);
  }

  /** The ids of the chats that changed since the last time. They may be unknown by now. */
  takeUnsaved(): number[] {
    const unsaved = [...this.#unsaved];
    this.#unsaved.clear();
    return unsaved;
  }

  /** Those whose unread counts need messages that are not known. */
  get uncertain(): number[] {
    return [...this.#chats].flatMap(([id, chat]) => (chat.isUncertain ? [id] : []));
  }

  setBlocked(user: number, blocked: boolean): void {
    for (const [id, { chat }] of this.#chats) {
      if (chat.peer?.id === user) this.edit(id)?.patch({ blocked });
    }
  }

  /** The profile or presence of a private chat's other member changed. */
  updatePeer(user: number, fields: Partial<User> | UserRef): void {
    for (const [id, { chat }] of this.#chats) {
      if (chat.peer?.id !== user) continue;
      const peer: User = { ...chat.peer, ...fields };
      const name = `${peer.first_name} ${peer.last_name}`.trim() || peer.username;
      this.edit(id)?.patch({ peer, name });
    }
  }
}

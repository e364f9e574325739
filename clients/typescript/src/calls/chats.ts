// Chats and their members.

import { type Caller, List } from "../lists.ts";
import type { Body, Chat, ChatSettings, Member, Message, Query, Role, Unread } from "../types.ts";

export class Chats {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  list(query: Query<"list_chats"> = {}): List<Chat> {
    return new List(this.#caller, "/api/chats/", query);
  }

  get(id: number): Promise<Chat> {
    return this.#caller.run({ method: "GET", path: `/api/chats/${id}/` });
  }

  /** The private chat with a user, created if there is none. */
  private(user: number): Promise<Chat> {
    const body: Body<"create_chat"> = { type: "private", members: [user] };
    return this.#caller.run({ method: "POST", path: "/api/chats/", body, isIdempotent: true });
  }

  createGroup(group: { name: string; description?: string; members?: number[] }): Promise<Chat> {
    const body: Body<"create_chat"> = { type: "group", ...group };
    return this.#caller.run({ method: "POST", path: "/api/chats/", body });
  }

  update(id: number, changes: Body<"patch_chat">): Promise<Chat> {
    return this.#caller.run({ method: "PATCH", path: `/api/chats/${id}/`, body: changes });
  }

  setAvatar(id: number, picture: Blob): Promise<Chat> {
    return this.#caller.run({ method: "PUT", path: `/api/chats/${id}/avatar/`, body: picture });
  }

  removeAvatar(id: number): Promise<Chat> {
    return this.#caller.run({ method: "DELETE", path: `/api/chats/${id}/avatar/` });
  }

  async delete(id: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/chats/${id}/` });
  }

  /** The sums of unread messages and chats, for a badge. */
  unread(): Promise<Unread> {
    return this.#caller.run({ method: "GET", path: "/api/chats/unread/" });
  }

  settings(id: number): Promise<ChatSettings> {
    return this.#caller.run({ method: "GET", path: `/api/chats/${id}/settings/` });
  }

  /** Mutes, pins or archives a chat, or ends that. `muted_until` is a time, `forever` or null. */
  updateSettings(id: number, changes: Body<"patch_chat_settings">): Promise<ChatSettings> {
    return this.#caller.run({ method: "PATCH", path: `/api/chats/${id}/settings/`, body: changes });
  }

  /** The pinned messages, the latest pin first. */
  pins(id: number): List<Message> {
    return new List(this.#caller, `/api/chats/${id}/pins/`);
  }

  members(chat: number): List<Member> {
    return new List(this.#caller, `/api/chats/${chat}/members/`);
  }

  member(chat: number, user: number): Promise<Member> {
    return this.#caller.run({ method: "GET", path: `/api/chats/${chat}/members/${user}/` });
  }

  /** Adds users to a group. Those who are members already stay as they are. */
  async addMembers(chat: number, users: number[], role: Role = "member"): Promise<Member[]> {
    const body: Body<"add_members"> = { users, role };
    const path = `/api/chats/${chat}/members/`;
    const { results } = await this.#caller.run<{ results: Member[] }>({
      method: "POST",
      path,
      body,
      isIdempotent: true,
    });
    return results;
  }

  /** Changes a member's role. Making another the owner makes you an admin, so it is not repeated by itself. */
  setRole(chat: number, user: number, role: Role): Promise<Member> {
    const path = `/api/chats/${chat}/members/${user}/`;
    return this.#caller.run({ method: "PUT", path, body: { role }, isIdempotent: false });
  }

  /** Removes a member, or leaves the group. */
  async removeMember(chat: number, user: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/chats/${chat}/members/${user}/` });
  }
}

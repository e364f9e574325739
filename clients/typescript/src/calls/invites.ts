// Links by which users join a group.

import { type Caller, List } from "../lists.ts";
import type { Body, Chat, Invite, InvitePreview } from "../types.ts";

export class Invites {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** A group's invites that can be used, for its owner and admins. */
  list(chat: number): List<Invite> {
    return new List(this.#caller, `/api/chats/${chat}/invites/`);
  }

  create(chat: number, invite: Body<"create_invite"> = {}): Promise<Invite> {
    return this.#caller.run({ method: "POST", path: `/api/chats/${chat}/invites/`, body: invite });
  }

  async revoke(chat: number, code: string): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/chats/${chat}/invites/${encodeURIComponent(code)}/` });
  }

  /** The group that an invite leads to. */
  get(code: string): Promise<InvitePreview> {
    return this.#caller.run({ method: "GET", path: `/api/invites/${encodeURIComponent(code)}/` });
  }

  /** Joins the group. A repeated call returns it again, so a lost answer is asked for once more. */
  accept(code: string): Promise<Chat> {
    const path = `/api/invites/${encodeURIComponent(code)}/accept/`;
    return this.#caller.run({ method: "POST", path, body: {}, isIdempotent: true });
  }
}

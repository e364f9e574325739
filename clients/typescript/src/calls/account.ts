// The own account and its sessions.

import { type Caller, List } from "../lists.ts";
import type { Answer, Body, Session, User } from "../types.ts";

export class Account {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get(): Promise<User> {
    return this.#caller.run({ method: "GET", path: "/api/auth/me/" });
  }

  update(changes: Body<"patch_me">): Promise<User> {
    return this.#caller.run({ method: "PATCH", path: "/api/auth/me/", body: changes });
  }

  setAvatar(picture: Blob): Promise<User> {
    return this.#caller.run({ method: "PUT", path: "/api/auth/me/avatar/", body: picture });
  }

  removeAvatar(): Promise<User> {
    return this.#caller.run({ method: "DELETE", path: "/api/auth/me/avatar/" });
  }

  /** Ends the account for good. */
  async delete(password: string): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: "/api/auth/me/", body: { password }, isIdempotent: false });
  }

  sessions(): List<Session> {
    return new List(this.#caller, "/api/auth/sessions/");
  }

  async endSession(id: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/auth/sessions/${id}/` });
  }

  async endOtherSessions(): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: "/api/auth/sessions/" });
  }

  /** A ticket that opens one socket. */
  ticket(signal?: AbortSignal): Promise<Answer<"create_ws_ticket">> {
    const call = { method: "POST", path: "/api/auth/ws-ticket/", body: {}, signal } as const;
    return this.#caller.run(call);
  }
}

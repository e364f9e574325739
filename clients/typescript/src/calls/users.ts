// Other users.

import { type Caller, List } from "../lists.ts";
import type { Body, User, UserRef } from "../types.ts";

export class Users {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** All active users, by username. */
  list(): List<User> {
    return new List(this.#caller, "/api/users/");
  }

  /** Up to 100 users by their ids. */
  byId(ids: number[]): List<User> {
    return new List(this.#caller, "/api/users/", { ids: ids.join(",") });
  }

  /** Users by the beginning of a name, the best match first. */
  search(name: string): List<User> {
    return new List(this.#caller, "/api/users/search/", { q: name });
  }

  get(id: number): Promise<User> {
    return this.#caller.run({ method: "GET", path: `/api/users/${id}/` });
  }

  /** Changes another user, as staff. */
  update(id: number, changes: Body<"patch_user">): Promise<User> {
    return this.#caller.run({ method: "PATCH", path: `/api/users/${id}/`, body: changes });
  }

  /** The users that you block. */
  blocked(): List<UserRef> {
    return new List(this.#caller, "/api/blocks/");
  }

  async block(id: number): Promise<void> {
    await this.#caller.run({ method: "PUT", path: `/api/blocks/${id}/` });
  }

  async unblock(id: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/blocks/${id}/` });
  }
}

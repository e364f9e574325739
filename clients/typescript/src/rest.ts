// A server and a session: calls with retries of what is idempotent, and with fresh tokens. The calls themselves are in `calls`.

import { Backoff, sleep } from "./backoff.ts";
import { Account } from "./calls/account.ts";
import { Attachments } from "./calls/attachments.ts";
import { Chats } from "./calls/chats.ts";
import { Invites } from "./calls/invites.ts";
import { Messages } from "./calls/messages.ts";
import { Reports } from "./calls/reports.ts";
import { Users } from "./calls/users.ts";
import { ApiError, isTransient, retryAfter, SessionEnded } from "./errors.ts";
import type { GuardedStorage } from "./guarded_storage.ts";
import { attempt, type Call } from "./http.ts";
import { Live } from "./live.ts";
import type { LiveOptions } from "./options.ts";
import { randomId } from "./random_id.ts";
import { MemoryStorage, type Storage } from "./storage.ts";
import { Tokens } from "./tokens.ts";
import type { Body, TokenPair, User } from "./types.ts";

/** Backoff between the attempts of one call, in milliseconds. */
const BACKOFF_BASE = 100;
const BACKOFF_CAP = 5_000;
/** The server accepts a refresh token once more within 10 s, in case the answer was lost: a refresh is retried within that time. */
const REFRESH_DEADLINE = 9_000;
const REFRESH_TIMEOUT = 3_000;

/** How many tokens may be rejected one after the other, although the server has just issued them. */
const MAX_REPLACED = 3;

export interface ServerOptions {
  /** Where tokens, unsent messages and chats are kept: in memory, if it is not named. */
  storage?: Storage;
  /** The timeout of one attempt in milliseconds; 10 s by default. */
  timeout?: number;
  /** After how many milliseconds an idempotent call is not retried any more; 60 s by default. An upload may take that long. */
  deadline?: number;
  /** Another implementation of `fetch`. */
  fetch?: typeof fetch;
}

/** The address of a server, and how to call it. */
export class Server {
  /** Without a slash at the end. */
  readonly url: string;
  readonly storage: Storage;
  readonly #timeout: number;
  readonly #deadline: number;
  readonly #fetch: typeof fetch;

  /** A server by its URL, such as `https://chat.example.org`. */
  constructor(url: string, options: ServerOptions = {}) {
    this.url = url.replace(/\/+$/, "");
    this.storage = options.storage ?? new MemoryStorage();
    this.#timeout = options.timeout ?? 10_000;
    this.#deadline = options.deadline ?? 60_000;
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
  }

  /** `login` is a username or an email address. */
  logIn(login: string, password: string): Promise<Client> {
    return this.#startSession("/api/auth/login/", { username: login, password });
  }

  register(account: Body<"register">): Promise<Client> {
    return this.#startSession("/api/auth/register/", account);
  }

  /** Continues the session that is stored, if there is one. */
  async resume(): Promise<Client | undefined> {
    const tokens = await Tokens.resume(this.storage, (pair) => this.#refresh(pair));
    return tokens && new Client(this, tokens);
  }

  /** Sends a mail with a link for a new password, if the address is known. */
  async requestPasswordReset(email: string): Promise<void> {
    await this.run({ method: "POST", path: "/api/auth/password/reset/", body: { email } });
  }

  async confirmPasswordReset(body: Body<"reset_password">): Promise<void> {
    await this.run({ method: "POST", path: "/api/auth/password/reset/confirm/", body });
  }

  /** Makes a call that needs no token, with retries if it is idempotent. */
  async run<T>(call: Call): Promise<T> {
    return this.#repeat(call, this.#deadline, (requestId) => this.attempt<T>(call, { requestId }));
  }

  /** One attempt of a call. */
  attempt<T>(call: Call, { requestId = randomId(), access, timeout }: AttemptOptions = {}): Promise<T> {
    const isUpload = call.body instanceof FormData || call.body instanceof Blob;
    const options = {
      base: this.url,
      fetch: this.#fetch,
      timeout: timeout ?? call.timeout ?? (isUpload ? this.#deadline : this.#timeout),
      requestId,
      ...(access === undefined ? {} : { access }),
    };
    return attempt(call, options) as Promise<T>;
  }

  /** Makes a call with a session's token, which is replaced if the server rejects it. */
  async runAs<T>(tokens: Tokens, call: Call): Promise<T> {
    let access = await tokens.access();
    let replaced = 0;
    const once = async (requestId: string): Promise<T> => {
      try {
        return await this.attempt<T>(call, { requestId, access });
      } catch (error) {
        if (!isRejected(error)) throw error;
        // A new token can expire on its way, if the machine sleeps, but not again and again.
        if (replaced === MAX_REPLACED) throw new SessionEnded();
        replaced += 1;
        access = await tokens.replace(access);
        return once(requestId);
      }
    };
    return this.#repeat(call, this.#deadline, once);
  }

  async #startSession(path: string, body: unknown): Promise<Client> {
    const { user, ...pair } = await this.run<TokenPair & { user: User }>({ method: "POST", path, body });
    const refresh = (pair: TokenPair) => this.#refresh(pair);
    return new Client(this, await Tokens.start(this.storage, refresh, user.id, pair));
  }

  async #refresh({ refresh }: TokenPair): Promise<TokenPair> {
    const call: Call = { method: "POST", path: "/api/auth/refresh/", body: { refresh }, isIdempotent: true };
    const timeout = Math.min(this.#timeout, REFRESH_TIMEOUT);
    try {
      return await this.#repeat(call, REFRESH_DEADLINE, (requestId) => this.attempt(call, { requestId, timeout }));
    } catch (error) {
      throw isRejected(error) ? new SessionEnded() : error;
    }
  }

  /** Repeats an idempotent call while it fails for a while, until the deadline. All attempts have the same id in the log. */
  async #repeat<T>(call: Call, deadline: number, once: (requestId: string) => Promise<T>): Promise<T> {
    const backoff = new Backoff(BACKOFF_BASE, BACKOFF_CAP);
    const [requestId, end] = [randomId(), Date.now() + deadline];
    const { isIdempotent = call.method !== "POST", signal } = call;
    // An attempt without an answer may have been carried out.
    let isUncertain = false;
    for (;;) {
      try {
        return await once(requestId);
      } catch (error) {
        const isGone = error instanceof ApiError && error.kind === "not_found";
        if (isGone && isUncertain && call.method === "DELETE") return undefined as T;
        const delay = retryAfter(error) + backoff.next();
        if (!isIdempotent || !isTransient(error) || Date.now() + delay >= end) throw error;
        isUncertain ||= !(error instanceof ApiError && error.kind === "throttled");
        await sleep(delay, signal);
      }
    }
  }
}

interface AttemptOptions {
  requestId?: string;
  access?: string;
  timeout?: number;
}

/** A session of a user. */
export class Client {
  readonly server: Server;
  readonly #tokens: Tokens;
  /** The connections that are open. */
  readonly #lives = new Set<Live>();
  readonly account: Account;
  readonly attachments: Attachments;
  readonly chats: Chats;
  readonly invites: Invites;
  readonly messages: Messages;
  readonly reports: Reports;
  readonly users: Users;

  constructor(server: Server, tokens: Tokens) {
    this.server = server;
    this.#tokens = tokens;
    this.account = new Account(this);
    this.attachments = new Attachments(this);
    this.chats = new Chats(this);
    this.invites = new Invites(this);
    this.messages = new Messages(this);
    this.reports = new Reports(this);
    this.users = new Users(this);
  }

  /** The id of the user who is logged in. */
  get userId(): number {
    return this.#tokens.user;
  }

  /** Opens a socket that reconnects whenever it is lost, and syncs after each connection. */
  connect(options: LiveOptions = {}): Live {
    const live = new Live(this, options);
    this.#lives.add(live);
    void live.ended.then(() => this.#lives.delete(live));
    return live;
  }

  /** The storage for the data of this session, until it ends. */
  get storage(): GuardedStorage {
    return this.#tokens.guarded;
  }

  /**
   * Closes the connections, ends the session on the server, and removes everything that is stored here. The latter also if the server
   * cannot be reached: then the session is in the list of sessions still.
   */
  async logOut(): Promise<void> {
    for (const live of this.#lives) live.close();
    await Promise.all([...this.#lives].map(({ ended }) => ended));
    const call: Call = { method: "POST", path: "/api/auth/logout/", body: {} };
    const failure: unknown = await this.run(call).catch((error: unknown) => error);
    await this.#tokens.forget();
    if (failure && !(failure instanceof SessionEnded) && !isTransient(failure)) throw failure;
  }

  /** Changes the password. This session goes on with new tokens; all others end. */
  async changePassword(old_password: string, new_password: string): Promise<void> {
    const body = { old_password, new_password, new_tokens: true };
    const call: Call = { method: "POST", path: "/api/auth/password/change/", body };
    const change = ({ access }: TokenPair) => this.server.attempt<TokenPair>(call, { access });
    const access = await this.#tokens.access();
    try {
      await this.#tokens.exchange(change);
    } catch (error) {
      if (!isRejected(error)) throw error;
      await this.#tokens.replace(access);
      await this.#tokens.exchange(change);
    }
  }

  /** Any call, also one that is newer than this package. */
  run<T>(call: Call): Promise<T> {
    return this.server.runAs<T>(this.#tokens, call);
  }

  /** Replaces the access token after a socket that it opened was rejected. */
  refresh(): Promise<void> {
    return this.#tokens.renew();
  }
}

function isRejected(error: unknown): boolean {
  return error instanceof ApiError && error.kind === "not_authenticated";
}

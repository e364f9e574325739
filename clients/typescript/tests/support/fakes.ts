// A server that exists in memory only: answers to calls, and sockets whose ends the test holds.

import type { Socket } from "../../src/open_socket.ts";
import { Server, type ServerOptions } from "../../src/rest.ts";
import type { ServerFrame, TokenPair } from "../../src/types.ts";
import { ME, user } from "./bodies.ts";

/** A request as the fake server got it. */
export interface Received {
  method: string;
  path: string;
  access: string | undefined;
  requestId: string | undefined;
  body: unknown;
}

/** An answer: a status and a body, an error instead of an answer, or never one. */
export type Reply = { status: number; body?: unknown; headers?: Record<string, string> } | Error | "silence";

/** Answers each call with what the function says. */
export function fakeFetch(reply: (request: Received) => Reply): typeof fetch {
  return async (url, { method, headers, body, signal } = {}) => {
    const header = new Headers(headers);
    const { pathname, search } = new URL(String(url));
    const answer = reply({
      method: method ?? "GET",
      path: pathname + search,
      access: header.get("Authorization")?.replace("Bearer ", ""),
      requestId: header.get("X-Request-ID") ?? undefined,
      body: typeof body === "string" ? JSON.parse(body) : body,
    });
    if (answer === "silence") {
      signal?.throwIfAborted();
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    }
    if (answer instanceof Error) throw answer;
    const text = answer.status === 204 ? null : JSON.stringify(answer.body);
    return new Response(text, { status: answer.status, ...(answer.headers ? { headers: answer.headers } : {}) });
  };
}

/** Tokens by number, whose access token lasts so many seconds. */
export function pair(number: number, lifetime = 900): TokenPair {
  const claims = btoa(JSON.stringify({ iat: 1_000, exp: 1_000 + lifetime, number }));
  return { access: `h.${claims}.s`, refresh: `refresh ${number}` };
}

/** A client that is logged in with the first pair. */
export async function logIn(reply: (request: Received) => Reply, options: ServerOptions = {}) {
  const opened = { status: 200, body: { user: user(ME), ...pair(1) } };
  const fetch = fakeFetch((request) => (request.path === "/api/auth/login/" ? opened : reply(request)));
  return new Server("http://server.test/", { fetch, ...options }).logIn("me", "secret");
}

/** The server's end of a socket. */
export class FakeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly url: string;
  readonly sent: { type: string; id?: number; [field: string]: unknown }[] = [];
  isClosed = false;

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.isClosed = true;
  }

  /** Sends a frame to the client. */
  push(frame: ServerFrame | object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The connection ends. */
  drop(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }

  /** The frames of a type that the client has sent. */
  of(type: string) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

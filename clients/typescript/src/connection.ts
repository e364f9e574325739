// One socket from its opening to its end: it passes text on, pings a silent server, and says what its end asks for. It does not
// know what frames mean, and does not reconnect.

import { openSocket, type Socket } from "./open_socket.ts";

/** Why a connection was lost or could not be opened. */
export type Lost =
  /** Try again, after the milliseconds that the server asked for. */
  | { kind: "retry"; reason: string; after: number }
  /** The server rejects the token, or the session has ended. */
  | { kind: "unauthenticated" }
  | { kind: "tooManyConnections" };

/** How long the server may be silent until it has named its own interval, in milliseconds. */
const DEFAULT_HEARTBEAT = 30_000;
/** How long the answer to a ping may take when there is doubt about the network, in milliseconds. */
const DOUBT_TIMEOUT = 5_000;
/** The id of our pings. */
const PING = '{"type":"ping"}';

export class Connection {
  /** Resolves when the connection has ended. Never rejects. */
  readonly ended: Promise<Lost>;
  #end: (lost: Lost) => void = () => {};
  readonly #socket: Socket;
  #heartbeat = DEFAULT_HEARTBEAT;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isPinged = false;

  static async open(url: string, onText: (text: string) => void, open = openSocket): Promise<Connection> {
    return new Connection(await open(url), onText);
  }

  private constructor(socket: Socket, onText: (text: string) => void) {
    this.#socket = socket;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    socket.onclose = ({ code, reason }) => this.#finish(lostBy(code, reason));
    // `onclose` follows.
    socket.onerror = () => {};
    socket.onmessage = ({ data }) => {
      this.#waitForSilence();
      onText(String(data));
    };
  }

  /** The server's heartbeat interval, in milliseconds. */
  set heartbeat(milliseconds: number) {
    this.#heartbeat = milliseconds;
    this.#waitForSilence();
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  /** Gives the connection up. */
  end(lost: Lost): void {
    this.#finish(lost);
    this.#socket.close();
  }

  /** The network may have changed: gives the connection up unless the server answers soon. */
  doubt(): void {
    this.#ping(DOUBT_TIMEOUT);
  }

  /** Something was received: pings after the next silence of the heartbeat interval. */
  #waitForSilence(): void {
    clearTimeout(this.#timer);
    this.#isPinged = false;
    // After two and a half intervals the connection is dead.
    this.#timer = setTimeout(() => this.#ping(this.#heartbeat * 1.5), this.#heartbeat);
  }

  #ping(patience: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end({ kind: "retry", reason: "heartbeat timeout", after: 0 }), patience);
    if (this.#isPinged) return;
    this.#isPinged = true;
    this.#socket.send(PING);
  }

  #finish(lost: Lost): void {
    clearTimeout(this.#timer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#end(lost);
  }
}

/** What a close code asks for. */
export function lostBy(code: number, reason: string): Lost {
  if (code === 4001) return { kind: "unauthenticated" };
  if (code === 4003) return { kind: "tooManyConnections" };
  const after = code === 1012 ? restartHint(reason) : 0;
  return { kind: "retry", reason: `closed: ${code} ${reason}`.trim(), after };
}

/** The milliseconds in `{"retry_after_ms": 2500}`. */
function restartHint(reason: string): number {
  try {
    const { retry_after_ms } = JSON.parse(reason) as { retry_after_ms: unknown };
    return typeof retry_after_ms === "number" ? Math.max(0, retry_after_ms) : 0;
  } catch {
    return 0;
  }
}

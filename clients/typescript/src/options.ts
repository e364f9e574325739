// How a connection is made and kept. Values only.

import type { openSocket } from "./open_socket.ts";

/** All times are in milliseconds. */
export interface LiveOptions {
  /** The longest delay before the first reconnection, which doubles with each further attempt; 0.5 s by default. */
  backoffBase?: number;
  /** The longest delay of all; 30 s by default. */
  backoffCap?: number;
  /** How long a connection may take until it is ready, and a request until it is answered; 30 s by default. */
  timeout?: number;
  /** Whether the replica is kept in the storage, for the next program: by default, unless that is memory. */
  keepReplica?: boolean;
  /** Another implementation of WebSocket. */
  openSocket?: typeof openSocket;
  /** Receives every text frame as it arrives, for logs and tests: the number of the connection, counted from 1, and the text. */
  onFrame?: (connection: number, text: string) => void;
}

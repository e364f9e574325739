// What the package offers.

export { Backoff } from "./backoff.ts";
export type { ChatReplica, Markers } from "./chat_replica.ts";
export {
  ApiError,
  Closed,
  type ErrorKind,
  isTransient,
  NetworkError,
  ProtocolError,
  SessionEnded,
  TooManyConnections,
} from "./errors.ts";
export { type Event, EventsLost, type Resynced } from "./events.ts";
export type { Call } from "./http.ts";
export { browserStorage } from "./indexed_db.ts";
export { List } from "./lists.ts";
export type { Live } from "./live.ts";
export type { Socket } from "./open_socket.ts";
export type { LiveOptions } from "./options.ts";
export type { Draft, Outbox, OutboxItem, Refusal } from "./outbox.ts";
export { Replica } from "./replica.ts";
export { Client, Server, type ServerOptions } from "./rest.ts";
export { type Changes, MemoryStorage, type Storage } from "./storage.ts";
export type * from "./types.ts";

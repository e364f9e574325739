// Errors that a program can act on. Texts are for people; whether a retry makes sense is decided by `isTransient` alone.

import type { ErrorFrame } from "./types.ts";

/** The kinds of error answers, the same for REST and the socket. */
export type ErrorKind = ErrorFrame["code"] | "other";

const KINDS: Partial<Record<number, ErrorKind>> = {
  400: "invalid",
  401: "not_authenticated",
  403: "permission_denied",
  404: "not_found",
  409: "conflict",
  413: "too_large",
  429: "throttled",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** The server answered with an error. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly kind: ErrorKind;
  /** The HTTP status; undefined over the socket. */
  readonly status: number | undefined;
  /** A text for the whole request; empty if `errors` says it all. */
  readonly detail: string;
  /** A code for programs, where the server has one, such as `token_not_valid`. */
  readonly code: string | undefined;
  /** The texts of each invalid field, including `non_field_errors`. */
  readonly errors: Readonly<Record<string, string[]>>;
  /** Milliseconds to wait before a retry, if the server said so. */
  readonly retryAfter: number | undefined;
  /** The id of the request in the server's log: quote it to the server's operator. */
  readonly requestId: string | undefined;

  constructor(fields: Partial<ApiError> & Pick<ApiError, "kind">) {
    const { kind, status, detail = "", code, errors = {}, retryAfter, requestId } = fields;
    super([detail, fieldTexts(errors)].filter(Boolean).join(" "));
    this.kind = kind;
    this.status = status;
    this.detail = detail;
    this.code = code;
    this.errors = errors;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }

  /** Whether the same request is likely to succeed later. */
  get isTransient(): boolean {
    return this.kind === "throttled" || this.kind === "unavailable";
  }

  /** What the server says of a field; nothing if it accepts it. */
  field(name: string): string[] {
    return this.errors[name] ?? [];
  }

  /** Parses a REST error. A body that is not a JSON object, as proxies send it, is ignored. */
  static fromAnswer(status: number, headers: Headers, body: string): ApiError {
    const { detail, code, request_id, ...fields } = parseObject(body);
    const errors = Object.fromEntries(Object.entries(fields).filter(([, texts]) => isTexts(texts)));
    const hasErrors = Object.keys(errors).length > 0;
    const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
    return new ApiError({
      kind: KINDS[status] ?? (status >= 500 ? "server_error" : "other"),
      status,
      detail: typeof detail === "string" ? detail : hasErrors ? "" : `HTTP status ${status}`,
      code: typeof code === "string" ? code : undefined,
      errors: errors as Record<string, string[]>,
      retryAfter: Number.isNaN(seconds) ? undefined : seconds * 1000,
      requestId: typeof request_id === "string" ? request_id : (headers.get("X-Request-ID") ?? undefined),
    });
  }

  static fromFrame({ code, detail, errors = {} }: ErrorFrame): ApiError {
    // An `error` frame has no field for the delay in "Expected available in 3 seconds.".
    const seconds = code === "throttled" ? /(\d+) seconds?/.exec(detail)?.[1] : undefined;
    const retryAfter = seconds === undefined ? undefined : Number(seconds) * 1000;
    return new ApiError({ kind: code, detail, errors, retryAfter });
  }
}

/** No answer arrived. The request may or may not have been carried out. */
export class NetworkError extends Error {
  override name = "NetworkError";
}

/** The session has ended, or its tokens are invalid: log in again. */
export class SessionEnded extends Error {
  override name = "SessionEnded";
  constructor() {
    super("the session has ended");
  }
}

/** The user has too many sockets (close code 4003). */
export class TooManyConnections extends Error {
  override name = "TooManyConnections";
  constructor() {
    super("the user has too many connections");
  }
}

/** The server sent something that does not follow its protocol. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** The program closed the connection. */
export class Closed extends Error {
  override name = "Closed";
  constructor() {
    super("the connection was closed");
  }
}

/** Whether the same request is likely to succeed later. */
export function isTransient(error: unknown): error is NetworkError | ApiError {
  return error instanceof NetworkError || (error instanceof ApiError && error.isTransient);
}

/** How long the server asked to wait before a retry, in milliseconds. */
export function retryAfter(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfter ?? 0) : 0;
}

function fieldTexts(errors: Record<string, string[]>): string {
  return Object.entries(errors)
    .map(([field, texts]) => `${field}: ${texts.join(" ")}`)
    .join("; ");
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

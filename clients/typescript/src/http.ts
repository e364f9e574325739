// One attempt of a call over HTTP, and its outcome. Retries and tokens are the tasks of `rest`.

import { ApiError, NetworkError, ProtocolError } from "./errors.ts";
import { type Exchange, exchangeWithProgress } from "./xhr.ts";

/** A request that can be sent several times. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From `/api/` on. */
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  /** A value for JSON, a file, or a form. */
  body?: unknown;
  /** Twice has the effect of once, so it may be sent again although its outcome is unknown. True except for POST. */
  isIdempotent?: boolean;
  /** Stops the call, with all its retries. */
  signal?: AbortSignal | undefined;
  /** The timeout of one attempt in milliseconds, instead of the server's. */
  timeout?: number;
  /** Told how much of the body was sent, in browsers. The timeout starts again each time. */
  onProgress?: Progress | undefined;
}

/** How many bytes of how many were sent. */
export type Progress = (sent: number, total: number) => void;

export interface Attempt {
  base: string;
  fetch: typeof fetch;
  /** Milliseconds. */
  timeout: number;
  requestId: string;
  access?: string;
}

/** Makes one attempt. Rejects with an `ApiError`, a `NetworkError`, or the reason of the call's signal. */
export async function attempt(call: Call, options: Attempt): Promise<unknown> {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const startTimer = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new NetworkError("timeout")), options.timeout);
  };
  const stop = () => abort.abort(call.signal?.reason);
  if (call.signal?.aborted) stop();
  call.signal?.addEventListener("abort", stop);
  startTimer();
  try {
    return await send(call, options, abort.signal, startTimer);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener("abort", stop);
  }
}

async function send(call: Call, options: Attempt, signal: AbortSignal, onActivity: () => void): Promise<unknown> {
  const url = options.base + call.path + queryOf(call);
  const request = { method: call.method, signal, ...headersAndBody(call, options) };
  const { onProgress } = call;
  const report: Progress = (sent, total) => {
    onActivity();
    onProgress?.(sent, total);
  };
  const isWatched = onProgress !== undefined && globalThis.XMLHttpRequest !== undefined;
  const exchange = isWatched
    ? exchangeWithProgress(url, request, report)
    : exchangeByFetch(options.fetch, url, request);
  const { status, headers, text } = await exchange.catch((cause: unknown) => {
    throw new NetworkError("no answer", { cause });
  });
  if (status < 200 || status > 299) throw ApiError.fromAnswer(status, headers, text);
  if (status === 204) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError(`the answer with status ${status} is not JSON`);
  }
}

/** `fetch` is called without `this`, which browsers insist on. */
async function exchangeByFetch(fetch: Attempt["fetch"], url: string, request: RequestInit): Promise<Exchange> {
  const answer = await fetch(url, request);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

function headersAndBody(
  call: Call,
  { access, requestId }: Attempt,
): { headers: Record<string, string>; body?: BodyInit } {
  const headers: Record<string, string> = { "X-Request-ID": requestId };
  if (access !== undefined) headers.Authorization = `Bearer ${access}`;
  if (call.body === undefined) return { headers };
  if (call.body instanceof FormData) return { headers, body: call.body };
  if (call.body instanceof Blob) {
    // The server looks at the content to find the type.
    headers["Content-Type"] = call.body.type || "image/*";
    return { headers, body: call.body };
  }
  headers["Content-Type"] = "application/json";
  return { headers, body: JSON.stringify(call.body) };
}

function queryOf({ query = {} }: Call): string {
  const entries = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return entries.length === 0 ? "" : `?${new URLSearchParams(entries)}`;
}

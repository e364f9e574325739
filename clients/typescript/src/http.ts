// One attempt of a call over HTTP, and its outcome. Retries and tokens are the tasks of `rest`.

import { ApiError, NetworkError, ProtocolError } from "./errors.ts";

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
}

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
  const timer = setTimeout(() => abort.abort(new NetworkError("timeout")), options.timeout);
  const stop = () => abort.abort(call.signal?.reason);
  if (call.signal?.aborted) stop();
  call.signal?.addEventListener("abort", stop);
  try {
    return await send(call, options, abort.signal);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener("abort", stop);
  }
}

async function send(call: Call, options: Attempt, signal: AbortSignal): Promise<unknown> {
  const request = { method: call.method, signal, ...headersAndBody(call, options) };
  // `fetch` is called without `this`, which browsers insist on.
  const { fetch } = options;
  const answer = await fetch(options.base + call.path + queryOf(call), request).catch(noAnswer);
  const text = await answer.text().catch(noAnswer);
  if (!answer.ok) throw ApiError.fromAnswer(answer.status, answer.headers, text);
  if (answer.status === 204) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError(`the answer with status ${answer.status} is not JSON`);
  }
}

function headersAndBody(call: Call, { access, requestId }: Attempt): Pick<RequestInit, "headers" | "body"> {
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

function noAnswer(error: unknown): never {
  throw new NetworkError("no answer", { cause: error });
}

// What to tell people about an error: what happened, and what they can do.

import { ApiError, NetworkError } from "@meowsenger/client";
import { texts } from "../texts.ts";

export function explain(error: unknown): string {
  if (error instanceof NetworkError) return texts.errors.network;
  if (!(error instanceof ApiError)) return texts.errors.unknown;
  if (error.kind === "throttled") return texts.errors.throttled(Math.ceil((error.retryAfter ?? 1000) / 1000));
  if (error.isTransient) return texts.errors.busy;
  if (error.kind === "server_error") return texts.errors.server(error.requestId ?? "");
  if (error.kind === "permission_denied") {
    return error.detail.startsWith("You do not have permission") ? texts.errors.forbidden : error.detail;
  }
  if (error.kind === "not_found") return texts.errors.gone;
  if (error.kind === "too_large") return texts.errors.tooLarge;
  const fields = Object.values(error.errors).flat();
  return [error.detail, ...fields].filter(Boolean).join(" ") || texts.errors.unknown;
}

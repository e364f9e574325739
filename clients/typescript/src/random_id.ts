// Random ids, for idempotency keys and requests.

/** 128 random bits. (`crypto.randomUUID` is missing in pages that are not served by HTTPS.) */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What is kept in this browser beside the client's own storage, as JSON.

/** Without space it is only not kept over a reload. */
export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Nobody who writes should be held up by that.
  }
}

/** Undefined if there is nothing, or nothing that can be read. */
export function kept<T>(key: string): T | undefined {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "");
  } catch {
    return undefined;
  }
}

/** Removes what begins with a prefix; what begins with `own` stays. */
export function forget(prefix: string, own?: string): void {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(prefix) && !(own && key.startsWith(own))) localStorage.removeItem(key);
  }
}

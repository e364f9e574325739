// What the rounds share: a server, names that nobody has, a picture, and assertions.
import { randomBytes } from "node:crypto";

if (process.env.URL === undefined) throw new Error("URL is not set");
export const url: string = process.env.URL;

export const password = "nine-lives-2026";

/** A username in Cyrillic. */
export const newName = (): string => `мурка_${randomBytes(6).toString("hex")}`;

/** A PNG of one pixel. */
export const picture = new Blob(
    [Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64")],
    { type: "image/png" },
);

export function assert(condition: boolean, what: string): asserts condition {
    if (!condition) throw new Error(what);
}

/** The value of an answer, which must not be an error. */
export function present<T>(value: T | undefined, error?: unknown): T {
    if (value === undefined) throw new Error(`refused: ${JSON.stringify(error)}`);
    return value;
}

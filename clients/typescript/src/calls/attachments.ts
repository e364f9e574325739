// Files that are sent with messages.

import type { Progress } from "../http.ts";
import type { Caller } from "../lists.ts";
import type { Attachment, AttachmentLink } from "../types.ts";

/** How long an upload may take without progress, and without a way to see any, in milliseconds. */
const STALL_TIMEOUT = 30_000;
const TIMEOUT = 3_600_000;

export interface UploadOptions {
  /** The file's name, if the blob has none. */
  name?: string;
  /** Told how much was sent, in browsers. */
  onProgress?: Progress;
  /** Stops the upload. */
  signal?: AbortSignal;
}

export class Attachments {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Uploads a file, to be sent with a message within a day. If the answer is lost it is uploaded again; the server deletes the first
   * one after a day.
   */
  upload(file: Blob, { name, onProgress, signal }: UploadOptions = {}): Promise<Attachment> {
    const body = new FormData();
    body.append("file", file, name ?? (file instanceof File ? file.name : "file"));
    const isWatched = globalThis.XMLHttpRequest !== undefined;
    const watch = isWatched ? { timeout: STALL_TIMEOUT, onProgress: onProgress ?? (() => {}) } : { timeout: TIMEOUT };
    return this.#caller.run({ method: "POST", path: "/api/attachments/", body, isIdempotent: true, signal, ...watch });
  }

  /** Links for `<img>`, `<video>` and downloads, which need no token for an hour. Attachments that you may not read have none. */
  async links(ids: number[]): Promise<AttachmentLink[]> {
    const call = {
      method: "POST",
      path: "/api/attachments/links/",
      body: { attachments: ids },
      isIdempotent: true,
    } as const;
    const { results } = await this.#caller.run<{ results: AttachmentLink[] }>(call);
    return results;
  }

  /** Deletes an upload that was not sent. */
  async delete(id: number): Promise<void> {
    await this.#caller.run({ method: "DELETE", path: `/api/attachments/${id}/` });
  }
}

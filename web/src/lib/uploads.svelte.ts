// Files that are being uploaded, to be sent with the next message of a chat.

import type { Attachment } from "@meowsenger/client";
import { explain } from "./problems.ts";
import { session } from "./session.svelte.ts";

export class Upload {
  readonly file: File;
  /** For a picture; the page's own copy. */
  readonly preview: string | undefined;
  /** From 0 to 1. */
  progress = $state(0);
  attachment = $state.raw<Attachment | undefined>();
  problem = $state("");
  readonly #stop = new AbortController();

  constructor(file: File) {
    this.file = file;
    this.preview = /^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : undefined;
  }

  async start(): Promise<void> {
    this.problem = "";
    this.progress = 0;
    const onProgress = (sent: number, total: number) => {
      this.progress = total > 0 ? sent / total : 0;
    };
    try {
      this.attachment = await session.client.attachments.upload(this.file, { onProgress, signal: this.#stop.signal });
    } catch (error) {
      if (!this.#stop.signal.aborted) this.problem = explain(error);
    }
  }

  /** Gives it up, and deletes it if it is on the server. */
  remove(): void {
    this.#stop.abort();
    this.forget();
    // The server deletes what was not sent after a day anyway.
    if (this.attachment) session.client.attachments.delete(this.attachment.id).catch(() => {});
  }

  forget(): void {
    if (this.preview) URL.revokeObjectURL(this.preview);
  }
}

export class Uploads {
  /** The most files of a message. */
  static readonly MOST = 10;
  items = $state.raw<Upload[]>([]);

  get areReady(): boolean {
    return this.items.every(({ attachment }) => attachment !== undefined);
  }

  get ids(): number[] {
    return this.items.flatMap(({ attachment }) => attachment?.id ?? []);
  }

  /** Begins to upload files. Returns how many were too many. */
  add(files: readonly File[]): number {
    const added = files.slice(0, Math.max(0, Uploads.MOST - this.items.length)).map((file) => new Upload(file));
    this.items = [...this.items, ...added];
    for (const upload of added) void upload.start();
    return files.length - added.length;
  }

  remove(upload: Upload): void {
    upload.remove();
    this.items = this.items.filter((other) => other !== upload);
  }

  /** After they were sent. */
  clear(): void {
    for (const upload of this.items) upload.forget();
    this.items = [];
  }
}

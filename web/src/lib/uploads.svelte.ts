// Files that will be sent with the next message of a chat. They wait while other chats are looked at; those that are on the
// server also survive a reload.

import type { Attachment } from "@meowsenger/client";
import { drafts } from "./drafts.ts";
import { explain } from "./problems.ts";
import { session } from "./session.svelte.ts";

export class Upload {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** For a picture; the page's own copy. */
  readonly preview: string | undefined;
  /** From 0 to 1. */
  progress = $state(0);
  attachment = $state.raw<Attachment | undefined>();
  problem = $state("");
  readonly #file: File | undefined;
  readonly #stop = new AbortController();

  /** A file to be uploaded, or one that was. */
  constructor(source: File | Attachment) {
    this.name = source.name;
    this.size = source.size;
    if (source instanceof File) {
      this.#file = source;
      this.preview = /^image\/(png|jpeg|gif|webp)$/.test(source.type) ? URL.createObjectURL(source) : undefined;
    } else {
      this.attachment = source;
    }
  }

  async start(): Promise<void> {
    if (!this.#file) return;
    this.problem = "";
    this.progress = 0;
    const onProgress = (sent: number, total: number) => {
      this.progress = total > 0 ? sent / total : 0;
    };
    try {
      this.attachment = await session.client.attachments.upload(this.#file, { onProgress, signal: this.#stop.signal });
    } catch (error) {
      if (!this.#stop.signal.aborted) this.problem = explain(error);
    }
  }

  /** Gives it up, and deletes it if it is on the server. */
  remove(): void {
    this.forget();
    // The server deletes what was not sent after a day anyway.
    if (this.attachment) session.client.attachments.delete(this.attachment.id).catch(() => {});
  }

  /** Ends the upload if it is in progress, and frees the preview. */
  forget(): void {
    this.#stop.abort();
    if (this.preview) URL.revokeObjectURL(this.preview);
  }
}

export class Uploads {
  /** The most files of a message. */
  static readonly MOST = 10;
  items = $state.raw<Upload[]>([]);
  readonly #chat: number;

  constructor(chat: number) {
    this.#chat = chat;
    this.items = drafts.get(chat).files.map((attachment) => new Upload(attachment));
    if (this.items.length > 0) void this.#check().catch(() => {});
  }

  get areReady(): boolean {
    return this.items.every(({ attachment }) => attachment !== undefined);
  }

  /** Begins to upload files. Returns how many were too many. */
  add(files: readonly File[]): number {
    const added = files.slice(0, Math.max(0, Uploads.MOST - this.items.length)).map((file) => new Upload(file));
    this.items = [...this.items, ...added];
    for (const upload of added) void this.start(upload);
    return files.length - added.length;
  }

  async start(upload: Upload): Promise<void> {
    await upload.start();
    this.#keep();
  }

  remove(upload: Upload): void {
    upload.remove();
    this.#set(this.items.filter((other) => other !== upload));
  }

  /** Takes all files out, to be sent. */
  take(): Upload[] {
    const taken = this.items;
    this.#set([]);
    return taken;
  }

  /** Puts files back that could not be sent. */
  putBack(taken: Upload[]): void {
    this.#set([...taken, ...this.items]);
  }

  #set(items: Upload[]): void {
    this.items = items;
    this.#keep();
  }

  #keep(): void {
    // After a log-out, what was in progress ends, and must leave nothing here.
    if (chats.get(this.#chat) !== this) return;
    drafts.set(this.#chat, { files: this.items.flatMap(({ attachment }) => attachment ?? []) });
  }

  /** Drops files that the server has deleted since: it links to those that are there. */
  async #check(): Promise<void> {
    const links = await session.client.attachments.links(drafts.get(this.#chat).files.map(({ id }) => id));
    const there = new Set(links.map(({ id }) => id));
    this.#set(this.items.filter(({ attachment }) => !attachment || there.has(attachment.id)));
  }
}

const chats = new Map<number, Uploads>();

/** The files that will be sent to a chat. */
export function uploadsTo(chat: number): Uploads {
  const uploads = chats.get(chat) ?? new Uploads(chat);
  chats.set(chat, uploads);
  return uploads;
}

/** When the user logs out. */
export function forgetUploads(): void {
  for (const { items } of chats.values()) for (const upload of items) upload.forget();
  chats.clear();
}

// Files that are not on the server yet would be lost.
addEventListener("beforeunload", (event) => {
  if ([...chats.values()].some(({ areReady }) => !areReady)) event.preventDefault();
});

// What is written and not sent, and the files with it, for each chat. It is kept in this browser until its user logs out.

import type { Attachment } from "@meowsenger/client";
import { forget, keep, kept } from "./kept.ts";

const PREFIX = "meow.draft.";
/** The beginning of the keys of the present user. */
let own = PREFIX;

export interface Draft {
  text: string;
  /** Those that are on the server. */
  files: Attachment[];
}

const EMPTY: Draft = { text: "", files: [] };

export const drafts = {
  /** Starts with a user. What others have left here is removed. */
  open(user: number): void {
    own = `${PREFIX}${user}.`;
    forget(PREFIX, own);
  },

  get(chat: number): Draft {
    return { ...EMPTY, ...kept<Partial<Draft>>(own + chat) };
  },

  set(chat: number, part: Partial<Draft>): void {
    const draft = { ...drafts.get(chat), ...part };
    if (draft.text.trim() === "" && draft.files.length === 0) localStorage.removeItem(own + chat);
    else keep(own + chat, draft);
  },

  clear(): void {
    forget(PREFIX);
  },
};

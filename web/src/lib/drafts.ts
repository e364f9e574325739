// What is written and not sent, for each chat. It is kept in this browser until the user logs out.

const PREFIX = "meow.draft.";

export const drafts = {
  get(chat: number): string {
    return localStorage.getItem(PREFIX + chat) ?? "";
  },

  set(chat: number, text: string): void {
    if (text.trim() === "") localStorage.removeItem(PREFIX + chat);
    else localStorage.setItem(PREFIX + chat, text);
  },

  clear(): void {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    for (const key of keys) localStorage.removeItem(key);
  },
};

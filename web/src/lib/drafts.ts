// What is written and not sent, for each chat. It is kept in this browser until its user logs out.

const PREFIX = "meow.draft.";
/** The beginning of the keys of the present user. */
let own = PREFIX;

function remove(isUnwanted: (key: string) => boolean): void {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX) && isUnwanted(key)) localStorage.removeItem(key);
  }
}

export const drafts = {
  /** Starts with a user. What others have left here is removed. */
  open(user: number): void {
    own = `${PREFIX}${user}.`;
    remove((key) => !key.startsWith(own));
  },

  get(chat: number): string {
    return localStorage.getItem(own + chat) ?? "";
  },

  set(chat: number, text: string): void {
    if (text.trim() === "") localStorage.removeItem(own + chat);
    else localStorage.setItem(own + chat, text);
  },

  clear(): void {
    remove(() => true);
  },
};

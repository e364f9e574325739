// Finds links and mentions in a text. Only http and https become links: no other scheme can run anything.

export interface TextPart {
  kind: "text" | "link" | "mention";
  text: string;
}

const FOUND = /https?:\/\/[^\s<>"'`]+|@[\p{L}\p{M}\p{N}.+_@-]+/giu;

/** `names` are the usernames that the message mentions, in lower case. */
export function partsOf(text: string, names: ReadonlySet<string>): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(FOUND)) {
    const part = found.startsWith("@") ? mentionIn(found, names) : linkIn(found);
    if (!part) continue;
    if (index > end) parts.push({ kind: "text", text: text.slice(end, index) });
    parts.push(part);
    end = index + part.text.length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  return parts;
}

function linkIn(found: string): TextPart | undefined {
  // What ends a sentence is no part of the link.
  const text = found.replace(/[.,;:!?)\]}]+$/, "");
  return URL.canParse(text) ? { kind: "link", text } : undefined;
}

/** The longest name that the text begins with, as the server finds it. */
function mentionIn(found: string, names: ReadonlySet<string>): TextPart | undefined {
  for (let length = found.length; length > 1; length--) {
    const text = found.slice(0, length);
    if (names.has(text.slice(1).toLowerCase())) return { kind: "mention", text };
  }
  return undefined;
}

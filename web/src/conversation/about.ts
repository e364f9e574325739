// What is written may be about another message.

import type { Message } from "@meowsenger/client";

/** A reply to a message, or another text for it. */
export type About = { is: "reply" | "edit"; message: Message } | undefined;

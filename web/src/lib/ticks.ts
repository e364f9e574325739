// How far a message of one's own has got, by the markers of the other members as they arrive.

import type { ChatReplica, Message } from "@meowsenger/client";

export type Tick = "sent" | "delivered" | "read";

export function tickOf(message: Message, replica: ChatReplica | undefined, me: number): Tick {
  if (!replica) return message.status;
  const others = [...replica.markers].filter(([id]) => id !== me).map(([, markers]) => markers);
  // Without all markers, the server's word of an earlier moment.
  if (others.length === 0 || others.length < replica.chat.members_count - 1) return message.status;
  if (others.every(({ last_read_seq }) => last_read_seq >= message.seq)) return "read";
  return others.every(({ last_delivered_seq }) => last_delivered_seq >= message.seq) ? "delivered" : "sent";
}

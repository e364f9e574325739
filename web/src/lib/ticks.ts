// How far a message of one's own has got, by the markers of the other members as they arrive.

import type { ChatReplica, Message } from "@meowsenger/client";

export type Tick = "sent" | "delivered" | "read";

/** How far everybody else is. */
export interface LeastMarkers {
  delivered: number;
  read: number;
}

/** Undefined without the markers of all other members. */
export function leastMarkers(replica: ChatReplica | undefined, me: number): LeastMarkers | undefined {
  if (!replica) return undefined;
  const least = { delivered: Number.POSITIVE_INFINITY, read: Number.POSITIVE_INFINITY };
  let others = 0;
  for (const [id, { last_delivered_seq, last_read_seq }] of replica.markers) {
    if (id === me) continue;
    others += 1;
    least.delivered = Math.min(least.delivered, last_delivered_seq);
    least.read = Math.min(least.read, last_read_seq);
  }
  return others === 0 || others < replica.chat.members_count - 1 ? undefined : least;
}

/** Without all markers, the server's word of an earlier moment. */
export function tickOf(message: Message, least: LeastMarkers | undefined): Tick {
  if (!least) return message.status;
  if (least.read >= message.seq) return "read";
  return least.delivered >= message.seq ? "delivered" : "sent";
}

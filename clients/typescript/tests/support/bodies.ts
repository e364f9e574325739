// Objects as the server sends them, for tests.

import type { Chat, Member, Message, Ready, User, UserRef } from "../../src/types.ts";

export const TIME = "2026-01-01T00:00:00.000001Z";
export const ME = 1;
export const OTHER = 2;

export function userRef(id: number): UserRef {
  return { id, username: `user${id}`, first_name: "", last_name: "", avatar: null };
}

export function user(id: number): User {
  return { ...userRef(id), status: "online", status_text: "", last_seen: null, date_joined: TIME };
}

export function message(fields: Partial<Message> = {}): Message {
  const seq = fields.seq ?? 1;
  return {
    id: 1000 * (fields.chat ?? 1) + seq,
    chat: 1,
    seq,
    version: seq + 1,
    sender: userRef(OTHER),
    content: "Meow!",
    timestamp: TIME,
    edited_at: null,
    deleted_at: null,
    reply_to: null,
    client_id: null,
    status: "sent",
    reactions: [],
    mentions: [],
    mentions_all: false,
    pinned_at: null,
    forwarded_from: null,
    attachments: [],
    ...fields,
  };
}

export function chat(fields: Partial<Chat> = {}): Chat {
  return {
    id: 1,
    type: "group",
    name: "Kitchen",
    description: "",
    avatar: null,
    created_at: TIME,
    created_by: userRef(ME),
    members_count: 2,
    peer: null,
    my_role: "member",
    last_message: null,
    unread_count: 0,
    unread_mentions: 0,
    last_seq: 0,
    last_read_seq: 0,
    version: 1,
    muted_until: null,
    pinned: false,
    archived: false,
    blocked: false,
    ...fields,
  };
}

export function member(id: number): Member {
  return { user: userRef(id), role: "member", joined_at: TIME, last_delivered_seq: 0, last_read_seq: 0 };
}

export function ready(fields: Partial<Ready> = {}): Ready {
  const rest = { session: 1, server_time: TIME, epoch: "a", heartbeat: 30, versions: {}, account: 0 };
  return { type: "ready", user: user(ME), ...rest, ...fields };
}

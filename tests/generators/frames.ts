// What a client does with the types of frames; it is only compiled. Their unions are narrowed by `type`.
import type { ClientFrame } from "./modelina/ClientFrame";
import type { ServerFrame } from "./modelina/ServerFrame";

export function show(frame: ServerFrame): string {
    switch (frame.type) {
        case "ready":
            return `${frame.user.username}: ${Object.keys(frame.versions).length} chats`;
        case "message.created":
        case "message.updated":
            return `${frame.version}: ${frame.message.sender.username}: ${frame.message.content}`;
        case "chat.created":
            return frame.chat.name;
        case "typing":
            return frame.active ? `${frame.user} types` : "";
        case "error":
            return frame.code === "throttled" ? "later" : frame.detail;
        default:
            return frame.type;
    }
}

export const frames: ClientFrame[] = [
    { type: "auth", token: "…" },
    { type: "message.send", id: 1, chat: 3, content: "Мяу!", client_id: "1" },
    { type: "status", status: "busy" },
    { type: "sync", versions: { "3": 17 } },
    { type: "message.send", chat: 3, attachments: [9] },
    // @ts-expect-error: the chat is missing.
    { type: "message.send", content: "Мяу!" },
    // @ts-expect-error: there is no such frame.
    { type: "meow" },
];

// @ts-expect-error: a typing indicator has no message.
export const narrowed = (frame: ServerFrame) => (frame.type === "typing" ? frame.message : undefined);

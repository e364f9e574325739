// The frames that the server sends, parsed. What they change is decided in `replica`.

import { ProtocolError } from "./errors.ts";
import type { Change, ServerFrame } from "./types.ts";

/** A frame from the server. A newer server may send types that are not listed. */
export type Frame = ServerFrame;

export function parseFrame(text: string): Frame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError(`a frame is not JSON: ${text.slice(0, 300)}`, { cause });
  }
  if (typeof frame !== "object" || frame === null || !("type" in frame) || typeof frame.type !== "string") {
    throw new ProtocolError(`a frame has no type: ${text.slice(0, 300)}`);
  }
  return frame as Frame;
}

/** Whether a frame is a versioned change of a chat, of whatever type. */
export function isChange(frame: object): frame is Change {
  const { chat, version } = frame as Partial<Change>;
  return typeof chat === "number" && typeof version === "number";
}

/** The message of a change, if it has one. */
export function messageOf(change: Change) {
  return "message" in change ? change.message : undefined;
}

// Names for the generated types. Nothing here is written by hand that the documents say.

import type { components as FrameComponents } from "./generated/frames.ts";
import type { components, operations } from "./generated/rest.ts";

type Schemas = components["schemas"];
type FrameSchemas = FrameComponents["schemas"];

export type Attachment = Schemas["Attachment"];
export type AttachmentLink = Schemas["AttachmentLink"];
export type Availability = Schemas["Availability"];
export type Chat = Schemas["Chat"];
export type ChatSettings = Schemas["ChatSettings"];
export type ChatType = Schemas["ChatType"];
export type FoundMessage = Schemas["FoundMessage"];
export type Invite = Schemas["Invite"];
export type InvitePreview = Schemas["InvitePreview"];
export type Member = Schemas["Member"];
export type Message = Schemas["Message"];
export type Presence = FrameSchemas["Presence"];
export type Reaction = Schemas["Reaction"];
export type ReactionSummary = Schemas["ReactionSummary"];
export type Receipts = Schemas["Receipts"];
export type Report = Schemas["Report"];
export type Role = Schemas["Role"];
export type Session = Schemas["Session"];
export type SyncRequest = Schemas["Sync"];
export type SyncResult = Schemas["SyncResult"];
export type TokenPair = Schemas["TokenPair"];
export type Unread = Schemas["Unread"];
export type User = Schemas["User"];
export type UserRef = Schemas["UserRef"];
export type ChatChanges = Schemas["ChatChanges"];
export type AccountSync = Schemas["AccountSync"];
export type AccountChat = Schemas["AccountChat"];

export type ServerFrame = FrameSchemas["ServerFrame"];
export type ClientFrame = FrameSchemas["ClientFrame"];
export type Ready = FrameSchemas["ServerReady"];
export type Receipt = FrameSchemas["ServerReceipt"];
export type BlockChanged = FrameSchemas["ServerBlockUpdated"];
export type SettingsChanged = FrameSchemas["ServerChatSettings"];
export type ErrorFrame = FrameSchemas["ServerError"];

/** A durable change in a chat: an event whose version is one more than that of the chat's previous one. */
export type Change = Extract<ServerFrame, { chat: number; version: number }>;
/** An event without an order. It may be lost. */
export type Signal = Extract<
  ServerFrame,
  { type: "receipt" | "typing" | "status" | "user.updated" | "chat.settings" | "block.updated" }
>;

/** A page of a list. */
export interface Page<T> {
  next: string | null;
  previous: string | null;
  results: T[];
}

/** The JSON body of a call, by the name of its operation in the OpenAPI document. */
export type Body<Name extends keyof operations> =
  NonNullable<operations[Name]["requestBody"]> extends { content: { "application/json": infer T } } ? T : never;

/** The answer of a call that succeeded. */
export type Answer<Name extends keyof operations> = JsonOf<operations[Name]["responses"]>;

type JsonOf<Responses> = {
  [Status in keyof Responses]: Responses[Status] extends { content: { "application/json": infer T } } ? T : never;
}[keyof Responses];

/** The query of a call. */
export type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

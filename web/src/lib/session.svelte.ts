// The user's session: who is logged in, the connection, and what is known. The client's replica is no Svelte state, so `revision`
// grows when it has changed, and everything that reads the replica reads `revision` first.

import {
  browserStorage,
  type Chat,
  type ChatReplica,
  type Client,
  type Event,
  type Live,
  type Message,
  MemoryStorage,
  type OutboxItem,
  Server,
  SessionEnded,
  TooManyConnections,
  type User,
} from "@meowsenger/client";
import { type Change, changes } from "./changes.svelte.ts";
import { drafts } from "./drafts.ts";
import { Deliveries } from "./deliveries.ts";
import { people } from "./people.svelte.ts";
import { typing } from "./typing.svelte.ts";

/** With whose presence the list of chats starts, at most. */
const WATCHED = 100;

class Session {
  phase = $state<"starting" | "out" | "in">("starting");
  /** `connecting` only before the first connection. */
  connection = $state<"connecting" | "online" | "offline">("connecting");
  isSynced = $state(false);
  /** Why the user has to log in again, or why this page has no connection. */
  notice = $state<"ended" | "too_many" | undefined>();
  revision = $state(0);
  #bumped = false;
  #server: Server | undefined;
  #client: Client | undefined;
  #live: Live | undefined;
  #deliveries: Deliveries | undefined;
  /** Presence was asked for on the present connection. */
  #isWatching = false;

  /** All chats, the one with the newest message first. */
  readonly chats: Chat[] = $derived.by(() => {
    void this.revision;
    const chats = [...(this.#live?.replica.chats.values() ?? [])].map(({ chat }) => chat);
    return chats.sort((a, b) => timeOf(b).localeCompare(timeOf(a)));
  });

  readonly me: User | undefined = $derived.by(() => {
    void this.revision;
    return this.#live?.replica.user;
  });

  get client(): Client {
    if (!this.#client) throw new SessionEnded();
    return this.#client;
  }

  get live(): Live {
    if (!this.#live) throw new SessionEnded();
    return this.#live;
  }

  get userId(): number {
    return this.#client?.userId ?? 0;
  }

  get server(): Server {
    if (!this.#server) throw new Error("not started");
    return this.#server;
  }

  /** What is known of a chat. Reads `revision`. */
  replicaOf(chat: number): ChatReplica | undefined {
    void this.revision;
    return this.#live?.replica.chats.get(chat);
  }

  /** Edits, deletes or reacts to a message: shown at once, and sent when there is a connection. */
  change(change: Change): Promise<void> {
    return changes.make(this.live, change);
  }

  /** The messages of a chat that are not sent yet. */
  unsentIn(chat: number): OutboxItem[] {
    void this.revision;
    return this.#live?.outbox.items(chat) ?? [];
  }

  /** Continues the session of an earlier page, if there is one. */
  async start(): Promise<void> {
    const storage = await browserStorage().catch(() => new MemoryStorage());
    this.#server = new Server(location.origin, { storage });
    await this.#resume();
    // Somebody may have logged in in another tab.
    addEventListener("focus", () => {
      if (this.phase === "out") void this.#resume();
    });
  }

  async #resume(): Promise<void> {
    const client = await this.server.resume().catch(() => undefined);
    if (client) this.open(client);
    else this.phase = "out";
  }

  /** Starts with a session that was just begun or resumed. */
  open(client: Client): void {
    this.#client = client;
    drafts.open(client.userId);
    this.notice = undefined;
    this.isSynced = false;
    this.connection = "connecting";
    this.#connect();
    this.phase = "in";
  }

  /** Opens a connection anew, after `too_many`. */
  reconnect(): void {
    this.notice = undefined;
    this.#connect();
  }

  /** Ends the session, and removes everything of the user from this browser, also if the server cannot be reached. */
  async logOut(): Promise<void> {
    await this.#client?.logOut().catch(() => {});
    drafts.clear();
    changes.clear();
    this.#leave(undefined);
  }

  /** The replica was changed by a call, not by an event. */
  changed(): void {
    if (this.#bumped) return;
    this.#bumped = true;
    queueMicrotask(() => {
      this.#bumped = false;
      this.revision += 1;
    });
  }

  #connect(): void {
    const live = this.client.connect();
    this.#live = live;
    this.#deliveries = new Deliveries(live);
    live.listen((event) => {
      if (live === this.#live) this.#receive(event);
    });
    changes.open(this.userId, live);
  }

  #receive(event: Event): void {
    switch (event.type) {
      case "ready":
        this.connection = "online";
        this.#isWatching = false;
        break;
      case "disconnected":
        this.connection = "offline";
        typing.clear();
        break;
      case "synced":
        this.isSynced = true;
        if (!this.#isWatching) void this.#watch();
        break;
      case "change":
        if (event.change.type === "message.created") this.#arrived(event.change.message);
        break;
      case "resynced":
        for (const message of event.messages) this.#arrived(message);
        break;
      case "signal":
        if (event.signal.type === "typing") typing.receive(event.signal);
        break;
      case "ended":
        this.#ended(event.error);
        break;
    }
    this.changed();
  }

  #arrived(message: Message): void {
    people.learn(message.sender);
    if (message.sender.id === this.userId) return;
    typing.stopped(message.chat, message.sender.id);
    this.#deliveries?.add(message.chat, message.seq);
  }

  #ended(error: Error): void {
    if (error instanceof TooManyConnections) {
      this.notice = "too_many";
      this.connection = "offline";
    } else if (error instanceof SessionEnded) {
      this.#leave("ended");
    }
  }

  /** Shows the login. What is not sent waits in the storage for the same user's next session. */
  #leave(notice: "ended" | undefined): void {
    this.#live = undefined;
    this.#client = undefined;
    this.phase = "out";
    this.notice = notice;
    people.clear();
    typing.clear();
    this.changed();
  }

  /** Asks who is online among the peers of the newest private chats. Changes arrive by themselves. */
  async #watch(): Promise<void> {
    this.#isWatching = true;
    // A request inside of an event would deliver the event again.
    await Promise.resolve();
    const { live } = this;
    const peers = [...live.replica.chats.values()].flatMap(({ chat }) => (chat.peer ? [chat.peer.id] : []));
    if (peers.length === 0) return;
    // Their presence is in the chats then. What fails is asked again on the next connection.
    await live.watch(peers.slice(0, WATCHED)).catch(() => {});
  }
}

function timeOf(chat: Chat): string {
  return chat.last_message?.timestamp ?? chat.created_at;
}

export const session = new Session();

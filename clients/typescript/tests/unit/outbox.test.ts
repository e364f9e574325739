// Messages that survive a reload, are sent once, in order, and whose refusal is shown.

import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { ApiError, Closed, SessionEnded } from "../../src/errors.ts";
import { GuardedStorage } from "../../src/guarded_storage.ts";
import { Outbox, type OutboxItem } from "../../src/outbox.ts";
import { MemoryStorage, type Storage } from "../../src/storage.ts";
import type { Message } from "../../src/types.ts";
import { ME, message, userRef } from "../support/bodies.ts";

const guard = (storage: Storage, isOpen = async () => true) => new GuardedStorage(storage, storage.name, isOpen);

const eventually = <T>(condition: () => T | Promise<T>) => vi.waitUntil(condition, { timeout: 20_000, interval: 0 });

/** An outbox whose attempts the test answers, one after the other. */
function manual(storage: Storage = new MemoryStorage()) {
  const attempts: { item: OutboxItem; ack(): void; fail(error: Error): void }[] = [];
  const send = (item: OutboxItem) =>
    new Promise<Message>((resolve, reject) => {
      attempts.push({ item, ack: () => resolve(sent(item)), fail: reject });
    });
  const changes: number[] = [];
  const outbox = new Outbox(guard(storage), send, (chat) => changes.push(chat));
  const contents = () => outbox.items().map(({ draft }) => draft.content);
  const attempt = (number: number) => eventually(() => attempts[number]);
  return { outbox, storage, attempts, attempt, changes, contents };
}

function sent({ client_id, chat, draft }: OutboxItem): Message {
  return message({ client_id, chat, content: draft.content ?? "", sender: userRef(ME) });
}

const stored = async (storage: Storage) => [...(await storage.list("outbox/")).values()] as OutboxItem[];
const refusal = new ApiError({ kind: "permission_denied", detail: "You cannot message this user." });

test("a message is stored before it is sent, and removed when it is acknowledged", async () => {
  const { outbox, storage, attempt, contents, changes } = manual();
  const adding = outbox.add(1, { content: "one" });
  expect([contents(), changes]).toEqual([["one"], [1]]);
  await adding;
  expect((await stored(storage)).map(({ draft }) => draft.content)).toEqual(["one"]);
  (await attempt(0)).ack();
  await eventually(() => contents().length === 0);
  await eventually(async () => (await stored(storage)).length === 0);
  expect(changes).toEqual([1, 1]);
});

test("a chat's messages are sent one after the other, also when they are written at once; chats do not wait for each other", async () => {
  const { outbox, attempts, attempt } = manual();
  await Promise.all([
    outbox.add(1, { content: "one" }),
    outbox.add(1, { content: "two" }),
    outbox.add(2, { content: "other" }),
  ]);
  await attempt(1);
  expect(attempts.map(({ item }) => item.draft.content)).toEqual(["one", "other"]);
  attempts[0]?.ack();
  expect((await attempt(2)).item.draft.content).toBe("two");
});

test("what was not acknowledged is sent by the next program, under the same client_id and in order", async () => {
  const before = manual();
  await before.outbox.add(1, { content: "one" });
  await before.outbox.add(1, { content: "two" });
  before.outbox.stop();
  const after = manual(before.storage);
  await after.outbox.load();
  const first = await after.attempt(0);
  expect(first.item).toEqual(before.outbox.items()[0]);
  first.ack();
  expect((await after.attempt(1)).item.draft.content).toBe("two");
});

test("a refusal stays, with its reason, until it is sent again or given up; later messages go on", async () => {
  const { outbox, storage, attempt, contents } = manual();
  await outbox.add(1, { content: "refused" });
  await outbox.add(1, { content: "accepted" });
  (await attempt(0)).fail(refusal);
  (await attempt(1)).ack();
  await eventually(() => contents().length === 1);
  const expected = { kind: "permission_denied", detail: "You cannot message this user.", errors: {} };
  expect(outbox.items(1)[0]?.error).toEqual(expected);
  expect((await stored(storage))[0]?.error, "it survives a reload, too").toEqual(expected);
  const { client_id } = outbox.items()[0] as OutboxItem;
  await outbox.retry(client_id);
  expect((await attempt(2)).item.client_id).toBe(client_id);
  await outbox.discard(client_id);
  expect([contents(), await stored(storage)]).toEqual([[], []]);
});

test.each([new Closed(), new SessionEnded()])("the end of the connection is no refusal: %s", async (end) => {
  const { outbox, storage, attempt } = manual();
  await outbox.add(1, { content: "one" });
  (await attempt(0)).fail(end);
  await Promise.resolve();
  expect((await stored(storage))[0]).toEqual(outbox.items()[0]);
  expect(outbox.items()[0]?.error).toBeUndefined();
});

test("a message that arrives before its ack is not shown twice", async () => {
  const { outbox, storage, attempt, contents } = manual();
  await outbox.add(1, { content: "one" });
  const { item, ack } = await attempt(0);
  const confirming = outbox.confirm(sent(item));
  expect(contents()).toEqual([]);
  await confirming;
  ack();
  expect(await stored(storage)).toEqual([]);
});

test("what another tab has sent or given up is not sent again", async () => {
  const first = manual();
  await first.outbox.add(1, { content: "one" });
  await first.outbox.add(1, { content: "two" });
  const second = manual(first.storage);
  await second.outbox.load();
  const twoId = first.outbox.items()[1]?.client_id ?? "";
  await first.outbox.discard(twoId);
  (await second.attempt(0)).ack();
  await eventually(() => second.contents().length === 0);
  expect(second.attempts).toHaveLength(1);
});

test("a storage that fails for a moment keeps no message from being sent", async () => {
  const storage = new MemoryStorage();
  const { outbox, attempt, contents } = manual(storage);
  vi.spyOn(storage, "get").mockRejectedValueOnce(new Error("the database was closed"));
  await outbox.add(1, { content: "one" });
  (await attempt(0)).ack();
  await eventually(() => contents().length === 0);
});

test("after a logout in another tab nothing is stored", async () => {
  const storage = new MemoryStorage();
  const outbox = new Outbox(
    guard(storage, async () => false),
    async (item) => sent(item),
    () => {},
  );
  await expect(outbox.add(1, { content: "late" })).rejects.toBeInstanceOf(SessionEnded);
  expect([outbox.items(), await stored(storage)]).toEqual([[], []]);
});

type Outcome = "ack" | "lost request" | "lost answer" | "end";

/** A server that is idempotent by `client_id`, and programs whose attempts have these outcomes, one after the other. */
class World {
  readonly storage = new MemoryStorage();
  readonly #created = new Map<string, Message>();
  readonly #outcomes: Outcome[];

  constructor(outcomes: Outcome[]) {
    this.#outcomes = outcomes;
  }

  /** A program that sends until it is done, or ends. */
  start() {
    let isEnded = false;
    const send = async (item: OutboxItem): Promise<Message> => {
      for (let outcome = this.#next(); !isEnded; outcome = this.#next()) {
        isEnded = outcome === "end";
        const message = isEnded || outcome === "lost request" ? undefined : this.#create(item);
        if (message && outcome === "ack") return message;
      }
      throw new Closed();
    };
    const outbox = new Outbox(guard(this.storage), send, () => {});
    const isDone = () => isEnded || outbox.items().length === 0;
    return { outbox, done: () => eventually(isDone) };
  }

  /** What the server has of a chat, in the order of its creation. */
  contents(chat: number): string[] {
    return [...this.#created.values()].filter((message) => message.chat === chat).map(({ content }) => content);
  }

  #next(): Outcome {
    return this.#outcomes.shift() ?? "ack";
  }

  #create(item: OutboxItem): Message {
    const known = this.#created.get(item.client_id) ?? sent(item);
    this.#created.set(item.client_id, known);
    return known;
  }
}

test("whatever fails, and however often the program ends, each message is created once and in order", async () => {
  const outcome = fc.constantFrom<Outcome>("ack", "lost request", "lost answer", "end");
  const writes = fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 8 });
  const property = fc.asyncProperty(writes, fc.array(outcome, { maxLength: 12 }), async (chats, outcomes) => {
    const world = new World(outcomes);
    const first = world.start();
    for (const [number, chat] of chats.entries()) await first.outbox.add(chat, { content: String(number) });
    await first.done();
    while ((await stored(world.storage)).length > 0) {
      const next = world.start();
      await next.outbox.load();
      await next.done();
    }
    for (const chat of [1, 2]) {
      const written = chats.flatMap((other, number) => (other === chat ? [String(number)] : []));
      expect(world.contents(chat)).toEqual(written);
    }
  });
  await fc.assert(property, { numRuns: 100 });
});

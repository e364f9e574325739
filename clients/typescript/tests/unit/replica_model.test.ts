// Whatever is lost, repeated or reordered: the replica becomes equal to the server's data, and its events are in order.

import fc from "fast-check";
import { expect, test } from "vitest";
import { World } from "../support/model.ts";

const byte = fc.nat(255);
const step = fc.tuple(byte, byte, byte);
/** RUNS=100000 for a thorough search. */
const RUNS = { numRuns: Number(process.env.RUNS ?? 1_000) };
const TIMEOUT = 600_000;

test(
  "drops that the server announces are repaired by a sync",
  () => {
    const steps = fc.array(step, { maxLength: 150, size: "max" });
    const property = fc.property(steps, fc.integer({ min: 1, max: 4 }), (steps, limit) => {
      const world = new World(limit);
      world.connect();
      for (const one of steps) world.step(one);
      world.settle();
      world.checkConverged();
    });
    fc.assert(property, RUNS);
  },
  TIMEOUT,
);

test(
  "silent drops are repaired by a reconnection",
  () => {
    const steps = fc.array(fc.tuple(step, fc.nat(7)), { maxLength: 150, size: "max" });
    const property = fc.property(steps, (steps) => {
      const world = new World(500);
      world.connect();
      for (const [one, drop] of steps) {
        world.step(one);
        if (drop === 0) world.lose();
      }
      world.connect();
      world.settle();
      world.checkConverged();
    });
    fc.assert(property, RUNS);
  },
  TIMEOUT,
);

test("a gap is filled before later changes are applied", () => {
  const world = new World(500);
  world.connect();
  world.change(0, 0);
  world.settle();
  for (let sent = 0; sent < 3; sent++) world.change(0, 0);
  world.lose();
  world.deliver();
  expect(world.requested?.versions).toEqual({ 1: 1 });
  world.deliver();
  expect(world.seen.get(1), "later changes are kept").toBe(1);
  world.settle();
  expect(world.seen.get(1)).toBe(4);
  world.checkConverged();
});

test("an answer that is older than leaving does not restore the chat", () => {
  const world = new World(500);
  world.change(0, 0);
  world.connect();
  world.deliver();
  for (let part = 0; part < 3; part++) world.work();
  world.change(7, 0);
  world.deliver();
  world.sendAnswer();
  world.settle();
  world.checkConverged();
  expect(world.replica.chats.size).toBe(0);
});

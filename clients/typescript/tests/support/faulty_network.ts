// A network that cuts, stalls and silences connections: a TCP proxy before the server.

import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "./server.ts";

/** The longest stall, in milliseconds. */
const MAX_STALL = 1_500;

export class FaultyNetwork {
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  /** The share of new connections that are refused. */
  #refused = 0;
  /** How often each fault happened. */
  readonly faults = { cut: 0, stall: 0, silence: 0, refuse: 0 };

  private constructor(port: number, target: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#server = createServer({ pauseOnConnect: true }, (client) => this.#accept(client, target));
  }

  /** A network before a port. */
  static async start(target: number): Promise<FaultyNetwork> {
    const port = await freePort();
    const network = new FaultyNetwork(port, target);
    await new Promise<void>((resolve) => network.#server.listen(port, "127.0.0.1", resolve));
    return network;
  }

  /** Does something bad to a random connection. `random` is between 0 and 1. */
  disturb(random: () => number): void {
    this.#refused = 0.1;
    const pairs = [...this.#pairs];
    const pair = pairs[Math.floor(random() * pairs.length)];
    if (!pair) return;
    const choice = random();
    if (choice < 0.5) {
      this.faults.cut += 1;
      for (const socket of pair) socket.destroy();
    } else if (choice < 0.85) {
      this.faults.stall += 1;
      for (const socket of pair) socket.pause();
      setTimeout(() => pair.forEach((socket) => void socket.resume()), random() * MAX_STALL).unref();
    } else {
      this.faults.silence += 1;
      // Whatever arrives is lost, and neither side learns of it.
      for (const socket of pair) socket.unpipe().resume();
    }
  }

  /** New connections are accepted again. Those that are silent stay so. */
  heal(): void {
    this.#refused = 0;
  }

  close(): void {
    this.#server.close();
    for (const pair of this.#pairs) pair.forEach((socket) => void socket.destroy());
  }

  #accept(client: Socket, target: number): void {
    if (Math.random() < this.#refused) {
      this.faults.refuse += 1;
      client.destroy();
      return;
    }
    const server = connect(target, "127.0.0.1");
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [server, client]] as const) {
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => {});
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
  }
}

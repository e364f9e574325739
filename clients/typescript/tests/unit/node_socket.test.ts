// The WebSocket client for Node 20 against a server that answers with bytes of the test's choice.

import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket as TcpSocket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { NodeSocket } from "../../src/node_socket.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server that upgrades each connection, and its address. */
async function serve(accept: (key: string) => string = accepted) {
  const server = createServer((_, answer) => answer.writeHead(401).end());
  servers.push(server);
  const opened = new Promise<TcpSocket>((resolve) => {
    server.on("upgrade", ({ headers }, tcp) => {
      const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
      const key = accept(headers["sec-websocket-key"] ?? "");
      tcp.write(`${lines.join("\r\n")}\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
      resolve(tcp as TcpSocket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, opened };
}

function accepted(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** An unmasked frame, as servers send it. */
function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = length < 126 ? Buffer.from([first, length]) : Buffer.alloc(length < 65_536 ? 4 : 10);
  if (length >= 126) {
    head.writeUInt8(first, 0);
    head.writeUInt8(length < 65_536 ? 126 : 127, 1);
    if (length < 65_536) head.writeUInt16BE(length, 2);
    else head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** The opcode and payload of a masked frame with a length in its second byte. */
function unmask(bytes: Buffer): { opcode: number; text: string } {
  expect(bytes.readUInt8(1) & 0x80, "clients mask").toBe(0x80);
  const mask = bytes.subarray(2, 6);
  const payload = bytes.subarray(6).map((byte, at) => byte ^ mask.readUInt8(at % 4));
  return { opcode: bytes.readUInt8(0) & 0x0f, text: Buffer.from(payload).toString() };
}

const once = (tcp: TcpSocket) => new Promise<Buffer>((resolve) => tcp.once("data", resolve));
const message = (socket: NodeSocket) =>
  new Promise<string>((resolve) => {
    socket.onmessage = ({ data }) => resolve(String(data));
  });
const closed = (socket: NodeSocket) =>
  new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = resolve;
  });

test.each([0, 125, 126, 65_535, 65_536, 1_000_000])(
  "a text of %i bytes arrives, in pieces of any size",
  async (length) => {
    const { url, opened } = await serve();
    const socket = new NodeSocket(`ws://${url}`);
    const tcp = await opened;
    const received = message(socket);
    const bytes = frame(0x81, Buffer.alloc(length, "m"));
    tcp.write(bytes.subarray(0, 1));
    tcp.write(bytes.subarray(1, 5));
    tcp.write(bytes.subarray(5));
    expect((await received).length).toBe(length);
  },
);

test("fragments are put together, with a ping in between", async () => {
  const { url, opened } = await serve();
  const socket = new NodeSocket(`ws://${url}`);
  const tcp = await opened;
  const received = message(socket);
  const pong = once(tcp);
  // The second character is split.
  const cat = Buffer.from("a🐈");
  tcp.write(
    Buffer.concat([frame(0x01, cat.subarray(0, 3)), frame(0x89, Buffer.from("hi")), frame(0x80, cat.subarray(3))]),
  );
  expect(await received).toBe("a🐈");
  expect(unmask(await pong)).toEqual({ opcode: 0xa, text: "hi" });
});

test("texts are sent masked", async () => {
  const { url, opened } = await serve();
  const socket = new NodeSocket(`ws://${url}`);
  const tcp = await opened;
  tcp.write(frame(0x81, Buffer.from("welcome")));
  await message(socket);
  const received = once(tcp);
  socket.send("Мяу!");
  expect(unmask(await received)).toEqual({ opcode: 1, text: "Мяу!" });
});

test("a close frame is answered, and its code and reason passed on", async () => {
  const { url, opened } = await serve();
  const socket = new NodeSocket(`ws://${url}`);
  const end = closed(socket);
  const tcp = await opened;
  const answer = once(tcp);
  tcp.write(frame(0x88, Buffer.concat([Buffer.from([0x0f, 0xa1]), Buffer.from("session ended")])));
  expect(await end).toEqual({ code: 4001, reason: "session ended" });
  expect(unmask(await answer).opcode).toBe(8);
});

test("a lost connection, a refusal and a wrong key end it with 1006", async () => {
  const lost = await serve();
  const socket = new NodeSocket(`ws://${lost.url}`);
  const end = closed(socket);
  (await lost.opened).destroy();
  expect((await end).code).toBe(1006);

  const wrong = await serve(() => "wrong");
  expect(await closed(new NodeSocket(`ws://${wrong.url}`))).toEqual({ code: 1006, reason: "handshake failed" });

  const refusing = createServer((_, answer) => answer.writeHead(401).end());
  servers.push(refusing);
  refusing.on("upgrade", (_, tcp) => tcp.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"));
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  const { port } = refusing.address() as AddressInfo;
  const refused = closed(new NodeSocket(`ws://127.0.0.1:${port}`));
  expect(await refused).toEqual({ code: 1006, reason: "HTTP status 401" });

  const nobody = closed(new NodeSocket("ws://127.0.0.1:1"));
  expect((await nobody).code).toBe(1006);
});

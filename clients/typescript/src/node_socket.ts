// A WebSocket client (RFC 6455) for Node 20 and 21, which have none. Text only, without extensions; the part of the browsers' API
// that `open_socket` names. Bundles for browsers leave it out (`browser` in package.json).

import { createHash, randomBytes } from "node:crypto";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Socket as TcpSocket } from "node:net";
import type { Socket } from "./open_socket.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [CONTINUATION, TEXT, CLOSE, PING, PONG] = [0x0, 0x1, 0x8, 0x9, 0xa];
/** The longest message that is accepted, in bytes. Answers to a sync have about 1 MiB. */
const MAX_MESSAGE = 64 << 20;
/** How long the close handshake may take, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;

export class NodeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  #tcp: TcpSocket | undefined;
  #request: ReturnType<typeof requestHttp>;
  #received: Buffer = Buffer.alloc(0);
  /** The parts of a message so far. */
  #parts: Buffer[] = [];
  #isClosed = false;
  /** What the server's close frame said. */
  #closing = { code: 1006, reason: "" };

  constructor(url: string) {
    const key = randomBytes(16).toString("base64");
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
    };
    const request = url.startsWith("wss:") ? requestHttps : requestHttp;
    this.#request = request(url.replace(/^ws/, "http"), { headers });
    this.#request.on("upgrade", (answer, tcp, head) => this.#opened(key, answer, tcp as TcpSocket, head));
    this.#request.on("response", (answer) => this.#ended(`HTTP status ${answer.statusCode}`));
    this.#request.on("error", (error) => this.#ended(error.message));
    this.#request.end();
  }

  send(text: string): void {
    this.#write(TEXT, Buffer.from(text));
  }

  close(): void {
    if (!this.#tcp) return this.#ended("closed");
    this.#write(CLOSE, Buffer.from([0x03, 0xe8]));
    setTimeout(() => this.#ended("close timeout"), CLOSE_TIMEOUT).unref();
  }

  #opened(key: string, answer: IncomingMessage, tcp: TcpSocket, head: Buffer): void {
    this.#tcp = tcp;
    tcp.setNoDelay(true);
    tcp.on("error", (error) => this.#ended(error.message));
    tcp.on("close", () => this.#ended("connection lost"));
    const expected = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    if (this.#isClosed || answer.headers["sec-websocket-accept"] !== expected) return this.#ended("handshake failed");
    tcp.on("data", (data) => this.#receive(data));
    if (head.length > 0) this.#receive(head);
  }

  #receive(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    for (let frame = this.#nextFrame(); frame !== undefined && !this.#isClosed; frame = this.#nextFrame()) {
      this.#handle(frame);
    }
  }

  /** Takes the next frame off the bytes that were received, if it is complete. */
  #nextFrame(): Frame | undefined {
    const bytes = this.#received;
    if (bytes.length < 2) return undefined;
    const short = bytes.readUInt8(1) & 0x7f;
    const start = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < start) return undefined;
    const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    if (length > MAX_MESSAGE) this.#ended("message too long");
    if (bytes.length < start + length) return undefined;
    this.#received = bytes.subarray(start + length);
    const first = bytes.readUInt8(0);
    return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, payload: bytes.subarray(start, start + length) };
  }

  #handle({ opcode, isLast, payload }: Frame): void {
    switch (opcode) {
      case TEXT:
      case CONTINUATION:
        this.#parts.push(payload);
        if (isLast) this.#deliver();
        break;
      case PING:
        this.#write(PONG, payload);
        break;
      case PONG:
        break;
      case CLOSE:
        if (payload.length >= 2) this.#closing = { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) };
        this.#write(CLOSE, payload.subarray(0, 2));
        this.#ended(this.#closing.reason);
        break;
      default:
        this.#ended("unexpected frame");
    }
  }

  #deliver(): void {
    const data = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.onmessage?.({ data });
  }

  #write(opcode: number, payload: Buffer): void {
    if (!this.#tcp || this.#isClosed) return;
    const { length } = payload;
    const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    const head = Buffer.alloc(2 + extended + 4);
    head.writeUInt8(0x80 | opcode, 0);
    head.writeUInt8(0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127), 1);
    if (extended === 2) head.writeUInt16BE(length, 2);
    if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    mask.copy(head, 2 + extended);
    const masked = Buffer.from(payload.map((byte, at) => byte ^ mask.readUInt8(at % 4)));
    this.#tcp.write(Buffer.concat([head, masked]));
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { code } = this.#closing;
    if (this.#tcp) this.#tcp.end();
    else this.#request.destroy();
    setTimeout(() => this.#tcp?.destroy(), CLOSE_TIMEOUT).unref();
    // As in browsers, never while the socket is being opened or written to.
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }
}

interface Frame {
  opcode: number;
  isLast: boolean;
  payload: Buffer;
}

"""Clients of a load balancer: REST on one kept connection, and WebSockets (as much of RFC 6455 as is needed)."""

import base64
import hashlib
import http.client
import json
import random
import socket
import ssl
import struct

PASSWORD = "nine-lives-2026"
# Another loopback address, so that it differs from the balancer's own.
CLIENT = "127.0.0.2"


class Client:
    """Speaks REST through the balancer, on one connection that is kept."""

    def __init__(self, site):
        self.site, self.token, self.connection = site, None, None

    def ask(self, method, path, body=None, headers=None, kind="application/json", timeout=20):
        if self.connection is None:
            context = ssl._create_unverified_context()
            port = self.site.port
            self.connection = http.client.HTTPSConnection(
                "localhost", port, timeout=timeout, context=context, source_address=(CLIENT, 0)
            )
            # The name may resolve to ::1, where nobody listens.
            self.connection._create_connection = lambda address, *more: socket.create_connection(("127.0.0.1", port), *more)
        given = dict(headers or {})
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            given["Content-Type"] = kind
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.connection.request(method, path, body, given)
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        return answer.status, answer.headers, data

    def json(self, method, path, body=None, expected=(200, 201, 204), **more):
        status, _, data = self.ask(method, path, body, **more)
        if status not in expected:
            raise SystemExit(f"balancer: {method} {path}: {status} {data[:300]}")
        return json.loads(data or b"null")

    def register(self, name):
        answer = self.json("POST", "/api/auth/register/", {"username": name, "password": PASSWORD})
        self.token, self.id = answer["access"], answer["user"]["id"]
        return self


class Socket:
    """A WebSocket through the balancer: as much of RFC 6455 as a client needs."""

    def __init__(self, client):
        ticket = client.json("POST", "/api/auth/ws-ticket/")["ticket"]
        raw = socket.create_connection(("127.0.0.1", client.site.port), 20, (CLIENT, 0))
        self.stream = ssl._create_unverified_context().wrap_socket(raw, server_hostname="localhost")
        key = base64.b64encode(random.randbytes(16)).decode()
        head = (
            f"GET /ws/?ticket={ticket} HTTP/1.1\r\nHost: localhost:{client.site.port}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Origin: https://localhost:{client.site.port}\r\n\r\n"
        )
        self.stream.sendall(head.encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.more()
        answer, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(answer.split(b" ")[1])
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if self.status != 101 or accept not in answer:
            raise ConnectionError(answer)

    def more(self):
        data = self.stream.recv(65536)
        if not data:
            raise ConnectionError("closed without a close frame")
        return data

    def frame(self):
        """The next frame's opcode and payload. After a timeout nothing is lost."""
        while True:
            size, start = (self.buffer[1] & 0x7F if len(self.buffer) > 1 else None), 2
            if size == 126:
                size, start = (int.from_bytes(self.buffer[2:4], "big") if len(self.buffer) >= 4 else None), 4
            elif size == 127:
                size, start = (int.from_bytes(self.buffer[2:10], "big") if len(self.buffer) >= 10 else None), 10
            if size is not None and len(self.buffer) >= start + size:
                frame = self.buffer[0] & 0x0F, self.buffer[start : start + size]
                self.buffer = self.buffer[start + size :]
                return frame
            self.buffer += self.more()

    def send(self, opcode, data):
        mask = random.randbytes(4)
        size = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0xFE, len(data))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.stream.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def next(self, timeout=20):
        """The next frame's type and value: ("text", JSON), or ("close", (code, reason)). Answers pings."""
        self.stream.settimeout(timeout)
        while True:
            opcode, data = self.frame()
            match opcode:
                case 1:
                    return "text", json.loads(data)
                case 8:
                    return "close", (struct.unpack("!H", data[:2])[0], data[2:].decode())
                case 9:
                    self.send(10, data)

    def next_within(self, seconds):
        """The same, or ("nothing", None) if none comes."""
        try:
            return self.next(seconds)
        except (TimeoutError, ssl.SSLError):
            return "nothing", None

    def next_of(self, kind, timeout=20):
        while True:
            what, value = self.next(timeout)
            if what == "close":
                raise ConnectionError(value)
            if value["type"] == kind:
                return value

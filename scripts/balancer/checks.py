"""What the nodes need of a load balancer."""

import json
import random
import struct
import threading
import time
import zlib

from clients import CLIENT, PASSWORD, Client, Socket
from reports import check, say


def png(size):
    """A picture of noise, which no compression makes smaller."""
    width = 1200
    row = width * 3
    rows = b"".join(b"\0" + random.randbytes(row) for _ in range(size // row))
    chunk = lambda kind, data: struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
    head = struct.pack("!IIBBBBB", width, size // row, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def try_everything(site, idle):
    tom, kitty = Client(site).register("tom"), Client(site).register("kitty")
    chat = tom.json("POST", "/api/chats/", {"type": "private", "members": [kitty.id]})["id"]
    sockets = [Socket(kitty) for _ in range(4)]
    for one in sockets:
        one.next_of("ready")
    message = tom.json("POST", f"/api/chats/{chat}/messages/", {"content": "meow"})
    check(all(one.next_of("message.created")["message"]["id"] == message["id"] for one in sockets),
          "REST and sockets, on both nodes")

    status, headers, _ = tom.ask("GET", "/api/auth/me/")
    check(status == 200 and headers["Strict-Transport-Security"], "the nodes know that clients use HTTPS")
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    login = Client(site).json("POST", "/api/auth/login/", {"username": "tom", "password": PASSWORD}, headers=forged)
    seen = tom.json("GET", "/api/auth/sessions/")["results"]
    check({one["ip"] for one in seen} == {CLIENT}, "the client's address is its own, and cannot be forged", seen)
    _, headers, data = tom.ask("GET", "/api/schema/", headers={"Accept-Encoding": "gzip"})
    check(headers["Content-Encoding"] == "gzip" and data[:2] == b"\x1f\x8b", "long answers are compressed")
    _, headers, _ = tom.ask("POST", "/api/auth/refresh/", {"refresh": login["refresh"]}, {"Accept-Encoding": "gzip"})
    check(headers["Content-Encoding"] is None, "answers with tokens are not")

    picture = png(4_800_000)
    avatar = tom.json("PUT", "/api/auth/me/avatar/", picture, kind="image/png")["avatar"]
    check(avatar.startswith(f"https://localhost:{site.port}/media/"), f"a picture of {len(picture):,} bytes is accepted")
    try:
        status = tom.ask("PUT", "/api/auth/me/avatar/", png(7_000_000), kind="image/png")[0]
    except OSError:
        # The balancer may close the connection while the body is still being sent.
        status = 413
    check(status == 413, "one of 7 MB is refused")

    others = [*sockets, Socket(tom)]
    others[-1].next_of("ready")
    end = time.monotonic() + idle
    while time.monotonic() < end:
        for one in others:
            # Reading answers the node's pings.
            if one.next_within(0.2)[0] == "close":
                check(False, "an idle socket stays open")
    for one in others:
        one.send(1, b'{"type": "ping", "id": 1}')
        one.next_of("pong")
    say(f"sockets that are idle for {idle:.0f} s stay open")
    # An idle connection for requests does not.
    tom.connection.close()
    tom.connection = None

    port = site.ports[0]
    threading.Thread(target=site.stop, args=[str(port)]).start()
    closes, failed = [], []
    end = time.monotonic() + 14
    while time.monotonic() < end:
        status = tom.ask("POST", f"/api/chats/{chat}/messages/", {"content": "meow"})[0]
        failed += [status] if status != 201 else []
        time.sleep(0.02)
    check(not failed, "while a node leaves, no request fails", failed)
    for one in others:
        while (got := one.next_within(0.5))[0] == "text":
            pass
        closes += [got[1]] if got[0] == "close" else []
    good = all(code == 1012 and json.loads(reason)["retry_after_ms"] >= 0 for code, reason in closes)
    check(closes and good and len(closes) < len(others), f"its {len(closes)} sockets get 1012 with a hint", closes)
    Socket(tom).next_of("ready")
    say("a new socket opens on the other node")

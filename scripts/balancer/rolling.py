"""A rolling upgrade under load: every request that fails and every event that is missed is counted."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from clients import Client, Socket
from reports import check, say
from nodes import ROOT


class Load:
    """Writers, readers and sockets, which count what they see."""

    def __init__(self, site):
        self.site, self.stop, self.lock = site, threading.Event(), threading.Lock()
        self.counts, self.failures, self.acknowledged = {}, [], {}
        people = [Client(site).register(f"user{number}") for number in range(8)]
        others = [one.id for one in people[1:]]
        self.chat = people[0].json("POST", "/api/chats/", {"type": "group", "name": "load", "members": others})["id"]
        self.people = people
        work = [(self.write, one) for one in people] + [(self.read, one) for one in people[:4]]
        work += [(self.listen, one) for one in people * 3]
        self.threads = [threading.Thread(target=target, args=[one], daemon=True) for target, one in work]

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def twin(self, person):
        client = Client(self.site)
        client.token, client.id = person.token, person.id
        return client

    def ask(self, client, what, *request):
        """One request, without repeating it. Whatever is not a success is a failure."""
        try:
            status, _, data = client.ask(*request)
        except (OSError, http.client.HTTPException) as error:
            status, data = 0, repr(error).encode()
        self.count(what)
        if status not in (200, 201):
            with self.lock:
                self.failures.append((what, status, data[:200]))
            return None
        return json.loads(data)

    def write(self, person):
        client, number = self.twin(person), 0
        while not self.stop.wait(0.02):
            number += 1
            name = f"{person.id}-{number}"
            body = {"content": name, "client_id": name}
            message = self.ask(client, "sends", "POST", f"/api/chats/{self.chat}/messages/", body)
            if message:
                with self.lock:
                    self.acknowledged[name] = message["seq"]

    def read(self, person):
        client = self.twin(person)
        while not self.stop.wait(0.03):
            self.ask(client, "reads", "GET", f"/api/chats/{self.chat}/messages/?page_size=10")

    def listen(self, person):
        """A socket that reconnects as the node's hint says, syncs, and checks that no version is missing."""
        client, seen = self.twin(person), None
        while not self.stop.is_set():
            try:
                one = Socket(client)
                ready = one.next_of("ready")["versions"][str(self.chat)]
                if seen is not None and ready > seen:
                    seen = self.catch_up(client, seen)
                seen = max(seen or 0, ready)
                while not self.stop.is_set():
                    what, value = one.next_within(1)
                    if what == "nothing":
                        continue
                    if what == "close":
                        self.count(f"sockets closed with {value[0]}")
                        time.sleep(json.loads(value[1] or "{}").get("retry_after_ms", 0) / 1000 if value[0] == 1012 else 0.2)
                        break
                    if value.get("chat") == self.chat and "version" in value and value["version"] > seen:
                        if value["version"] != seen + 1:
                            with self.lock:
                                self.failures.append(("gap", seen, value["version"]))
                        seen = value["version"]
                        self.count("events")
            except (OSError, SystemExit) as error:
                if not self.stop.is_set():
                    self.count("sockets refused or lost")
                    self.last = repr(error)
                    time.sleep(0.2)

    def catch_up(self, client, seen):
        while True:
            answer = client.json("POST", "/api/sync/", {"versions": {str(self.chat): seen}, "limit": 1000})
            changes = [change for change in answer["changes"] if change["chat"]["id"] == self.chat]
            if not changes:
                return seen
            seen = max([seen, *(message["version"] for message in changes[0]["messages"])])
            if not changes[0]["more"]:
                return max(seen, changes[0]["chat"]["version"])

    def history(self):
        found, after = {}, 0
        while True:
            path = f"/api/chats/{self.chat}/messages/?after={after}&page_size=100"
            page = self.people[0].json("GET", path)["results"]
            if not page:
                return found
            for message in page:
                assert message["seq"] == after + 1, (after, message["seq"])
                found.setdefault(message["client_id"], []).append(message["seq"])
                after = message["seq"]


def roll(site, program, seconds, control):
    """Runs deploy/rolling-upgrade with a program under load. The control kills the nodes: requests must fail then."""
    new = site.folder / "new/meowsenger"
    new.parent.mkdir()
    shutil.copy(program, new)
    restart = site.folder / "restart"
    # The stand-in for systemd: asks this process to restart a node, and waits for it.
    restart.write_text(f"#!/bin/sh\nset -e\necho \"$1\" > {site.folder}/wanted\nread -r _ < {site.folder}/done\n")
    restart.chmod(0o755)
    for name in ("wanted", "done"):
        os.mkfifo(site.folder / name)

    def supervise():
        for _ in site.ports:
            port = (site.folder / "wanted").read_text().strip()
            status = site.stop(port, signal.SIGKILL if control else signal.SIGTERM)
            check(control or status == 0, f"the node on port {port} has exited with {status}")
            site.run(port, [site.program, "runserver", f"127.0.0.1:{port}"])
            (site.folder / "done").write_text("done\n")

    load = Load(site)
    for thread in load.threads:
        thread.start()
    time.sleep(seconds)
    threading.Thread(target=supervise, daemon=True).start()
    environment = os.environ | {"PROGRAM": str(site.program), "CONFIG": str(site.folder), "RESTART": str(restart), "SERVICE_USER": ""}
    since = time.monotonic()
    command = [ROOT / "deploy/rolling-upgrade", new, *map(str, site.ports)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    took = time.monotonic() - since
    time.sleep(seconds)
    load.stop.set()
    for thread in load.threads:
        thread.join(10)
    check(ran.returncode == 0, f"rolling-upgrade has replaced both nodes in {took:.0f} s", ran.stdout, ran.stderr)
    say(", ".join(f"{number} {what}" for what, number in sorted(load.counts.items())))
    history = load.history()
    repeated = [name for name, found in history.items() if len(found) > 1]
    lost = [name for name, seq in load.acknowledged.items() if history.get(name) != [seq]]
    check(not lost and not repeated, f"{len(load.acknowledged)} acknowledged messages: none is lost or repeated", lost, repeated)
    if control:
        check(load.failures, f"{len(load.failures)} requests have failed, such as {load.failures[:1]}")
        return
    check(not load.failures, "no request has failed, and no socket has missed an event", len(load.failures), load.failures[:10])
    moved = load.counts.get("sockets closed with 1012", 0)
    check(moved >= 2 and load.counts["events"], f"{moved} times a socket has moved to the other node")

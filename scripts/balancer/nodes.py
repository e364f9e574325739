"""Two nodes and a load balancer in front of them, as processes in a temporary folder."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from clients import Client

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"balancer: not within {seconds} s: {what}")
        time.sleep(0.05)
    return value


def find(program, package):
    """The path of a program; installs its package if it can, without starting what is in it."""
    places = lambda: shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not places() and os.getuid() == 0 and shutil.which("apt-get"):
        print(f"balancer: no {program} here, installing the package {package}", file=sys.stderr)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        policy = Path("/usr/sbin/policy-rc.d")
        ours = not policy.exists()
        if ours:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
                subprocess.run(["apt-get", "-q", *command], check=True, env=environment, stdout=subprocess.DEVNULL)
        finally:
            if ours:
                policy.unlink()
    return places() or sys.exit(f"balancer: {program} is missing (Debian, Ubuntu: apt-get install {package})")


class Site:
    """Two nodes, and the balancer in front of them."""

    def __init__(self, kind, program, folder):
        self.kind, self.folder, self.program = kind, folder, folder / "meowsenger"
        shutil.copy(program, self.program)
        self.ports = [free_port(), free_port()]
        self.port = free_port()
        self.processes = {}
        self.database = f"meow_{random.randbytes(6).hex()}"
        self.server = os.environ["MEOW_TEST_POSTGRES_URL"]
        self.psql(f"create database {self.database} encoding 'UTF8' locale 'C.UTF-8' template template0")
        settings = {
            "DATABASE_URL": re.sub(r"/[^/?]*(\?|$)", f"/{self.database}\\1", self.server),
            "SECRET_KEY": random.randbytes(32).hex(),
            "BUS_URL": os.environ["MEOW_TEST_NATS_URL"],
            "DATA_DIR": str(folder / "data"),
            "PUBLIC_URL": f"https://localhost:{self.port}",
            "ALLOWED_HOSTS": "localhost",
            "TRUSTED_PROXIES": "127.0.0.1",
            "SECURE_HSTS_SECONDS": "3600",
            "THROTTLE": "off",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "warn",
        }
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def psql(self, sql):
        places = [os.environ.get("PG_BIN", ""), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]
        psql = shutil.which("psql", path=":".join([os.environ["PATH"], *places])) or sys.exit("balancer: psql is missing")
        subprocess.run([psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.server, "-c", sql], check=True)

    def run(self, name, command, **more):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **more)

    def stop(self, name, number=signal.SIGTERM, seconds=40):
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(seconds)

    def healthy(self, port):
        ran = subprocess.run([self.program, "healthcheck", str(port)], cwd=self.folder, capture_output=True)
        return ran.returncode == 0

    def start_node(self, port):
        self.run(str(port), [self.program, "runserver", f"127.0.0.1:{port}"])
        wait_for(f"the node on port {port} is ready", 30, lambda: self.healthy(port))

    def start(self):
        subprocess.run([self.program, "migrate"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        for port in self.ports:
            self.start_node(port)
        getattr(self, f"start_{self.kind}")()
        wait_for("the balancer answers", 15, self.is_answering)

    def is_answering(self):
        try:
            return Client(self).ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def start_caddy(self):
        file = self.folder / "Caddyfile"
        options = f"admin off\nskip_install_trust\nhttp_port {free_port()}\nhttps_port {self.port}\nlog {{\nlevel WARN\n}}"
        file.write_text(f"{{\n{options}\n}}\nimport {ROOT}/deploy/Caddyfile\n")
        nodes = " ".join(f"127.0.0.1:{port}" for port in self.ports)
        environment = os.environ | {
            "DOMAIN": "localhost", "NODES": nodes, "HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder),
        }
        self.run("caddy", [find("caddy", "caddy"), "run", "--config", file], env=environment)

    def start_nginx(self):
        certificate = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"]
        command = [find("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *certificate]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        text = (ROOT / "deploy/nginx.conf").read_text()
        for old, new in [
            ("node1:8000", f"127.0.0.1:{self.ports[0]}"),
            ("node2:8000", f"127.0.0.1:{self.ports[1]}"),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("server_name chat.example.org", "server_name localhost"),
            ("/etc/ssl/chat.example.org/fullchain.pem", f"{self.folder}/cert.pem"),
            ("/etc/ssl/chat.example.org/privkey.pem", f"{self.folder}/key.pem"),
        ]:
            assert old in text, old
            text = text.replace(old, new)
        temporary = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\npid {self.folder}/nginx.pid;\nerror_log stderr warn;\nworker_processes 2;\nuser root;\n"
            f"events {{ worker_connections 2048; }}\nhttp {{ access_log off;\n{temporary}\n{text}\n}}\n"
        )
        self.run("nginx", [find("nginx", "nginx-light"), "-c", self.folder / "nginx.conf", "-e", "stderr"])

    def close(self):
        for name in list(self.processes):
            self.stop(name, signal.SIGINT)
        self.psql(f"drop database {self.database} with (force)")

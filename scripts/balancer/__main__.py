"""Tries the load balancers' configurations in deploy/ with two nodes, over real connections:

    scripts/with-services python3 scripts/balancer (caddy|nginx) [--program PATH] [--idle SECONDS]
    scripts/with-services python3 scripts/balancer (caddy|nginx) --rolling [--seconds N] [--program PATH] [--new PATH]

The first form checks what the nodes need of a balancer: REST, sockets, the client's address, large bodies, and how a
node leaves. The second runs deploy/rolling-upgrade under load, and counts the requests that failed. Needs Linux with
Caddy or nginx (as root, it installs Debian's package), openssl and psql. Uses loopback ports only."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from checks import try_everything
from rolling import roll
from nodes import ROOT, Site


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["caddy", "nginx"])
    parser.add_argument("--program", default=ROOT / "target/debug/meowsenger", help="the server; default: the debug build")
    parser.add_argument("--idle", type=float, default=2, help="how long a socket is idle; the nodes ping after 30 s")
    parser.add_argument("--rolling", action="store_true", help="run deploy/rolling-upgrade under load")
    parser.add_argument("--control", action="store_true", help="with --rolling: kill the nodes; requests must fail")
    parser.add_argument("--new", help="the program to upgrade to; default: the same")
    parser.add_argument("--seconds", type=float, default=5, help="of load before and after the upgrade")
    options = parser.parse_args()
    if "MEOW_TEST_POSTGRES_URL" not in os.environ:
        sys.exit("balancer: run it through scripts/with-services")
    with tempfile.TemporaryDirectory(prefix="meow-balancer.") as folder:
        site = Site(options.kind, options.program, Path(folder))
        print(f"{options.kind}:", flush=True)
        try:
            site.start()
            roll(site, options.new or options.program, options.seconds, options.control) if options.rolling else try_everything(site, options.idle)
        except BaseException:
            for log in sorted(Path(folder).glob("*.log")):
                print(f"---- {log.name}\n{log.read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            site.close()


main()

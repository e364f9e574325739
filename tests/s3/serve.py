"""An S3 server with the bucket `cats`. Prints its port, and ends with its standard input."""

import sys
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
urlopen(Request(f"http://{host}:{port}/cats", method="PUT")).close()
print(port, flush=True)
sys.stdin.read()
server.stop()

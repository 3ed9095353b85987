"""io: what Neutron sees of Nova: the end of HTTP where it tells of ports. It notes what it was told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from daybreak_lab import Namespace

PORT = 8774


class Nova:
    """Listens on the loopback of a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self.events: list[dict[str, Any]] = []
        nova = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                nova.events += body["events"]
                answer = json.dumps({"events": [{**event, "code": 200} for event in body["events"]]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with namespace.entered():
            self._server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Nova":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def heard(self, port: str) -> list[str]:
        """The names of the events about a port, in order."""
        return [event["name"] for event in self.events if event["tag"] == port]

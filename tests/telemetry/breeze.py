"""An ingestion endpoint of Application Insights on loopback, with faults."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "11111111-2222-3333-4444-555555555555"


@dataclass(slots=True)
class Reply:
    """`errors` are (index, status) of items that were not taken."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    errors: tuple[tuple[int, int], ...] = ()


@dataclass
class Breeze:
    """`replies` are given in turn, then all is taken; `items` are what was taken, `posts` (path, headers) of each post.
    With `hang` nobody is answered until it is set."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    hang: threading.Event | None = None

    @property
    def connection(self) -> str:
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.url}/"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """What was taken of RequestData and the like."""
        return [each for each in list(self.items) if each["data"]["baseType"] == kind]

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Reply, bytes]:
        self.posts.append((path, headers))
        if self.hang is not None:
            self.hang.wait(20)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        reply = self.replies.pop(0) if self.replies else Reply()
        missed = {index for index, _ in reply.errors}
        if reply.status in (200, 206):
            self.items += [each for index, each in enumerate(items) if index not in missed]
        told = {
            "itemsReceived": len(items),
            "itemsAccepted": len(items) - len(missed),
            "errors": [
                {"index": index, "statusCode": status, "message": f"code {status}"} for index, status in reply.errors
            ],
        }
        return reply, json.dumps(told).encode()


@contextlib.contextmanager
def breeze(port: int = 0) -> Iterator[Breeze]:
    """Runs until the block ends."""
    it = Breeze()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply, told = it.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with contextlib.suppress(ConnectionError):
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    it.url = f"http://127.0.0.1:{server.server_address[1]}"
    stop: Callable[[], None] = server.shutdown
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield it
    finally:
        if it.hang is not None:
            it.hang.set()
        stop()
        server.server_close()
        thread.join(5)

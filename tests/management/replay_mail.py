"""As much of a mail server as an example needs: it takes messages and forgets them."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from management.mail import Mail


class Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@contextmanager
def mailed() -> Iterator[Mail]:
    """How to reach it."""
    with socketserver.TCPServer(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Mail("127.0.0.1", server.server_address[1], "portal@example.com", "none")
        server.shutdown()
        thread.join(5)

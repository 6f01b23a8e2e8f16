"""Ports for processes that are told where to listen."""

from __future__ import annotations

import secrets
import socket

# below what systems give to connections and to port 0, which another test may be doing at this moment
FIRST, LAST = 20_000, 31_999


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for _ in range(1000):
        port = FIRST + secrets.randbelow(LAST - FIRST + 1)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port between {FIRST} and {LAST}")

"""Datagrams to a socket of this host or to a UDP port. What nobody takes is lost, and told.

Rules
1. A name is looked up when the first datagram goes, and again every `RESOLVE` seconds and after each failure: whoever
   listens may start later, end and move.
2. Used by one thread: a lane's.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from telemetry.lane import Refused

RESOLVE = 60.0  # seconds
LARGEST = 65_000  # bytes of one datagram

Target = str | tuple[str, int]  # the path of a datagram socket, or host and port


class Datagrams:
    """`send` is a lane's."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._resolved = 0.0  # monotonic seconds

    def send(self, data: bytes, timeout: float) -> None:
        """Raises Refused."""
        try:
            now = time.monotonic()
            if self._socket is None or now - self._resolved > RESOLVE:
                self.close()
                self._socket, self._resolved = _connected(self._target), now
            self._socket.settimeout(timeout)
            self._socket.send(data)
        except OSError as failure:
            self.close()
            raise Refused(failure.strerror or str(failure)) from None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(target: Target) -> socket.socket:
    if isinstance(target, str):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        where: Any = target
    else:
        family, kind, protocol, _, where = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
        made = socket.socket(family, kind, protocol)
    try:
        made.connect(where)
    except OSError:
        made.close()
        raise
    return made

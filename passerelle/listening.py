"""Which ports the processes of `passerelle up` listen on, settled before anything is started.

A port that a person named must be free; 0 means any free one. Free ones are taken from below the range that operating
systems use for outgoing connections, so that a process which was killed finds its port again.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_000
ATTEMPTS = 2_000


class PortTaken(Exception):
    """A wanted port cannot be had; the text names the port and the option."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port and the option that asked for it; 0 is any free port."""

    option: str
    port: int


def choose_ports(wanted: Sequence[Wanted]) -> list[int]:
    """One port per wish, in order, all different. Raises `PortTaken`."""
    asked: dict[int, str] = {}
    for wish in wanted:
        if wish.port == 0:
            continue
        if wish.port in asked:
            raise PortTaken(
                f"port {wish.port} is wanted by both {asked[wish.port]} and {wish.option}; change one of them"
            )
        if wish.port > 65_535:
            raise PortTaken(f"port {wish.port} ({wish.option}) does not exist: 65535 is the last one")
        if not is_free(wish.port):
            raise PortTaken(
                f"port {wish.port} ({wish.option}) is already in use on {LOOPBACK}; "
                f"stop what listens there, or give {wish.option} another port (0 = any free one)"
            )
        asked[wish.port] = wish.option
    taken = set(asked)
    chosen = []
    for wish in wanted:
        port = wish.port or _any_free(taken)
        taken.add(port)
        chosen.append(port)
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _any_free(taken: set[int]) -> int:
    for _ in range(ATTEMPTS):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if port not in taken and is_free(port):
            return port
    raise PortTaken(f"no free port between {LOWEST} and {HIGHEST} on {LOOPBACK}")

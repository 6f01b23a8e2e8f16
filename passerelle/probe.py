"""Asking a loopback port whether it is ready."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from passerelle.listening import LOOPBACK

TIMEOUT = 2.0  # seconds


def status_of(port: int, path: str, headers: Mapping[str, str] | None = None) -> int:
    """The status of one GET on a new connection; 0 when nothing answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()

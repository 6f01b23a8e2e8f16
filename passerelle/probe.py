"""Asks a loopback port whether it is ready; `python -m passerelle.probe PORT PATH` is a container's health check."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from typing import Any

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


def facts_of(port: int, path: str) -> dict[str, Any]:
    """The JSON object of an answer, whatever its status; {} when nothing answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}


def main(port: str, path: str = "/") -> int:
    """Exit code 0 for an answer below 500, since a server that refuses us is up."""
    status = status_of(int(port), path)
    print(status or "no answer")
    return 0 if 0 < status < 500 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

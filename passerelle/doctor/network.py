"""Asking others: a port, a TLS server, an HTTP answer. Nothing raises; what went wrong is a sentence."""

from __future__ import annotations

import datetime
import email.utils
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds, each try


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: there was none, and `problem` says why. `skew` is how far the other's clock is ahead, in seconds."""

    status: int
    problem: str = ""
    body: bytes = b""
    skew: float = 0.0


def get(url: str, headers: Mapping[str, str], context: ssl.SSLContext | None = None, most: int = 65_536) -> Answer:
    """One GET; at most `most` bytes of the body are read."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request(
            "GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", headers=dict(headers)
        )
        answer = connection.getresponse()
        return Answer(answer.status, "", answer.read(most), _skew(answer.headers.get("Date")))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Answer(0, why(problem, host))
    finally:
        connection.close()


def why(problem: Exception, host: str) -> str:
    """What an operator can do something about, in words."""
    match problem:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {problem.verify_message}"
        case ssl.SSLError():
            return f"no TLS could be agreed: {problem.reason or problem}"
        case socket.gaierror():
            return f"the name {host} is not known here"
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return f"no answer within {TIMEOUT:.0f} s"
        case OSError() if problem.strerror:
            return problem.strerror
    return str(problem) or type(problem).__name__


def near(host: str) -> str:
    """Where this machine reaches what listens on `host`."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - nothing listens here


def reach(host: str, port: int) -> str:
    """Nothing ("") when a connection can be made."""
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError as problem:
        return why(problem, host)
    return ""


def reach_socket(path: Path) -> str:
    """Nothing ("") when somebody listens at a unix socket."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
            tried.settimeout(TIMEOUT)
            tried.connect(str(path))
    except FileNotFoundError:
        return "there is no such socket"
    except OSError as problem:
        return why(problem, str(path))
    return ""


def _skew(date: str | None) -> float:
    try:
        at = email.utils.parsedate_to_datetime(date or "")
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0

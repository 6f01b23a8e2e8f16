"""One destination over HTTPS: a kept-alive connection that a lane's thread posts to.

Rules
1. Plain http is for loopback alone, unless `net.client.http.allowed`: what is posted carries tokens, keys or other
   people's data.
2. HTTPS_PROXY and NO_PROXY are followed, since a gateway in a closed network has no other way out; loopback is direct.
3. SSL_CERT_FILE names other authorities than the system's.
4. Where the configuration, not the operator, names the destination, `closed_to` keeps it from this very machine.
5. An answer is read up to `MAX_ANSWER`, and nothing of it that could hold a secret goes into a reason.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from telemetry.lane import Later, Refused
from telemetry.settings import flag

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# of Azure, Alibaba Cloud and AWS, where they are not link-local; the same as for policies (proxy/adapters/reach.py)
_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
MAX_ANSWER = 64 * 1024  # bytes
# Beside what is busy: a missing permission or a rule that is not there is put right by an operator, and what waits is
# worth keeping until then.
RETRYABLE = frozenset({401, 403, 404, 408, 429, 500, 502, 503, 504})


@dataclass(slots=True, frozen=True)
class Answer:
    """`after` is Retry-After in seconds, 0 when there is none; `location` where a redirection leads."""

    status: int
    after: float
    body: bytes
    location: str = ""

    def judge(self, told: str = "") -> None:
        """Return for a success; raises Later for what may be tried again, Refused for what may not."""
        reason = f"HTTP {self.status}{told and f', {told}'}"
        if self.status in RETRYABLE:
            raise Later(reason, self.after)
        if not 200 <= self.status < 300:
            raise Refused(reason)


Closed = Callable[[str], bool]


def open_to_all(address: str) -> bool:
    return False


def closed_to(settings: Mapping[str, str]) -> Closed:
    """Which addresses a destination that the configuration names may not have, as for calls of policies."""
    loopback = flag(settings, "net.client.loopback.allowed", False)

    def closed(address: str) -> bool:
        try:
            found: Any = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False  # a name
        if found.version == 6:
            wrapped = ipaddress.ip_address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None
            found = wrapped or found.ipv4_mapped or found.sixtofour or found
        never = found.is_link_local or found.is_unspecified or found.is_multicast or found in _METADATA
        return never or (found.is_loopback and not loopback)

    return closed


class Origin:
    """`url` is scheme://host[:port] and a path that all targets begin with. Used by one thread."""

    def __init__(self, url: str, closed: Closed = open_to_all) -> None:
        self._parts = urlsplit(url)
        self._closed = closed
        self._connection: http.client.HTTPConnection | None = None

    def post(self, target: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        """Raises Later when no answer was to be had, Refused for an address that is not allowed."""
        return self.ask("POST", target, body, headers, timeout)

    def ask(self, method: str, target: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        if self._connection is not None and _over(self._connection.sock):
            self.close()
        connection = self._connection = self._connection or _connect(self._parts)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        try:
            if connection.sock is None:
                self._permit(self._parts.hostname or "")
                connection.connect()
                if _proxy(self._parts) is None:  # behind a proxy, which is the operator's own, it would be the proxy's
                    self._permit(_peer(connection))
            connection.request(method, self._parts.path.rstrip("/") + target, body or None, headers)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            self.close()
            raise Later(f"{type(failure).__name__}: {failure}") from None
        if response.will_close or not response.isclosed():
            self.close()
        location = response.getheader("Location", "")
        return Answer(response.status, seconds(response.getheader("Retry-After", "")), content, location)

    def _permit(self, address: str) -> None:
        if self._closed(address):
            self.close()
            where = f"{self._parts.hostname} is at {address}"
            raise Refused(f"{where}, where loggers may not send: see net.client.loopback.allowed")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _over(sock: socket.socket | None) -> bool:
    """Whether the other side has ended a connection that waited: nobody speaks before he is asked."""
    return sock is not None and bool(select.select([sock], [], [], 0)[0])


def _peer(connection: http.client.HTTPConnection) -> str:
    sock: socket.socket = connection.sock
    return str(sock.getpeername()[0])


def checked(url: str, setting: str, settings: Mapping[str, str]) -> str:
    """`url` without a slash at its end. Raises ValueError naming the setting for one that cannot be posted to."""
    try:
        parts = urlsplit(url.strip())
        usable = bool(parts.hostname) and not parts.query and not parts.fragment and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("https", "http"):
        raise ValueError(f"setting {setting} is {url!r}; it must be a URL such as https://host.example")
    if not permitted(url.strip(), settings):
        raise ValueError(
            f"setting {setting} is {url!r}; it must be https, since secrets are sent there, or net.client.http.allowed "
            "be true"
        )
    return url.strip().rstrip("/")


def permitted(url: str, settings: Mapping[str, str]) -> bool:
    """Whether secrets may go there: over TLS, to this very machine, or where the operator says so."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK or flag(settings, "net.client.http.allowed", False)


def seconds(text: str) -> float:
    """Retry-After, as seconds or as a date, which is UTC also where it names no zone; 0 when it says nothing of use."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80)
    context = ssl.create_default_context()
    proxy = _proxy(parts)
    if proxy is None:
        return http.client.HTTPSConnection(host, port, context=context)
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, context=context)
    headers = {}
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    connection.set_tunnel(host, port, headers)
    return connection


def _proxy(parts: SplitResult) -> SplitResult | None:
    """What stands between us and that place."""
    host, port = parts.hostname or "", parts.port or 443
    proxies = getproxies()
    proxy = urlsplit(proxies.get("https") or proxies.get("all") or "")
    direct = parts.scheme == "http" or not proxy.hostname or host in LOOPBACK or proxy_bypass(f"{host}:{port}")
    return None if direct else proxy

"""Connectivity checks: whether the plane reaches a destination, over TCP, HTTP or HTTPS.

Rules
1. Loopback is tried only if `net.client.loopback.allowed` is true; link-local, multicast and unspecified addresses and
   the metadata services of clouds never are. What a name resolves to is held against the same rules, and the checked
   address is the one that is called.
2. A check takes `PROBES` probes and `SECONDS` at most; `AT_ONCE` run at a time and `A_MINUTE` in a minute, so that
   nobody scans a network with them. Only contributors may ask.
3. It is done when it is answered: nobody has to ask for its result.

https://learn.microsoft.com/rest/api/apimanagement/perform-connectivity-check
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from management.addresses import Address, is_callable
from management.errors import ArmError, invalid

PROBES = 4
PATIENCE = 2.0  # seconds, one probe
SECONDS = 6.0
A_MINUTE = 20
AT_ONCE = 4
MOST_HEADERS = 32
PROTOCOLS = ("TCP", "HTTP", "HTTPS")


@dataclass(frozen=True, slots=True)
class Check:
    """What was asked for. `codes` are the statuses that count as reached, none for any."""

    host: str
    port: int
    protocol: str = "TCP"
    ipv4: bool = False
    method: str = "GET"
    path: str = "/"
    codes: frozenset[int] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()


class Connectivity:
    """Checks for everybody who may ask this process."""

    def __init__(self, loopback: bool = False) -> None:
        self._loopback = loopback
        self._running = 0
        self._began: deque[float] = deque(maxlen=A_MINUTE)

    async def perform(self, body: dict[str, Any], service: str) -> dict[str, Any]:
        """The answer to a check. Raises ArmError."""
        check = read(body)
        now = time.monotonic()
        if self._running >= AT_ONCE or (len(self._began) == A_MINUTE and now - self._began[0] < 60):
            raise ArmError(
                429,
                "TooManyRequests",
                f"At most {A_MINUTE} connectivity checks a minute, {AT_ONCE} at once: try later.",
            )
        self._began.append(now)
        self._running += 1
        try:
            return await self._perform(check, service)
        finally:
            self._running -= 1

    async def _perform(self, check: Check, service: str) -> dict[str, Any]:
        source: dict[str, Any] = {
            "type": "Source", "id": str(uuid.uuid4()), "address": "", "resourceId": service, "nextHopIds": [],
            "issues": [],
        }  # fmt: skip
        try:
            address = await self._address(check)
        except OSError as error:
            source["issues"].append(_issue("DnsResolution", check.host, error))
            return _answer([source], [], 1)
        target: dict[str, Any] = {
            "type": "Internet" if address.is_global else "VirtualNetwork",
            "id": str(uuid.uuid4()),
            "address": str(address),
            "nextHopIds": [],
            "issues": [],
        }
        source["address"] = _own_address(address, check.port)
        source["nextHopIds"].append(target["id"])
        times: list[float] = []
        sent, until, problem = 0, time.monotonic() + SECONDS, None
        while sent < PROBES and time.monotonic() < until:
            sent += 1
            began = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE):
                    await _probe(check, address)
                times.append((time.monotonic() - began) * 1000)
            except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
                problem = error
        if problem is not None:
            target["issues"].append(_issue("Unknown", f"{check.host}:{check.port}", problem))
        return _answer([source, target], times, sent)

    async def _address(self, check: Check) -> Address:
        """Where the destination is. Raises OSError for a name that is none, ArmError for what is not called."""
        family = socket.AF_INET if check.ipv4 else socket.AF_UNSPEC
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.get_running_loop().getaddrinfo(
                check.host, check.port, family=family, type=socket.SOCK_STREAM
            )
        for *_, place in found:
            address = ipaddress.ip_address(str(place[0]).partition("%")[0])
            if is_callable(address, self._loopback):
                return address
        raise invalid(
            "destination.address",
            f"'{check.host[:100]}' is an address that is not called from here: loopback (unless "
            "net.client.loopback.allowed is true), link-local, multicast, or a metadata service.",
        )


def read(body: dict[str, Any]) -> Check:
    """Raises ArmError."""
    source, destination = body.get("source"), body.get("destination")
    if not isinstance(source, dict) or not isinstance(source.get("region"), str):
        raise invalid("source.region", "source.region is required.")
    if not isinstance(destination, dict) or not isinstance(destination.get("address"), str):
        raise invalid("destination.address", "destination.address is required: a host name or an IP address.")
    port = destination.get("port")
    if type(port) is not int or not 0 < port < 65536:
        raise invalid("destination.port", "destination.port must be a whole number from 1 to 65535.")
    protocol = str(body.get("protocol") or "TCP").upper()
    if protocol not in PROTOCOLS:
        raise invalid("protocol", f"protocol must be one of {', '.join(PROTOCOLS)}.")
    preferred = body.get("preferredIPVersion")
    if preferred is not None and str(preferred).lower() != "ipv4":
        raise invalid("preferredIPVersion", "preferredIPVersion can only be IPv4.")
    host, path = _destination(destination["address"], protocol)
    method, codes, headers = _http(body)
    return Check(host, port, protocol, preferred is not None, method, path, codes, headers)


def _destination(text: str, protocol: str) -> tuple[str, str]:
    """Host and path: over HTTP the address may be a URL."""
    host, path = text.strip(), "/"
    try:
        if "://" in host:
            parts = urlsplit(host)
            if protocol == "TCP" or parts.scheme.upper() != protocol:
                raise ValueError
            host, path = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = host.strip("[]")
        host.encode("idna")
    except ValueError:
        host = ""
    if not 0 < len(host) <= 255 or any(each in host for each in "/?#@ \t\r\n\0"):
        raise invalid("destination.address", "destination.address must be a host name or an IP address.")
    return host, path


def _http(body: dict[str, Any]) -> tuple[str, frozenset[int], tuple[tuple[str, str], ...]]:
    """Method, statuses and headers of the HTTP configuration."""
    configuration = body.get("protocolConfiguration") or {}
    settings = (configuration.get("HTTPConfiguration") or {}) if isinstance(configuration, dict) else None
    if not isinstance(settings, dict):
        raise invalid(
            "protocolConfiguration", "protocolConfiguration must be an object with HTTPConfiguration, an object."
        )
    method, codes, headers = settings.get("method") or "GET", settings.get("validStatusCodes"), settings.get("headers")
    target = "protocolConfiguration.HTTPConfiguration"
    if str(method).upper() not in ("GET", "POST"):
        raise invalid(f"{target}.method", "method must be GET or POST.")
    if not isinstance(codes or [], list) or not all(type(each) is int for each in codes or []):
        raise invalid(f"{target}.validStatusCodes", "validStatusCodes must be a list of whole numbers.")
    if not isinstance(headers or [], list):
        raise invalid(f"{target}.headers", "headers must be a list.")
    found = []
    for each in headers or []:
        name, value = (each.get("name"), each.get("value")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str) or any(c in name + value for c in "\r\n\0"):
            raise invalid(f"{target}.headers", "Each header has a name and a value, without line breaks.")
        found.append((name, value))
    if len(found) > MOST_HEADERS:
        raise invalid(f"{target}.headers", f"At most {MOST_HEADERS} headers.")
    return str(method).upper(), frozenset(codes or []), tuple(found)


async def _probe(check: Check, address: Address) -> None:
    """One probe. Raises when it does not arrive."""
    if check.protocol == "TCP":
        _, writer = await asyncio.open_connection(str(address), check.port)
        writer.close()
        return
    connector = aiohttp.TCPConnector(resolver=_Fixed(address), force_close=True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        host = f"[{check.host}]" if ":" in check.host else check.host
        url = f"{check.protocol.lower()}://{host}:{check.port}{check.path}"
        async with session.request(check.method, url, headers=check.headers, allow_redirects=False) as response:
            if check.codes and response.status not in check.codes:
                raise ValueError(f"it answered {response.status}")


def _own_address(address: Address, port: int) -> str:
    """Where packets to `address` leave from; "" when there is no way to it. Nothing is sent for that."""
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), port))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


class _Fixed(AbstractResolver):
    """Every name is at the address that was checked."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        family = socket.AF_INET6 if self._address.version == 6 else socket.AF_INET
        return [
            ResolveResult(
                hostname=host, host=str(self._address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
            )
        ]

    async def close(self) -> None:
        pass


def _issue(type: str, what: str, error: BaseException) -> dict[str, Any]:
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or error.__class__.__name__
    context = [{"name": "destination", "value": what[:300]}, {"name": "reason", "value": reason[:300]}]
    return {"origin": "Outbound", "severity": "Error", "type": type, "context": context}


def _answer(hops: list[dict[str, Any]], times: list[float], sent: int) -> dict[str, Any]:
    status = "Connected" if len(times) == sent else "Degraded" if times else "Disconnected"
    latency = (
        {
            "avgLatencyInMs": round(sum(times) / len(times)),
            "minLatencyInMs": round(min(times)),
            "maxLatencyInMs": round(max(times)),
        }
        if times
        else {}
    )
    return {
        "hops": hops,
        "connectionStatus": status,
        **latency,
        "probesSent": sent,
        "probesFailed": sent - len(times),
    }

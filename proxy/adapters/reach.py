"""Where the calls of policies may go: their address is often made of what a client sent.

Rules
1. Metadata services of clouds, link-local, unspecified and multicast addresses are never called.
2. Loopback is called only if `net.client.loopback.allowed` is true, plain http only if `net.client.http.allowed` is;
   plain http to loopback needs the former alone.
3. What a name resolves to is held against the same rules, and the checked address is the one that is called.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.messages import Url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# of Azure, Alibaba Cloud and AWS, where they are not link-local
_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(slots=True, frozen=True)
class Reach:
    """What the settings allow to policies."""

    loopback: bool = False
    plain_http: bool = False

    def objection(self, url: Url) -> str | None:
        """Why this URL may not be called, with the remedy; None when it may."""
        host = url.host.rstrip(".").lower()
        address = _address(host)
        local = host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)
        if local and not self.loopback:
            return f"Policies may not call {url.authority}: it is loopback. Set net.client.loopback.allowed to true."
        if address is not None and not self.allows(address):
            return f"Policies may not call {url.authority}: such addresses are never called."
        if url.scheme == "http" and not local and not self.plain_http:
            return f"Policies may not call {url.authority} over plain http. Use https or set net.client.http.allowed."
        return None

    def allows(self, address: Address) -> bool:
        if address.is_loopback:
            return self.loopback
        if address in _METADATA:
            return False
        return not (address.is_link_local or address.is_unspecified or address.is_multicast)


class ScreenedResolver(AbstractResolver):
    """Resolves names and keeps only the addresses that may be called; OSError when none is left."""

    def __init__(self, reach: Reach, resolver: AbstractResolver | None = None) -> None:
        self._reach = reach
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        kept = [each for each in found if (address := _address(each["host"])) and self._reach.allows(address)]
        if not kept:
            raise OSError(None, f"{host} resolves to addresses that policies may not call")
        return kept

    async def close(self) -> None:
        await self._resolver.close()


def _address(host: str) -> Address | None:
    """An address, seen through the IPv4-in-IPv6 notations; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address

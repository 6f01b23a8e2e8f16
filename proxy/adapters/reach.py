"""Where the calls of policies may go: their address is often made of what a client sent.

Rules
1. Metadata services of clouds, link-local, unspecified, reserved, broadcast and multicast addresses are never called.
2. Loopback is called only if `net.client.loopback.allowed` is true, plain http only if `net.client.http.allowed` is;
   plain http to loopback needs the former alone.
3. What a name resolves to is held against the same rules, and the checked address is the one that is called.
4. A request that is forwarded where an expression or a redirect says is held against the same rules, but for that of
   plain http: its backend may well be one of the inside.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.messages import Url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# of Azure, Alibaba Cloud, Oracle Cloud, AWS and Google Cloud, where they are not link-local
_METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
# IPv4 within IPv6, in the last four bytes: for translators (RFC 6052, 8215, 2765), and the deprecated compatible form
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))


@dataclass(slots=True, frozen=True)
class Reach:
    """What the settings allow to policies."""

    loopback: bool = False
    plain_http: bool = False

    def objection(self, url: Url, plain_http: bool = False) -> str | None:
        """Why this URL may not be called, with the remedy; None when it may. `plain_http`: in this case it may be."""
        host = url.host.rstrip(".").lower()
        address = _address(host)
        local = host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)
        if local and not self.loopback:
            return f"Policies may not call {url.authority}: it is loopback. Set net.client.loopback.allowed to true."
        if address is not None and not self.allows(address):
            return f"Policies may not call {url.authority}: such addresses are never called."
        if url.scheme in ("http", "ws") and not local and not (self.plain_http or plain_http):
            return f"Policies may not call {url.authority} over plain http. Use https or set net.client.http.allowed."
        return None

    def allows(self, address: Address) -> bool:
        if address.is_loopback:
            return self.loopback
        if address in _METADATA or (address.version == 4 and (address in _THIS_NETWORK or address.is_reserved)):
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
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback or address.is_unspecified:
        return address
    if any(address in each for each in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address

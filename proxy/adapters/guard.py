"""What policies may call: https to addresses that are neither this machine's own nor of the link.

Rules
1. Plain http, loopback, link-local, multicast and unspecified addresses, and those where clouds have their metadata
   services, are refused, unless local targets are allowed.
2. A name is resolved once, judged, and connected to at the very address that was judged: a name that changes its
   address in between reaches nothing.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from proxy.messages import Url

REMEDY = "Set policy.outgoing.local.enabled to true where such targets are meant."
# of Azure, Alibaba Cloud and AWS; the usual one is link-local
METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refusal(url: Url) -> str | None:
    """Why a policy may not call this URL; None when it may, as far as the URL shows it."""
    if url.scheme not in ("https", "wss"):
        return f"A policy may call https only, and {url.scheme}://{url.authority} is not. {REMEDY}"
    try:
        address = ipaddress.ip_address(url.host.strip("[]"))
    except ValueError:
        return None
    return None if is_public(address) else f"A policy may not call the address {address}. {REMEDY}"


def is_public(address: Address) -> bool:
    """Whether an address is another machine's; private networks count, since backends live there."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        address = embedded or address.ipv4_mapped or address.sixtofour or address
    if address in METADATA:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


class GuardedResolver(AbstractResolver):
    """Resolves names to the addresses that policies may call; raises OSError when none is left."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if is_public(ipaddress.ip_address(each["host"].partition("%")[0]))]
        if not allowed:
            raise OSError(None, f"{host} is at an address that a policy may not call. {REMEDY}")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()

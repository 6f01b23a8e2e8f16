"""Which addresses the plane calls when somebody asks it to."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

# of Azure, Alibaba Cloud and AWS, where they are not link-local
METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_callable(address: Address, loopback: bool) -> bool:
    """False for link-local, multicast and unspecified addresses and the metadata services of clouds, however they are
    written; `loopback` says whether this machine may be called."""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
        address = address.ipv4_mapped or address.sixtofour or mapped or address
    if address.is_loopback:
        return loopback
    return not (address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA)


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """For connectors: what is about to be called is looked at, whatever name or redirect led there. Raises OSError."""
    family, kind, protocol, _, place = info
    if not is_callable(ipaddress.ip_address(str(place[0]).partition("%")[0]), loopback=True):
        why = "this address is not called from here: link-local, multicast, or a metadata service"
        raise PermissionError(errno.EACCES, why)
    return socket.socket(family, kind, protocol)

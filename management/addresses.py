"""Which addresses the plane calls when somebody asks it to."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

# of Azure, Alibaba Cloud, Oracle Cloud, AWS and Google Cloud, where they are not link-local
METADATA = frozenset(
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
# IPv4 within IPv6, in the last four bytes: for translators (RFC 6052, 8215, 2765), and the deprecated compatible form
EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_callable(address: Address, loopback: bool) -> bool:
    """False for link-local, multicast, reserved and unspecified addresses and the metadata services of clouds, however
    they are written; `loopback` says whether this machine may be called."""
    address = _within(address)
    if address.is_loopback:
        return loopback
    if address in METADATA or (address.version == 4 and (address in THIS_NETWORK or address.is_reserved)):
        return False
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def _within(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback or address.is_unspecified:
        return address
    if any(address in each for each in EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """For connectors: what is about to be called is looked at, whatever name or redirect led there. Raises OSError."""
    family, kind, protocol, _, place = info
    if not is_callable(ipaddress.ip_address(str(place[0]).partition("%")[0]), loopback=True):
        why = "this address is not called from here: link-local, multicast, or a metadata service"
        raise PermissionError(errno.EACCES, why)
    return socket.socket(family, kind, protocol)

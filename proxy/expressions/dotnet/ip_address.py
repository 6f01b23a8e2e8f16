"""System.Net.IPAddress."""

from __future__ import annotations

import ipaddress
import re

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE
from proxy.expressions.dotnet.enums import enum_value, enumeration
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, argument, argument_null, format_error
from proxy.expressions.table import constant, define, members
from proxy.expressions.types import type_of_name

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ADDRESS = define("IPAddress", "System.Net.IPAddress")
enumeration("AddressFamily", "System.Net.Sockets.AddressFamily", {"InterNetwork": 2, "InterNetworkV6": 23})
_FAMILY = type_of_name("AddressFamily")


def _shown(address: Address) -> str:
    """IPv4 addresses in IPv6 keep their dots."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"::ffff:{mapped}" if mapped is not None else str(address)


for _class in (ipaddress.IPv4Address, ipaddress.IPv6Address):
    stands_for(_class, "IPAddress")
    TEXTS[_class] = _shown
_PART = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*", re.ASCII)


def _number(text: str) -> int:
    """One part of a dotted address: decimal, 0x hexadecimal or 0 octal."""
    if not _PART.fullmatch(text):
        raise ValueError(text)
    if text[:2].lower() == "0x":
        return int(text, 16)
    return int(text, 8) if text[0] == "0" else int(text)


def parse_address(text: str | None) -> Address:
    if text is None:
        argument_null("ipString")
    try:
        if ":" in text:
            return ipaddress.IPv6Address(re.sub(r"^\[(.*)\](?::\d+)?$", r"\1", text))
        *high, low = (_number(part) for part in text.split("."))
        if len(high) > 3 or any(part > 255 for part in high) or low >= 256 ** (4 - len(high)):
            raise ValueError(text)
        return ipaddress.IPv4Address(sum(part << 24 - 8 * index for index, part in enumerate(high)) + low)
    except ValueError:
        return format_error("An invalid IP address was specified.")


def _is_loopback(address: Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _attempt(text: str | None) -> tuple[bool, Address | None]:
    try:
        return (False, None) if text is None else (True, parse_address(text))
    except DotNetError:
        return False, None


def _of_bytes(data: list[int]) -> Address:
    if len(data) not in (4, 16):
        argument("An invalid IP address was specified.", "address")
    return ipaddress.ip_address(bytes(data))


members(
    ADDRESS,
    {
        "new(byte[] address)": _of_bytes,
        "static IPAddress Parse(string ipString)": parse_address,
        "static bool TryParse(string ipString, out IPAddress address)": _attempt,
        "static bool IsLoopback(IPAddress address)": _is_loopback,
        "static IPAddress Loopback": constant(ipaddress.IPv4Address("127.0.0.1")),
        "static IPAddress None": constant(ipaddress.IPv4Address(0xFFFFFFFF)),
        "static IPAddress Broadcast": constant(ipaddress.IPv4Address(0xFFFFFFFF)),
        "static IPAddress IPv6Any": constant(ipaddress.IPv6Address(0)),
        "static IPAddress IPv6Loopback": constant(ipaddress.IPv6Address(1)),
        "static IPAddress Any": constant(ipaddress.IPv4Address(0)),
        "AddressFamily AddressFamily": lambda address: enum_value(_FAMILY, 2 if address.version == 4 else 23),
        "byte[] GetAddressBytes()": lambda address: Array(BYTE, address.packed),
        "bool Equals(object other)": lambda a, b: a == b,
        "string ToString()": _shown,
    },
)

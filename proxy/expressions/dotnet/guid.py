"""System.Guid: 128 bits in .NET's mixed byte order."""

from __future__ import annotations

import re
import struct
import uuid
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.format import FORMATS
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import HASHES, Array, stands_for
from proxy.expressions.runtime import argument, argument_null, format_error
from proxy.expressions.table import constant, members, with_exchange
from proxy.expressions.types import type_of_name

if TYPE_CHECKING:
    from proxy.exchange import Exchange


class Guid(int):
    """The 128-bit number in network order."""

    __slots__ = ()

    def __str__(self) -> str:
        digits = f"{int(self):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


stands_for(Guid, "Guid")
TEXTS[Guid] = Guid.__str__
EMPTY = Guid(0)
_SHAPE = re.compile(
    r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|\([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}",
    re.IGNORECASE,
)


def parse_guid(text: str | None) -> Guid:
    if text is None:
        argument_null("input")
    shape = text.strip()
    if not _SHAPE.fullmatch(shape):
        format_error("Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx).")
    return Guid(int(re.sub(r"[^0-9a-fA-F]", "", shape), 16))


def new_guid(exchange: Exchange) -> Guid:
    """A version 4 Guid from the clock port's randomness."""
    random = exchange.ports.clock.random
    number = 0
    for _ in range(4):
        number = number << 32 | int(random() * 0x1_0000_0000)
    number &= ~(0xF << 76 | 0x3 << 62)
    return Guid(number | 4 << 76 | 2 << 62)


def show(value: Guid, pattern: str | None) -> str:
    text = str(value)
    kind = (pattern or "D").upper()
    if kind == "D":
        return text
    if kind == "N":
        return text.replace("-", "")
    if kind == "B":
        return f"{{{text}}}"
    if kind == "P":
        return f"({text})"
    return format_error('Format string can be only "D", "d", "N", "n", "P", "p", "B", "b", "X" or "x".')


def _bytes(value: Guid) -> Array:
    return Array(type_of_name("byte"), uuid.UUID(int=int(value)).bytes_le)


def _of_bytes(data: Any) -> Guid:
    if len(data) != 16:
        argument("Byte array for Guid must be exactly 16 bytes long.", "b")
    return Guid(uuid.UUID(bytes_le=bytes(data)).int)


def _attempt(text: str | None) -> tuple[bool, Guid]:
    if text is None or not _SHAPE.fullmatch(text.strip()):
        return False, EMPTY
    return True, parse_guid(text)


def _hash(value: Guid) -> int:
    one, two, three, four = struct.unpack("<4i", uuid.UUID(int=int(value)).bytes_le)
    return int(one ^ two ^ three ^ four)


FORMATS[Guid] = show
HASHES["Guid"] = _hash
members(
    p.GUID,
    {
        "new(string g)": parse_guid,
        "new(byte[] b)": _of_bytes,
        "new()": lambda: EMPTY,
        "static Guid NewGuid()": with_exchange(new_guid),
        "static Guid Parse(string input)": parse_guid,
        "static bool TryParse(string input, out Guid result)": _attempt,
        "static Guid Empty": constant(EMPTY),
        "string ToString()": str,
        "string ToString(string format)": show,
        "byte[] ToByteArray()": _bytes,
        "int CompareTo(Guid other)": lambda a, b: int(a > b) - int(a < b),
        "bool Equals(Guid other)": lambda a, b: a == b,
        "static bool op_Equality(Guid a, Guid b)": lambda a, b: a == b,
        "static bool op_Inequality(Guid a, Guid b)": lambda a, b: a != b,
    },
)

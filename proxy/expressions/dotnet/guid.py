"""System.Guid: 128 bits in .NET's mixed byte order."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.format import FORMATS
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import HASHES, Array, stands_for
from proxy.expressions.runtime import DotNetError, argument, argument_null, format_error
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
_DASHED = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_HEX = r"0x[0-9a-f]{1,8}"
_SHAPES = {
    "D": re.compile(_DASHED, re.I),
    "N": re.compile(r"[0-9a-f]{32}", re.I),
    "B": re.compile(rf"\{{{_DASHED}\}}", re.I),
    "P": re.compile(rf"\({_DASHED}\)", re.I),
    "X": re.compile(
        rf"\{{\s*({_HEX})\s*,\s*({_HEX})\s*,\s*({_HEX})\s*,\s*\{{((?:\s*{_HEX}\s*,){{7}}\s*{_HEX})\s*\}}\s*\}}", re.I
    ),
}
_DASHES = "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."
_BAD_FORMAT = 'Format string can be only "D", "d", "N", "n", "P", "p", "B", "b", "X" or "x".'


def _by_shape(text: str, kind: str) -> Guid | None:
    found = _SHAPES[kind].fullmatch(text)
    if found is None:
        return None
    if kind != "X":
        return Guid(int(re.sub(r"[^0-9a-fA-F]", "", text), 16))
    widths = [8, 4, 4, *[2] * 8]
    numbers = [found[1], found[2], found[3], *found[4].split(",")]
    values = [int(number.strip(), 16) for number in numbers]
    if any(value >= 16**width for value, width in zip(values, widths, strict=True)):
        return None
    return Guid(int("".join(f"{value:0{width}x}" for value, width in zip(values, widths, strict=True)), 16))


def parse_guid(text: str | None) -> Guid:
    if text is None:
        argument_null("input")
    shape = text.strip()
    for kind in _SHAPES:
        found = _by_shape(shape, kind)
        if found is not None:
            return found
    if not shape:
        format_error("Unrecognized Guid format.")
    if re.fullmatch(r".{8}-.{4}-.{4}-.{4}-.{12}", shape, re.S):
        format_error("Guid string should only contain hexadecimal characters.")
    return format_error(_DASHES)


def _parse_exact(text: str | None, pattern: str | None) -> Guid:
    if text is None or pattern is None:
        argument_null("input" if text is None else "format")
    if pattern.upper() not in _SHAPES:
        format_error(_BAD_FORMAT)
    found = _by_shape(text.strip(), pattern.upper())
    return format_error(_DASHES) if found is None else found


def _attempt(parse: Callable[..., Guid]) -> Callable[..., tuple[bool, Guid]]:
    def run(*given: Any) -> tuple[bool, Guid]:
        try:
            return True, parse(*given)
        except DotNetError:
            return False, EMPTY

    return run


def new_guid(exchange: Exchange) -> Guid:
    """A version 4 Guid from the clock port's randomness."""
    random = exchange.ports.clock.random
    number = 0
    for _ in range(4):
        number = number << 32 | int(random() * 0x1_0000_0000)
    number &= ~(0xF << 76 | 0x3 << 62)
    return Guid(number | 4 << 76 | 2 << 62)


def show(value: Guid, pattern: str | None, _: Any = None) -> str:
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
    if kind == "X":
        one, two, three, four, five = text.split("-")
        rest = ",".join(f"0x{(four + five)[at : at + 2]}" for at in range(0, 16, 2))
        return f"{{0x{one},0x{two},0x{three},{{{rest}}}}}"
    return format_error(_BAD_FORMAT)


def _bytes(value: Guid) -> Array:
    return Array(type_of_name("byte"), uuid.UUID(int=int(value)).bytes_le)


def _of_bytes(data: Any) -> Guid:
    if data is None:
        argument_null("b")
    if len(data) != 16:
        argument("Byte array for GUID must be exactly 16 bytes long.", "b")
    return Guid(uuid.UUID(bytes_le=bytes(data)).int)


def _of_parts(one: int, two: int, three: int, *rest: Any) -> Guid:
    tail = list(rest[0]) if isinstance(rest[0], list) else list(rest)
    if len(tail) != 8:
        argument("Byte array for GUID must be exactly 8 bytes long.", "d")
    head = struct.pack(">IHH", one & 0xFFFFFFFF, two & 0xFFFF, three & 0xFFFF)
    return Guid(int.from_bytes(head + bytes(tail), "big"))


def _compare(left: Guid, right: Guid) -> int:
    return int(left > right) - int(left < right)


def _compare_object(left: Guid, right: Any) -> int:
    if right is None:
        return 1
    if not isinstance(right, Guid):
        argument("Object must be of type GUID.", "value")
    return _compare(left, right)


def _hash(value: Guid) -> int:
    one, two, three, four = struct.unpack("<4i", uuid.UUID(int=int(value)).bytes_le)
    return int(one ^ two ^ three ^ four)


FORMATS[Guid] = show
HASHES["Guid"] = _hash
_TAIL = ", ".join(f"byte {name}" for name in "defghijk")
members(
    p.GUID,
    {
        "new(string g)": parse_guid,
        "new(byte[] b)": _of_bytes,
        "new()": lambda: EMPTY,
        "new(int a, short b, short c, byte[] d)": _of_parts,
        f"new(int a, short b, short c, {_TAIL})": _of_parts,
        f"new(uint a, ushort b, ushort c, {_TAIL})": _of_parts,
        "static Guid NewGuid()": with_exchange(new_guid),
        "static Guid Parse(string input)": parse_guid,
        "static Guid ParseExact(string input, string format)": _parse_exact,
        "static bool TryParse(string input, out Guid result)": _attempt(parse_guid),
        "static bool TryParseExact(string input, string format, out Guid result)": _attempt(_parse_exact),
        "static Guid Empty": constant(EMPTY),
        "string ToString()": str,
        "string ToString(string format)": show,
        "string ToString(string format, IFormatProvider provider)": show,
        "byte[] ToByteArray()": _bytes,
        "int CompareTo(Guid value)": _compare,
        "int CompareTo(object value)": _compare_object,
        "bool Equals(Guid g)": lambda a, b: a == b,
        "bool Equals(object o)": lambda a, b: isinstance(b, Guid) and a == b,
        "static bool op_Equality(Guid a, Guid b)": lambda a, b: a == b,
        "static bool op_Inequality(Guid a, Guid b)": lambda a, b: a != b,
    },
)

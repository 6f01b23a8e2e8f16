"""System.Convert, BitConverter, and the conversions that policies use on an expression's value."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from proxy.errors import ExpressionFailed
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.datetext import parse_date
from proxy.expressions.dotnet.datetime import DateTime
from proxy.expressions.dotnet.numbers import _WORDS, parse_bool, parse_decimal, parse_double, parse_integer
from proxy.expressions.dotnet.numeric import limits, single, to_decimal
from proxy.expressions.dotnet.text import to_text as to_text
from proxy.expressions.dotnet.values import BOXES, Array, Char, name_of
from proxy.expressions.runtime import (
    DotNetError,
    allocate,
    argument_null,
    format_error,
    invalid_cast,
    out_of_range,
    overflow,
)
from proxy.expressions.table import constant, define, members
from proxy.expressions.types import INTEGRAL, type_of_name

_NULL_TO_VALUE = "Null object cannot be converted to a value type."
BYTE = type_of_name("byte")


def integer(name: str) -> Callable[[Any], int]:
    """Convert.ToInt32 and its like: rounds half to even, checks the range."""
    low, high = limits(name)
    parse = parse_integer(name)

    def convert(value: Any) -> int:
        if value is None:
            return 0
        if isinstance(value, Char):
            whole = ord(value)
        elif isinstance(value, str):
            return parse(value)
        elif isinstance(value, int):
            whole = int(value)
        elif isinstance(value, float):
            if not low - 1 < value < high + 1:
                overflow(f"Value was either too large or too small for {_WORDS[name]}.")
            whole = int(Decimal(value).to_integral_value(ROUND_HALF_EVEN))
        elif isinstance(value, Decimal):
            whole = int(value.to_integral_value(ROUND_HALF_EVEN))
        else:
            _no_convertible(value)
        if not low <= whole <= high:
            overflow(f"Value was either too large or too small for {_WORDS[name]}.")
        return whole

    return convert


def _no_convertible(value: Any) -> Any:
    from proxy.expressions.dotnet.json_tokens import JToken

    if isinstance(value, (JToken,)) and not hasattr(value, "value"):
        pass
    return invalid_cast(name_of(value), "System.IConvertible")


def _unwrapped(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A JValue converts as the value in it."""

    def convert(value: Any) -> Any:
        from proxy.expressions.dotnet.json_tokens import JValue

        return function(value.value if isinstance(value, JValue) else value)

    return convert


def real(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, str) and not isinstance(value, Char):
        return parse_double(value)
    if isinstance(value, (int, float, Decimal)):
        return float(value)
    return float(_no_convertible(value))


def exact(value: Any) -> Decimal:
    if value is None:
        return Decimal(0)
    if isinstance(value, str) and not isinstance(value, Char):
        return parse_decimal(value)
    if isinstance(value, float):
        return to_decimal(value)
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    return Decimal(_no_convertible(value))


def truth(value: Any) -> bool:
    if value is None:
        return False
    if isinstance(value, str) and not isinstance(value, Char):
        return parse_bool(value)
    if isinstance(value, (int, float, Decimal)):
        return bool(value)
    return bool(_no_convertible(value))


def moment(value: Any) -> DateTime:
    if value is None:
        return DateTime(0)
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, DateTime):
        return value
    return DateTime(_no_convertible(value))


def character(value: Any) -> str:
    if value is None:
        return "\0"
    if isinstance(value, str):
        if len(value) != 1:
            format_error("String must be exactly one character long.")
        return str(value)
    if isinstance(value, int):
        return chr(value & 0xFFFF)
    return str(_no_convertible(value))


CHANGES: dict[str, Callable[[Any], Any]] = {
    **{name: integer(name) for name in INTEGRAL},
    "double": real,
    "float": lambda value: single(real(value)),
    "decimal": exact,
    "bool": truth,
    "char": character,
    "DateTime": moment,
    "string": lambda value: None if value is None else to_text(value),
}


def change_type(value: Any, name: str) -> Any:
    """Convert.ChangeType to the type of that (short) name."""
    if value is None and name != "string":
        raise DotNetError("System.InvalidCastException", _NULL_TO_VALUE)
    function = CHANGES.get(name)
    if function is None:
        return invalid_cast(name_of(value), type_of_name(name).full_name)
    return function(value)


# Base64


_NOT_BASE64 = (
    "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, "
    "or an illegal character among the padding characters."
)


def from_base64(text: str | None) -> Array:
    if text is None:
        argument_null("s")
    packed = re.sub(r"[ \t\r\n]", "", text)
    if len(packed) % 4:
        format_error(_NOT_BASE64)
    try:
        return Array(BYTE, base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError):
        return format_error(_NOT_BASE64)


def as_bytes(data: Any) -> bytes:
    if data is None:
        argument_null("inArray")
    return bytes(data)


def to_base64(data: Any) -> str:
    raw = as_bytes(data)
    allocate(len(raw) * 4 // 3)
    return base64.b64encode(raw).decode()


def _base(text: str | None, base: int) -> int:
    if base not in (2, 8, 10, 16):
        from proxy.expressions.runtime import argument

        argument("Invalid Base.")
    if text is None:
        return 0
    if base == 10:
        return CHANGES["int"](text)  # type: ignore[no-any-return]
    digits = text.lower().removeprefix("0x") if base == 16 else text
    if not re.fullmatch(r"[0-9a-f]{1,64}", digits):
        format_error("Could not find any recognizable digits.")
    try:
        value = int(digits, base)
    except ValueError:
        format_error("Additional non-parsable characters are at the end of the string.")
    return value


def _folded_base(name: str) -> Callable[[str | None, int], int]:
    from proxy.expressions.dotnet.numeric import wrapper
    from proxy.expressions.types import BITS

    fold = wrapper(name)

    def convert(text: str | None, base: int) -> int:
        value = _base(text, base)
        if value >= 1 << BITS[name]:
            overflow(f"Value was either too large or too small for {_WORDS[name]}.")
        return fold(value)

    return convert


def _to_base(bits: int) -> Callable[[int, int], str]:
    def show(value: int, base: int) -> str:
        if base == 10:
            return str(value)
        return format(value & ((1 << bits) - 1), {2: "b", 8: "o", 16: "x"}.get(base, "d"))

    return show


CONVERT = define("Convert", "System.Convert", kind="static")
_NAMES = {
    "sbyte": "SByte", "byte": "Byte", "short": "Int16", "ushort": "UInt16", "int": "Int32", "uint": "UInt32",
    "long": "Int64", "ulong": "UInt64", "double": "Double", "float": "Single", "decimal": "Decimal", "bool": "Boolean",
    "char": "Char",
    "DateTime": "DateTime",
}  # fmt: skip
for _name, _label in _NAMES.items():
    _text = parse_bool if _name == "bool" else CHANGES[_name]
    members(
        CONVERT,
        {
            f"static {_name} To{_label}(object value)": _unwrapped(CHANGES[_name]),
            f"static {_name} To{_label}(string value)": (lambda value, f=CHANGES[_name]: f(value)),
        },
    )
    if _name in INTEGRAL:
        members(CONVERT, {f"static {_name} To{_label}(string value, int fromBase)": _folded_base(_name)})
members(
    CONVERT,
    {
        "static string ToString(object value)": to_text,
        "static string? ToString(string value)": lambda text: text,
        "static string ToString(int value, int toBase)": _to_base(32),
        "static string ToString(long value, int toBase)": _to_base(64),
        "static string ToBase64String(byte[] inArray)": to_base64,
        "static string ToBase64String(byte[] inArray, int offset, int length)": lambda d, i, n: to_base64(
            list(d)[i : i + n]
        ),
        "static byte[] FromBase64String(string s)": from_base64,
        "static string ToHexString(byte[] inArray)": lambda data: as_bytes(data).hex().upper(),
        "static byte[] FromHexString(string s)": lambda text: _from_hex(text),
    },
)


def _from_hex(text: str | None) -> Array:
    if text is None:
        argument_null("s")
    try:
        return Array(BYTE, binascii.unhexlify(text))
    except (binascii.Error, ValueError):
        return format_error("The input is not a valid hex string as it contains a non-hex character.")


# BitConverter

BITS = define("BitConverter", "System.BitConverter", kind="static")
_CODES = {
    "short": "<h",
    "ushort": "<H",
    "int": "<i",
    "uint": "<I",
    "long": "<q",
    "ulong": "<Q",
    "float": "<f",
    "double": "<d",
    "bool": "<?",
}


def _read(code: str) -> Callable[[Any, int], Any]:
    def read(data: Any, start: int) -> Any:
        raw = as_bytes(data)
        if not 0 <= start < len(raw):
            out_of_range(
                "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
            )
        try:
            return struct.unpack_from(code, raw, start)[0]
        except struct.error:
            raise DotNetError(
                "System.ArgumentException",
                "Destination array is not long enough to copy all the items in the collection. "
                "Check array index and length.",
            ) from None

    return read


for _name, _code in _CODES.items():
    members(
        BITS,
        {
            f"static byte[] GetBytes({_name} value)": lambda value, code=_code: Array(BYTE, struct.pack(code, value)),
            f"static {_name} To{_NAMES[_name]}(byte[] value, int startIndex)": _read(_code),
        },
    )
members(
    BITS,
    {
        "static string ToString(byte[] value)": lambda data: as_bytes(data).hex("-").upper() if len(data) else "",
        "static string ToString(byte[] value, int startIndex)": lambda data, i: as_bytes(data[i:]).hex("-").upper(),
        "static string ToString(byte[] value, int startIndex, int length)": lambda data, i, n: (
            as_bytes(data[i : i + n]).hex("-").upper() if n else ""
        ),
        "static long DoubleToInt64Bits(double value)": lambda v: struct.unpack("<q", struct.pack("<d", v))[0],
        "static double Int64BitsToDouble(long value)": lambda v: struct.unpack("<d", struct.pack("<q", v))[0],
        "static byte[] GetBytes(char value)": lambda value: Array(BYTE, struct.pack("<H", ord(value))),
        "static char ToChar(byte[] value, int startIndex)": lambda data, start: chr(_read("<H")(data, start)),
        "static bool IsLittleEndian": constant(True),
    },
)


# What policies call


def to_int(value: Any) -> int:
    """The value as an Int32, as an attribute needs it. Raises ExpressionFailed."""
    return int(_for_policy(value, "int", "an integer"))


def to_float(value: Any) -> float:
    return float(_for_policy(value, "double", "a number"))


def to_bool(value: Any) -> bool:
    return bool(_for_policy(value, "bool", "true or false"))


def _for_policy(value: Any, name: str, words: str) -> Any:
    try:
        if value is None:
            raise DotNetError("System.InvalidCastException", _NULL_TO_VALUE)
        return _unwrapped(CHANGES[name])(value)
    except DotNetError as error:
        raise ExpressionFailed(error.message, f"{error.kind}: the policy needs {words}") from None


def to_bytes(value: Any) -> bytes:
    """The value as the bytes of a message body: byte[] as it is, everything else as UTF-8 text."""
    if isinstance(value, Array) and value.element is BYTE:
        return bytes(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return to_text(value).encode("utf-8", "replace")


__all__ = ["BOXES", "change_type", "p", "to_bool", "to_bytes", "to_float", "to_int", "to_text"]

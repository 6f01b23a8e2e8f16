"""System.Convert, BitConverter, and the conversions that policies use on an expression's value."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NoReturn

from proxy.errors import ExpressionFailed
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.datetext import parse_date
from proxy.expressions.dotnet.datetime import DateTime
from proxy.expressions.dotnet.enums import enumeration
from proxy.expressions.dotnet.numbers import _WORDS, parse_bool, parse_decimal, parse_double, parse_integer
from proxy.expressions.dotnet.numeric import limits, single, to_decimal, wrapper
from proxy.expressions.dotnet.text import to_text as to_text
from proxy.expressions.dotnet.values import BOXES, Array, Char, EnumValue, name_of, runtime_type
from proxy.expressions.runtime import (
    MAX_ALLOCATION,
    DotNetError,
    allocate,
    argument,
    argument_null,
    format_error,
    invalid_cast,
    out_of_range,
    overflow,
    stepwise,
)
from proxy.expressions.table import constant, define, members
from proxy.expressions.types import BITS, INTEGRAL, Type, type_of_name

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
        elif type(value) not in _CONVERTIBLE or isinstance(value, DateTime):
            no_conversion(value, name)
        elif isinstance(value, float):
            if not low - 1 < value < high + 1:
                if name in ("long", "ulong"):
                    overflow()
                # the narrow ones go through Int32
                wide = BITS[name] < 32 and not -2147483649.0 < value < 2147483648.0
                overflow(f"Value was either too large or too small for {_WORDS['int' if wide else name]}.")
            whole = int(Decimal(value).to_integral_value(ROUND_HALF_EVEN))
        elif isinstance(value, Decimal):
            whole = int(value.to_integral_value(ROUND_HALF_EVEN))
        else:
            whole = int(value)
        if not low <= whole <= high:
            overflow(f"Value was either too large or too small for {_WORDS[name]}.")
        return whole

    return convert


# what implements IConvertible
_CONVERTIBLE = {str, bool, int, float, Decimal, DateTime, EnumValue, *BOXES.values()}


def no_conversion(value: Any, name: str) -> NoReturn:
    """Raises InvalidCastException."""
    if type(value) not in _CONVERTIBLE:
        invalid_cast(name_of(value), "System.IConvertible")
    source = "Enum" if isinstance(value, EnumValue) else name_of(value).removeprefix("System.")
    target = type_of_name(name).full_name.removeprefix("System.")
    raise DotNetError("System.InvalidCastException", f"Invalid cast from '{source}' to '{target}'.")


def _unwrapped(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A JValue converts as the value in it."""

    def convert(value: Any) -> Any:
        from proxy.expressions.dotnet.json_tokens import JValue

        return function(value.value if isinstance(value, JValue) else value)

    return convert


def _number(value: Any, name: str) -> Any:
    """What double, decimal and bool convert from."""
    if type(value) not in _CONVERTIBLE or isinstance(value, (str, DateTime)):
        no_conversion(value, name)
    return value


def real(value: Any) -> float:
    if value is None:
        return 0.0
    return parse_double(value) if type(value) is str else float(_number(value, "double"))


def exact(value: Any) -> Decimal:
    if value is None:
        return Decimal(0)
    if type(value) is str:
        return parse_decimal(value)
    number = _number(value, "decimal")
    return to_decimal(number) if isinstance(number, float) else Decimal(number)


def truth(value: Any) -> bool:
    if value is None:
        return False
    return parse_bool(value) if type(value) is str else bool(_number(value, "bool"))


def moment(value: Any) -> DateTime:
    if value is None:
        return DateTime(0)
    if type(value) is str:
        return parse_date(value)
    return value if isinstance(value, DateTime) else no_conversion(value, "DateTime")


def character(value: Any) -> str:
    if value is None:
        return "\0"
    if isinstance(value, str):
        if len(value) != 1:
            format_error("String must be exactly one character long.")
        return str(value)
    if isinstance(value, (bool, float, Decimal)) or type(value) not in _CONVERTIBLE or isinstance(value, DateTime):
        no_conversion(value, "char")
    if not 0 <= value <= 0xFFFF:
        overflow("Value was either too large or too small for a character.")
    return chr(value)


def _as(name: str, function: Callable[[Any], Any], value: Any) -> Any:
    """`function`, with the type it is for in the message."""
    if value is not None and type(value) is not str:
        _number(value, name)
    return function(value)


CHANGES: dict[str, Callable[[Any], Any]] = {
    **{name: integer(name) for name in INTEGRAL},
    "double": real,
    "float": lambda value: single(_as("float", real, value)),
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


_PIECE = 3 * 16 * 1024  # bytes, of which each three are four characters


def to_base64(data: Any) -> str:
    raw = as_bytes(data)
    if len(raw) <= _PIECE:
        allocate(len(raw) * 4 // 3)
        return base64.b64encode(raw).decode()
    if len(raw) * 4 // 3 > MAX_ALLOCATION:
        allocate(len(raw) * 4 // 3)
    made = []
    for start in range(0, len(raw), _PIECE):
        allocate(_PIECE * 4 // 3)
        made.append(base64.b64encode(raw[start : start + _PIECE]).decode())
    return "".join(made)


_TOO_MANY = "Additional non-parsable characters are at the end of the string."


def _base(text: str, base: int) -> int:
    """The digits of `text`; for base 10 with a sign."""
    if text == "":
        out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.")
    minus = text[0] == "-"
    if minus and base != 10:
        argument("String cannot contain a minus sign if the base is not 10.")
    digits = text[1:] if text[0] in "+-" else text
    if base == 16 and digits[:2] in ("0x", "0X"):
        digits = digits[2:]
    match = re.match(_DIGITS[base], digits)
    if match is None:
        format_error("Could not find any recognizable digits.")
    if match.end() < len(digits):
        format_error(_TOO_MANY)
    packed = match[0].lstrip("0")[:70] or "0"
    return -int(packed, base) if minus else int(packed, base)


_DIGITS = {2: "[01]+", 8: "[0-7]+", 10: "[0-9]+", 16: "[0-9a-fA-F]+"}


def _folded_base(name: str) -> Callable[[str | None, int], int]:
    fold = wrapper(name)
    bits = BITS[name]
    wide = 64 if bits == 64 else 32

    def convert(text: str | None, base: int) -> int:
        if base not in _DIGITS:
            argument("Invalid Base.")
        if text is None:
            return 0
        value = _base(text, base)
        if base == 10:
            low, high = limits(name)
            if not low <= value <= high:
                overflow(f"Value was either too large or too small for {_WORDS[name]}.")
            return value
        if value >= 1 << wide:
            overflow(f"Value was either too large or too small for a UInt{wide}.")
        if value >= 1 << bits:
            overflow(f"Value was either too large or too small for {_WORDS[name]}.")
        return fold(value)

    return convert


def _to_base(bits: int) -> Callable[[int, int], str]:
    def show(value: int, base: int) -> str:
        if base not in _DIGITS:
            argument("Invalid Base.")
        if base == 10:
            return str(value)
        return format(value & ((1 << bits) - 1), {2: "b", 8: "o", 16: "x"}[base])

    return show


def _text_char(text: str | None) -> str:
    if text is None:
        argument_null("value")
    return character(text)


def _part(data: Any, start: int, length: int) -> Any:
    if data is None:
        argument_null("inArray")
    if length < 0:
        out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "length")
    if start < 0:
        out_of_range("Value must be positive.", "offset")
    if start + length > len(data):
        out_of_range("Offset and length must refer to a position in the string.", "offset")
    return data[start : start + length]


def _wrapped(data: Any, options: Any) -> str:
    """Lines of 76 characters on request."""
    text = to_base64(data)
    if not int(options):
        return text
    return "\r\n".join([text[at : at + 76] for at in stepwise(range(0, len(text), 76))])


def _base64_into(data: Any, offset: int, length: int, target: Any, at: int) -> int:
    text = to_base64(_part(data, offset, length))
    if target is None:
        argument_null("outArray")
    if at < 0 or at + len(text) > len(target):
        out_of_range("Either offset did not refer to a position in the string, or there is an insufficient length of "
                     "destination character array.", "offsetOut")  # fmt: skip
    target[at : at + len(text)] = list(text)
    return len(text)


def _changed(value: Any, kind: Type, _: Any = None) -> Any:
    """Convert.ChangeType(value, typeof(T))."""
    if kind is None:
        argument_null("conversionType")
    if value is None:
        if kind.is_value:
            raise DotNetError("System.InvalidCastException", _NULL_TO_VALUE)
        return None
    if runtime_type(value) is kind:
        return value
    if kind.name not in CHANGES:
        if type(value) not in _CONVERTIBLE:
            raise DotNetError("System.InvalidCastException", "Object must implement IConvertible.")
        raise DotNetError("System.InvalidCastException", f"Invalid cast from '{name_of(value)}' to '{kind.full_name}'.")
    made = CHANGES[kind.name](value)
    return BOXES[kind.name](made) if kind.name in BOXES else made


enumeration("Base64FormattingOptions", "System.Base64FormattingOptions", {"None": 0, "InsertLineBreaks": 1})


def _ignoring(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """With a format provider, which is always null."""
    return lambda value, _: function(value)


CONVERT = define("Convert", "System.Convert", kind="static")
_NAMES = {
    "sbyte": "SByte", "byte": "Byte", "short": "Int16", "ushort": "UInt16", "int": "Int32", "uint": "UInt32",
    "long": "Int64", "ulong": "UInt64", "double": "Double", "float": "Single", "decimal": "Decimal", "bool": "Boolean",
    "char": "Char",
    "DateTime": "DateTime",
}  # fmt: skip
for _name, _label in _NAMES.items():
    members(
        CONVERT,
        {
            f"static {_name} To{_label}(object value)": _unwrapped(CHANGES[_name]),
            f"static {_name} To{_label}(string value)": CHANGES[_name] if _name != "char" else _text_char,
            f"static {_name} To{_label}(object value, IFormatProvider provider)": _ignoring(_unwrapped(CHANGES[_name])),
            f"static {_name} To{_label}(string value, IFormatProvider provider)": _ignoring(CHANGES[_name]),
        },
    )
    if _name in INTEGRAL:
        members(CONVERT, {f"static {_name} To{_label}(string value, int fromBase)": _folded_base(_name)})
members(
    CONVERT,
    {
        "static string ToString(object value)": to_text,
        "static string? ToString(string value)": lambda text: text,
        "static string ToString(object value, IFormatProvider provider)": lambda value, _: to_text(value),
        "static string? ToString(string value, IFormatProvider provider)": lambda text, _: text,
        "static string ToString(byte value, int toBase)": _to_base(8),
        "static string ToString(short value, int toBase)": _to_base(16),
        "static string ToString(int value, int toBase)": _to_base(32),
        "static string ToString(long value, int toBase)": _to_base(64),
        "static string ToBase64String(byte[] inArray)": to_base64,
        "static string ToBase64String(byte[] inArray, int offset, int length)": lambda d, i, n: to_base64(
            _part(d, i, n)
        ),
        "static string ToBase64String(byte[] inArray, Base64FormattingOptions options)": _wrapped,
        "static string ToBase64String(byte[] inArray, int offset, int length, Base64FormattingOptions options)": (
            lambda d, i, n, options: _wrapped(_part(d, i, n), options)
        ),
        "static byte[] FromBase64CharArray(char[] inArray, int offset, int length)": lambda d, i, n: from_base64(
            "".join(_part(d, i, n))
        ),
        "static int ToBase64CharArray(byte[] inArray, int offsetIn, int length, char[] outArray, int offsetOut)": (
            _base64_into
        ),
        "static object? ChangeType(object value, Type conversionType)": _changed,
        "static object? ChangeType(object value, Type conversionType, IFormatProvider provider)": _changed,
        "static bool IsDBNull(object value)": lambda value: False,
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

CONVERTER = define("BitConverter", "System.BitConverter", kind="static")
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
        if data is None:
            argument_null("value")
        raw = bytes(data)
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
                "Check array index and length. (Parameter 'value')",
            ) from None

    return read


def _shown(data: Any, start: int = 0, length: int = -1) -> str:
    if data is None:
        argument_null("value")
    if start < 0 or (start >= len(data) and start > 0):
        out_of_range(
            "Index was out of range. Must be non-negative and less than the size of the collection.", "startIndex"
        )
    if length < -1:
        out_of_range("Value must be positive.", "length")
    stop = len(data) if length < 0 else start + length
    if stop > len(data):
        argument(
            "Destination array is not long enough to copy all the items in the collection. Check array index and "
            "length.",
            "value",
        )
    return bytes(data[start:stop]).hex("-").upper() if stop > start else ""


for _name, _code in _CODES.items():
    members(
        CONVERTER,
        {
            f"static byte[] GetBytes({_name} value)": lambda value, code=_code: Array(BYTE, struct.pack(code, value)),
            f"static {_name} To{_NAMES[_name]}(byte[] value, int startIndex)": _read(_code),
        },
    )
members(
    CONVERTER,
    {
        "static string ToString(byte[] value)": _shown,
        "static string ToString(byte[] value, int startIndex)": _shown,
        "static string ToString(byte[] value, int startIndex, int length)": _shown,
        "static int SingleToInt32Bits(float value)": lambda v: struct.unpack("<i", struct.pack("<f", v))[0],
        "static float Int32BitsToSingle(int value)": lambda v: struct.unpack("<f", struct.pack("<i", v))[0],
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
    if type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF:
        return value
    return int(_for_policy(value, "int", "an integer"))


def to_float(value: Any) -> float:
    return float(_for_policy(value, "double", "a number"))


def to_bool(value: Any) -> bool:
    if value is True or value is False:
        return value
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

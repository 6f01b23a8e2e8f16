"""System.Char."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.culture import lower, upper
from proxy.expressions.dotnet.numeric import wrap32
from proxy.expressions.dotnet.searching import required
from proxy.expressions.dotnet.splitting import WHITE
from proxy.expressions.dotnet.strings import _get
from proxy.expressions.dotnet.units import length, units
from proxy.expressions.dotnet.values import HASHES, Char
from proxy.expressions.runtime import argument, format_error, out_of_range
from proxy.expressions.table import constant, members


def _category(*wanted: str) -> Callable[[str], bool]:
    return lambda char: unicodedata.category(char) in wanted


def _between(low: int, high: int) -> Callable[[str], bool]:
    return lambda char: low <= ord(char) <= high


def _indexed(test: Callable[[str], Any]) -> Callable[[str, int], Any]:
    def run(text: str, index: int) -> Any:
        if not 0 <= index < length(required(text, "s")):
            out_of_range("Specified argument was out of the range of valid values.", "index")
        return test(_get(text, index))

    return run


_LETTERS = ("Lu", "Ll", "Lt", "Lm", "Lo")
_TESTS: dict[str, Callable[[str], bool]] = {
    "IsDigit": _category("Nd"),
    "IsLetter": _category(*_LETTERS),
    "IsLetterOrDigit": _category(*_LETTERS, "Nd"),
    "IsUpper": _category("Lu"),
    "IsLower": _category("Ll"),
    "IsPunctuation": _category("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"),
    "IsSymbol": _category("Sm", "Sc", "Sk", "So"),
    "IsSeparator": _category("Zs", "Zl", "Zp"),
    "IsSurrogate": _between(0xD800, 0xDFFF),
    "IsHighSurrogate": _between(0xD800, 0xDBFF),
    "IsLowSurrogate": _between(0xDC00, 0xDFFF),
    "IsControl": _category("Cc"),
    "IsNumber": _category("Nd", "Nl", "No"),
    "IsWhiteSpace": lambda char: char in WHITE,
}


def _parse(text: str) -> str:
    if length(required(text, "s")) != 1:
        format_error("String must be exactly one character long.")
    return text


def _attempt(text: str | None) -> tuple[bool, str]:
    return (True, text) if text is not None and length(text) == 1 else (False, "\0")


def _numeric(char: str) -> float:
    return float(unicodedata.numeric(char, -1.0)) if unicodedata.category(char)[0] == "N" else -1.0


def _is_pair(high: str, low: str) -> bool:
    return _TESTS["IsHighSurrogate"](high) and _TESTS["IsLowSurrogate"](low)


def _pair_at(text: str, index: int) -> bool:
    wide = units(required(text, "s"))
    if not 0 <= index < len(wide):
        out_of_range("Specified argument was out of the range of valid values.", "index")
    return index + 1 < len(wide) and _is_pair(wide[index], wide[index + 1])


def _code(high: str, low: str) -> int:
    if not _TESTS["IsHighSurrogate"](high):
        out_of_range("A valid high surrogate character is between 0xd800 and 0xdbff, inclusive.", "highSurrogate")
    if not _TESTS["IsLowSurrogate"](low):
        out_of_range("A valid low surrogate character is between 0xdc00 and 0xdfff, inclusive.", "lowSurrogate")
    return 0x10000 + ((ord(high) & 0x3FF) << 10) + (ord(low) & 0x3FF)


def _code_at(text: str, index: int) -> int:
    wide = units(required(text, "s"))
    if not 0 <= index < len(wide):
        out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")
    char = wide[index]
    if not _TESTS["IsSurrogate"](char):
        return ord(char)
    if not _TESTS["IsHighSurrogate"](char):
        argument(f"Found a low surrogate char without a preceding high surrogate at index: {index}. The input may not "
                 "be in this encoding, or may not contain valid Unicode (UTF-16) characters.", "s")  # fmt: skip
    if not _pair_at(text, index):
        argument(f"Found a high surrogate char without a following low surrogate at index: {index}. The input may not "
                 "be in this encoding, or may not contain valid Unicode (UTF-16) characters.", "s")  # fmt: skip
    return _code(char, wide[index + 1])


def _of_code(code: int) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        out_of_range(
            "A valid UTF32 value is between 0x000000 and 0x10ffff, inclusive, and should not include surrogate "
            "codepoint values (0x00d800 ~ 0x00dfff).",
            "utf32",
        )
    return chr(code)


def _compare_to(char: str, other: Any) -> int:
    if other is None:
        return 1
    if type(other) is not Char:
        argument("Object must be of type Char.")
    return ord(char) - ord(other)


def _equals(char: str, other: Any) -> bool:
    return type(other) is Char and char == other


def _hash(char: str) -> int:
    return wrap32(ord(char) | ord(char) << 16)


HASHES["char"] = _hash
members(
    p.CHAR,
    {
        **{f"static bool {name}(char c)": test for name, test in _TESTS.items()},
        **{f"static bool {name}(string s, int index)": _indexed(test) for name, test in _TESTS.items()},
        "static bool IsSurrogatePair(char highSurrogate, char lowSurrogate)": _is_pair,
        "static bool IsSurrogatePair(string s, int index)": _pair_at,
        "static int ConvertToUtf32(char highSurrogate, char lowSurrogate)": _code,
        "static int ConvertToUtf32(string s, int index)": _code_at,
        "static string ConvertFromUtf32(int utf32)": _of_code,
        "static char ToUpper(char c)": upper,
        "static char ToLower(char c)": lower,
        "static char ToUpperInvariant(char c)": upper,
        "static char ToLowerInvariant(char c)": lower,
        "static char Parse(string s)": _parse,
        "static bool TryParse(string s, out char result)": _attempt,
        "static double GetNumericValue(char c)": _numeric,
        "static double GetNumericValue(string s, int index)": _indexed(_numeric),
        "static char MinValue": constant("\0"),
        "static char MaxValue": constant("\uffff"),
        "static string ToString(char c)": lambda char: str(char),
        "string ToString()": lambda char: str(char),
        "bool Equals(char obj)": lambda a, b: a == b,
        "bool Equals(object obj)": _equals,
        "int CompareTo(char value)": lambda a, b: ord(a) - ord(b),
        "int CompareTo(object value)": _compare_to,
        "int GetHashCode()": _hash,
    },
)

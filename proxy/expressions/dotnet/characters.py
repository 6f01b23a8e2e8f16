"""System.Char."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet import primitives as p
from proxy.expressions.dotnet.culture import lower, upper
from proxy.expressions.dotnet.splitting import WHITE
from proxy.expressions.dotnet.strings import _get, _required
from proxy.expressions.runtime import DotNetError
from proxy.expressions.table import constant, members


def _category(*wanted: str) -> Callable[..., bool]:
    return lambda char, index=None: unicodedata.category(char if index is None else _get(char, index)) in wanted


_LETTERS = ("Lu", "Ll", "Lt", "Lm", "Lo")
_TESTS = {
    "IsDigit": _category("Nd"),
    "IsLetter": _category(*_LETTERS),
    "IsLetterOrDigit": _category(*_LETTERS, "Nd"),
    "IsUpper": _category("Lu"),
    "IsLower": _category("Ll"),
    "IsPunctuation": _category("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"),
    "IsSymbol": _category("Sm", "Sc", "Sk", "So"),
    "IsSeparator": _category("Zs", "Zl", "Zp"),
    "IsSurrogate": _category("Cs"),
    "IsControl": _category("Cc"),
    "IsNumber": _category("Nd", "Nl", "No"),
    "IsWhiteSpace": lambda char, index=None: (char if index is None else _get(char, index)) in WHITE,
}


def _parse_char(text: str) -> str:
    if len(_required(text, "s")) != 1:
        raise DotNetError("System.FormatException", "String must be exactly one character long.")
    return text


members(
    p.CHAR,
    {
        **{f"static bool {name}(char c)": test for name, test in _TESTS.items()},
        **{f"static bool {name}(string s, int index)": test for name, test in _TESTS.items()},
        "static char ToUpper(char c)": upper,
        "static char ToLower(char c)": lower,
        "static char ToUpperInvariant(char c)": upper,
        "static char ToLowerInvariant(char c)": lower,
        "static char Parse(string s)": _parse_char,
        "static double GetNumericValue(char c)": lambda char: float(unicodedata.numeric(char, -1.0)),
        "static char MinValue": constant("\0"),
        "static char MaxValue": constant("\uffff"),
        "static string ToString(char c)": lambda char: char,
        "string ToString()": lambda char: str(char),
        "bool Equals(char other)": lambda a, b: a == b,
        "int CompareTo(char other)": lambda a, b: ord(a) - ord(b),
    },
)

"""System.Text.Encoding."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE
from proxy.expressions.dotnet.units import joined, units
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, allocate, argument, argument_null, out_of_range
from proxy.expressions.table import attribute, constant, define, members
from proxy.expressions.types import type_of_name

ENCODING = define("Encoding", "System.Text.Encoding")


class Encoding:
    """A text encoding; what cannot be encoded becomes '?', what cannot be decoded U+FFFD.

    `title` is its name for people, `page` its code page, `preamble` what files begin with.
    """

    __slots__ = ("label", "name", "page", "preamble", "title")

    def __init__(self, name: str, label: str, title: str, page: int, preamble: bytes = b"") -> None:
        self.name = name
        self.label = label
        self.title = title
        self.page = page
        self.preamble = preamble


stands_for(Encoding, "Encoding")
_ALL = {
    "UTF8": Encoding("utf-8", "utf-8", "Unicode (UTF-8)", 65001, b"\xef\xbb\xbf"),
    "ASCII": Encoding("ascii", "us-ascii", "US-ASCII", 20127),
    "Unicode": Encoding("utf-16-le", "utf-16", "Unicode", 1200, b"\xff\xfe"),
    "BigEndianUnicode": Encoding("utf-16-be", "utf-16BE", "Unicode (Big-Endian)", 1201, b"\xfe\xff"),
    "UTF32": Encoding("utf-32-le", "utf-32", "Unicode (UTF-32)", 12000, b"\xff\xfe\0\0"),
    "Latin1": Encoding("latin-1", "iso-8859-1", "Western European (ISO)", 28591),
}
UTF16 = _ALL["Unicode"]
_SINGLE = ("ascii", "latin-1")


def _null(message: str, name: str) -> NoReturn:
    raise DotNetError("System.ArgumentNullException", f"{message} (Parameter '{name}')")


def _get_bytes(encoding: Encoding, text: str | None) -> Array:
    if text is None:
        _null("String reference not set to an instance of a String.", "s")
    allocate(len(text) * 4)
    return Array(BYTE, _encoded(encoding, text))


def _encoded(encoding: Encoding, text: str) -> bytes:
    if encoding.name in _SINGLE:
        return units(text).encode(encoding.name, "replace")
    if not text.isascii():
        # half of a pair is U+FFFD
        text = re.sub("[\ud800-\udfff]", "\ufffd", joined(text))
    return text.encode(encoding.name)


def _get_string(encoding: Encoding, data: Any, start: int = 0, count: int | None = None) -> str:
    if data is None:
        _null("Array cannot be null.", "bytes")
    if start < 0 or (count is not None and count < 0):
        out_of_range("Non-negative number required.", "index" if start < 0 else "count")
    if count is not None and start + count > len(data):
        out_of_range("Index and count must refer to a location within the buffer.", "bytes")
    raw = bytes(data[start:] if count is None else data[start : start + count])
    text = raw.decode(encoding.name, "replace")
    return text.replace("\ufffd", "?") if encoding.name == "ascii" else text


def _named(name: str | None) -> Encoding:
    if name is None:
        argument_null("name")
    wanted = name.strip().lower()
    aliases = {
        "utf8": "utf-8", "ascii": "us-ascii", "unicode": "utf-16", "latin1": "iso-8859-1", "utf-16le": "utf-16",
        "utf-32le": "utf-32", "ucs-2": "utf-16", "iso-10646-ucs-2": "utf-16", "iso_8859-1": "iso-8859-1",
        "unicodefffe": "utf-16be", "windows-1252": "iso-8859-1",
    }  # fmt: skip
    wanted = aliases.get(wanted, wanted)
    found = next((encoding for encoding in _ALL.values() if encoding.label.lower() == wanted), None)
    if found is None:
        argument(
            f"'{name}' is not a supported encoding name. For information on defining a custom encoding, see the "
            "documentation for the Encoding.RegisterProvider method.",
            "name",
        )
    return found


def _paged(page: int) -> Encoding:
    found = next((encoding for encoding in _ALL.values() if encoding.page == (page or 65001)), None)
    if found is None:
        raise DotNetError("System.NotSupportedException", f"No data is available for encoding {page}. For information "
                          "on defining a custom encoding, see the documentation for the Encoding.RegisterProvider "
                          "method.")  # fmt: skip
    return found


def _part(text: Any, start: int, count: int, name: str) -> str:
    if text is None:
        argument_null(name)
    wide = units(text) if isinstance(text, str) else "".join(text)
    if start < 0 or count < 0:
        out_of_range("Non-negative number required.", "index" if start < 0 else "count")
    if start + count > len(wide):
        out_of_range("Index and count must refer to a location within the string.", name)
    return joined(wide[start : start + count])


def _into(encoding: Encoding, text: Any, start: int, count: int, target: list[int], at: int) -> int:
    made = _encoded(encoding, _part(text, start, count, "s"))
    if at < 0 or at + len(made) > len(target):
        argument("The output byte buffer is too small to contain the encoded data.", "bytes")
    target[at : at + len(made)] = list(made)
    return len(made)


def _most_bytes(encoding: Encoding, count: int) -> int:
    if count < 0:
        out_of_range("Non-negative number required.", "charCount")
    width = {"utf-8": 3, "utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4}.get(encoding.name, 1)
    return (count + 1) * width


def _most_chars(encoding: Encoding, count: int) -> int:
    if count < 0:
        out_of_range("Non-negative number required.", "byteCount")
    if encoding.name in _SINGLE:
        return count
    if encoding.name == "utf-8":
        return count + 1
    return count // 2 + 2 if encoding.name == "utf-32-le" else (count >> 1) + (count & 1) + 1


def _chars(encoding: Encoding, data: Any, start: int = 0, count: int | None = None) -> Array:
    return Array(type_of_name("char"), units(_get_string(encoding, data, start, count)))


def _converted(source: Encoding, target: Encoding, data: Any, start: int = 0, count: int | None = None) -> Array:
    return _get_bytes(target, _get_string(source, data, start, count))


members(
    ENCODING,
    {
        **{f"static Encoding {name}": constant(encoding) for name, encoding in _ALL.items()},
        "static Encoding Default": constant(_ALL["UTF8"]),
        "static Encoding GetEncoding(string name)": _named,
        "static Encoding GetEncoding(int codepage)": _paged,
        "static byte[] Convert(Encoding srcEncoding, Encoding dstEncoding, byte[] bytes)": _converted,
        "static byte[] Convert(Encoding srcEncoding, Encoding dstEncoding, byte[] bytes, int index, int count)": (
            _converted
        ),
        "byte[] GetBytes(string s)": _get_bytes,
        "byte[] GetBytes(char[] chars)": lambda encoding, chars: _get_bytes(encoding, "".join(chars)),
        "byte[] GetBytes(char[] chars, int index, int count)": lambda e, c, i, n: _get_bytes(
            e, _part(c, i, n, "chars")
        ),
        "byte[] GetBytes(string s, int index, int count)": lambda e, s, i, n: _get_bytes(e, _part(s, i, n, "s")),
        "int GetBytes(string s, int charIndex, int charCount, byte[] bytes, int byteIndex)": _into,
        "int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex)": _into,
        "string GetString(byte[] bytes)": _get_string,
        "string GetString(byte[] bytes, int index, int count)": _get_string,
        "char[] GetChars(byte[] bytes)": _chars,
        "char[] GetChars(byte[] bytes, int index, int count)": _chars,
        "int GetCharCount(byte[] bytes)": lambda *given: len(_chars(*given)),
        "int GetCharCount(byte[] bytes, int index, int count)": lambda *given: len(_chars(*given)),
        "int GetByteCount(string s)": lambda encoding, text: len(_get_bytes(encoding, text)),
        "int GetByteCount(char[] chars)": lambda encoding, chars: len(_get_bytes(encoding, "".join(chars))),
        "int GetByteCount(char[] chars, int index, int count)": lambda e, c, i, n: len(
            _encoded(e, _part(c, i, n, "chars"))
        ),
        "int GetByteCount(string s, int index, int count)": lambda e, s, i, n: len(_encoded(e, _part(s, i, n, "s"))),
        "int GetMaxByteCount(int charCount)": _most_bytes,
        "int GetMaxCharCount(int byteCount)": _most_chars,
        "byte[] GetPreamble()": lambda encoding: Array(BYTE, encoding.preamble),
        "string WebName": attribute("label"),
        "string BodyName": attribute("label"),
        "string HeaderName": attribute("label"),
        "string EncodingName": attribute("title"),
        "int CodePage": attribute("page"),
        "int WindowsCodePage": lambda encoding: 1252 if encoding.name in _SINGLE else 1200,
        "bool IsSingleByte": lambda encoding: encoding.name in _SINGLE,
        "bool IsReadOnly": lambda encoding: True,
        "bool IsBrowserDisplay": lambda encoding: encoding.name in ("utf-8", "latin-1"),
        "bool IsBrowserSave": lambda encoding: encoding.name in ("utf-8", "latin-1", "utf-16-le"),
        "bool IsMailNewsDisplay": lambda encoding: encoding.name in ("utf-8", "latin-1", "ascii"),
        "bool IsMailNewsSave": lambda encoding: encoding.name in ("utf-8", "latin-1", "ascii"),
        "bool IsAlwaysNormalized()": lambda encoding: False,
        "object Clone()": lambda encoding: encoding,
    },
)

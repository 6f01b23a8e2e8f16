"""System.Text.Encoding."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import allocate, argument, argument_null, out_of_range
from proxy.expressions.table import attribute, constant, define, members

ENCODING = define("Encoding", "System.Text.Encoding")


class Encoding:
    """A text encoding; what cannot be encoded becomes '?', what cannot be decoded U+FFFD."""

    __slots__ = ("label", "name")

    def __init__(self, name: str, label: str) -> None:
        self.name = name
        self.label = label


stands_for(Encoding, "Encoding")
_ALL = {
    "UTF8": Encoding("utf-8", "utf-8"),
    "ASCII": Encoding("ascii", "us-ascii"),
    "Unicode": Encoding("utf-16-le", "utf-16"),
    "BigEndianUnicode": Encoding("utf-16-be", "utf-16BE"),
    "UTF32": Encoding("utf-32-le", "utf-32"),
    "Latin1": Encoding("latin-1", "iso-8859-1"),
}


def _get_bytes(encoding: Encoding, text: str | None) -> Array:
    if text is None:
        argument_null("s")
    allocate(len(text) * 4)
    return Array(BYTE, text.encode(encoding.name, "replace"))


def _get_string(encoding: Encoding, data: Any, start: int = 0, count: int | None = None) -> str:
    if data is None:
        argument_null("bytes")
    if start < 0 or (count is not None and (count < 0 or start + count > len(data))):
        out_of_range("Index and count must refer to a location within the buffer.", "bytes")
    raw = bytes(data[start:] if count is None else data[start : start + count])
    text = raw.decode(encoding.name, "replace")
    return text.replace("\ufffd", "?") if encoding.name == "ascii" else text


def _named(name: str) -> Encoding:
    wanted = name.lower()
    aliases = {
        "utf8": "utf-8",
        "ascii": "us-ascii",
        "unicode": "utf-16",
        "latin1": "iso-8859-1",
        "windows-1252": "iso-8859-1",
    }
    wanted = aliases.get(wanted, wanted)
    found = next((encoding for encoding in _ALL.values() if encoding.label.lower() == wanted), None)
    if found is None:
        argument(f"'{name}' is not a supported encoding name.", "name")
    return found


members(
    ENCODING,
    {
        **{f"static Encoding {name}": constant(encoding) for name, encoding in _ALL.items()},
        "static Encoding Default": constant(_ALL["UTF8"]),
        "static Encoding GetEncoding(string name)": _named,
        "byte[] GetBytes(string s)": _get_bytes,
        "byte[] GetBytes(char[] chars)": lambda encoding, chars: _get_bytes(encoding, "".join(chars)),
        "string GetString(byte[] bytes)": _get_string,
        "string GetString(byte[] bytes, int index, int count)": _get_string,
        "int GetByteCount(string s)": lambda encoding, text: len(_get_bytes(encoding, text)),
        "string WebName": attribute("label"),
        "string EncodingName": attribute("label"),
    },
)

"""Encoding, hashes and keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

from proxy.expressions.dotnet import primitives
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.units import joined, units
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, allocate, argument, argument_null, out_of_range
from proxy.expressions.table import attribute, constant, define, members, setters, with_exchange
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


def _get_bytes(encoding: Encoding, text: str | None) -> Array:
    if text is None:
        argument_null("s")
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
        argument_null("bytes")
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


class Hash:
    """A hash algorithm, keyed when `key` is not None."""

    __slots__ = ("digest", "key", "kind")

    def __init__(self, kind: str, digest: str, key: bytes | None = None) -> None:
        self.kind = kind
        self.digest = digest
        self.key = key

    @property
    def dotnet(self) -> Any:
        from proxy.expressions.types import type_of_name

        return type_of_name(self.kind)


def _compute(algorithm: Hash, data: Any) -> Array:
    raw = as_bytes(data)
    if algorithm.key is None:
        return Array(BYTE, hashlib.new(algorithm.digest, raw, usedforsecurity=False).digest())
    return Array(BYTE, hmac.new(algorithm.key, raw, algorithm.digest).digest())


_SPACE = "System.Security.Cryptography"
ALGORITHM = define("HashAlgorithm", f"{_SPACE}.HashAlgorithm", bases=("IDisposable",))
KEYED = define("KeyedHashAlgorithm", f"{_SPACE}.KeyedHashAlgorithm", bases=("HashAlgorithm",))
HMAC = define("HMAC", f"{_SPACE}.HMAC", bases=("KeyedHashAlgorithm",))
members(primitives.DISPOSABLE, {"void Dispose()": lambda value: None})
members(
    ALGORITHM,
    {
        "byte[] ComputeHash(byte[] buffer)": _compute,
        "byte[] ComputeHash(byte[] buffer, int offset, int count)": lambda a, d, i, n: _compute(a, list(d)[i : i + n]),
        "int HashSize": lambda algorithm: hashlib.new(algorithm.digest, usedforsecurity=False).digest_size * 8,
        "void Clear()": lambda algorithm: None,
    },
)
members(HMAC, {"string HashName": lambda algorithm: algorithm.digest.upper()})
members(KEYED, {"byte[] Key": lambda algorithm: Array(BYTE, algorithm.key or b"")})


def _set_key(algorithm: Hash, key: Any) -> None:
    algorithm.key = as_bytes(key)


def _random_key(exchange: Any, kind: str, digest: str) -> Hash:
    """Without a key, .NET draws 64 random bytes."""
    return Hash(kind, digest, bytes(int(exchange.ports.clock.random() * 256) for _ in range(64)))


setters(KEYED, {"Key": _set_key})
for _digest in ("MD5", "SHA1", "SHA256", "SHA384", "SHA512"):
    _plain = define(_digest, f"{_SPACE}.{_digest}", bases=("HashAlgorithm",))
    _make: Any = lambda kind=_digest: Hash(kind, kind.lower())  # noqa: E731
    members(
        _plain,
        {
            f"static {_digest} Create()": _make,
            "static byte[] HashData(byte[] source)": lambda data, kind=_digest: _compute(
                Hash(kind, kind.lower()), data
            ),
        },
    )
    if _digest != "MD5":
        _managed = define(f"{_digest}Managed", f"{_SPACE}.{_digest}Managed", bases=(_digest,))
        members(_managed, {"new()": lambda kind=f"{_digest}Managed", name=_digest.lower(): Hash(kind, name)})
    _name = f"HMAC{_digest}"
    _keyed = define(_name, f"{_SPACE}.{_name}", bases=("HMAC",))
    members(
        _keyed,
        {
            "new()": with_exchange(
                lambda exchange, kind=_name, name=_digest.lower(): _random_key(exchange, kind, name)
            ),
            "new(byte[] key)": lambda key, kind=_name, name=_digest.lower(): Hash(kind, name, as_bytes(key)),
            "static byte[] HashData(byte[] key, byte[] source)": (
                lambda key, data, kind=_name, name=_digest.lower(): _compute(Hash(kind, name, as_bytes(key)), data)
            ),
        },
    )

"""Encoding, hashes and keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from proxy.expressions.dotnet import primitives
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import allocate, argument, argument_null, out_of_range
from proxy.expressions.table import attribute, constant, define, members, setters, with_exchange

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

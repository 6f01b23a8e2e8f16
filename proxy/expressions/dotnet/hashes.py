"""Hashes and keyed hashes: MD5, SHA-1, SHA-2 and the HMACs over them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from proxy.expressions.dotnet import primitives
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import DotNetError, allocate, argument, argument_null, out_of_range
from proxy.expressions.table import define, members, setters, with_exchange
from proxy.expressions.types import type_of_name

SPACE = "System.Security.Cryptography"


def cryptographic(message: str) -> Any:
    raise DotNetError(f"{SPACE}.CryptographicException", message)


def _shortened(key: bytes, digest: str) -> bytes:
    """A key longer than the block stands for its hash."""
    algorithm = hashlib.new(digest, key, usedforsecurity=False)
    return algorithm.digest() if len(key) > algorithm.block_size else key


class Hash:
    """A hash algorithm, keyed when `key` is not None. `parts` is what TransformBlock has been given, `result` the last
    hash."""

    __slots__ = ("digest", "key", "kind", "parts", "result")

    def __init__(self, kind: str, digest: str, key: bytes | None = None) -> None:
        self.kind = kind
        self.digest = digest
        self.key = _shortened(key, digest) if key is not None and len(key) > 64 else key
        self.parts: list[bytes] = []
        self.result: bytes | None = None

    @property
    def dotnet(self) -> Any:
        return type_of_name(self.kind)

    def compute(self, data: bytes) -> bytes:
        allocate(len(data))
        if self.key is None:
            self.result = hashlib.new(self.digest, data, usedforsecurity=False).digest()
        else:
            self.result = hmac.new(self.key, data, self.digest).digest()
        return self.result


def slice_of(data: Any, offset: int, count: int) -> bytes:
    """Bytes offset to offset + count of a buffer."""
    if data is None:
        argument_null("buffer")
    if offset < 0:
        out_of_range("Non-negative number required.", "offset")
    if count < 0 or count > len(data):
        argument("Value was invalid.")
    if len(data) - count < offset:
        argument("Offset and length were out of bounds for the array or count is greater than the number of elements "
                 "from index to the end of the source collection.")  # fmt: skip
    return bytes(data[offset : offset + count])


def _compute(algorithm: Hash, data: Any) -> Array:
    if data is None:
        argument_null("buffer")
    return Array(BYTE, algorithm.compute(as_bytes(data)))


def _block(algorithm: Hash, data: Any, offset: int, count: int, into: Any, at: int) -> int:
    part = slice_of(data, offset, count)
    algorithm.parts.append(part)
    if into is not None and into is not data:
        into[at : at + count] = list(part)
    return count


def _final(algorithm: Hash, data: Any, offset: int, count: int) -> Array:
    part = slice_of(data, offset, count)
    algorithm.compute(b"".join([*algorithm.parts, part]))
    algorithm.parts.clear()
    return Array(BYTE, part)


def _result(algorithm: Hash) -> Array | None:
    return None if algorithm.result is None else Array(BYTE, algorithm.result)


_DIGESTS = ("MD5", "SHA1", "SHA256", "SHA384", "SHA512")
ALGORITHM = define("HashAlgorithm", f"{SPACE}.HashAlgorithm", bases=("IDisposable",))
KEYED = define("KeyedHashAlgorithm", f"{SPACE}.KeyedHashAlgorithm", bases=("HashAlgorithm",))
HMAC = define("HMAC", f"{SPACE}.HMAC", bases=("KeyedHashAlgorithm",))
_NAMES = {name.lower(): name for name in _DIGESTS} | {
    f"sha-{name[3:]}": name for name in _DIGESTS if name not in ("MD5", "SHA1")
} | {"sha": "SHA1"}  # fmt: skip


def _named(name: str | None) -> Hash | None:
    """HashAlgorithm.Create(name); null for a name that nobody knows."""
    if name is None:
        argument_null("name")
    plain = name.lower().removeprefix(f"{SPACE.lower()}.").removesuffix("managed").removesuffix("cryptoserviceprovider")
    found = _NAMES.get(plain)
    if found is None:
        return None
    managed = f"{found}Managed" if found != "MD5" else found
    return Hash(managed, found.lower())


def _named_keyed(exchange: Any, name: str | None) -> Hash | None:
    if name is None:
        argument_null("name")
    plain = name.lower().removeprefix(f"{SPACE.lower()}.")
    found = _NAMES.get(plain.removeprefix("hmac")) if plain.startswith("hmac") else None
    return None if found is None else _random_key(exchange, f"HMAC{found}", found.lower())


def _random_key(exchange: Any, kind: str, digest: str) -> Hash:
    """Without a key, .NET draws one as long as the block."""
    return Hash(kind, digest, exchange.ports.clock.entropy(hashlib.new(digest, usedforsecurity=False).block_size))


_INPUT = "byte[] inputBuffer, int inputOffset, int inputCount"
members(primitives.DISPOSABLE, {"void Dispose()": lambda value: None})
members(
    ALGORITHM,
    {
        "static HashAlgorithm? Create(string hashName)": _named,
        "byte[] ComputeHash(byte[] buffer)": _compute,
        "byte[] ComputeHash(byte[] buffer, int offset, int count)": lambda algorithm, data, offset, count: Array(
            BYTE, algorithm.compute(slice_of(data, offset, count))
        ),
        f"int TransformBlock({_INPUT}, byte[] outputBuffer, int outputOffset)": _block,
        f"byte[] TransformFinalBlock({_INPUT})": _final,
        "byte[]? Hash": _result,
        "int HashSize": lambda algorithm: hashlib.new(algorithm.digest, usedforsecurity=False).digest_size * 8,
        "int InputBlockSize": lambda algorithm: 1,
        "int OutputBlockSize": lambda algorithm: 1,
        "bool CanReuseTransform": lambda algorithm: True,
        "bool CanTransformMultipleBlocks": lambda algorithm: True,
        "void Initialize()": lambda algorithm: algorithm.parts.clear(),
        "void Clear()": lambda algorithm: None,
    },
)
members(
    KEYED,
    {
        "static KeyedHashAlgorithm? Create(string algName)": with_exchange(_named_keyed),
        "byte[] Key": lambda algorithm: Array(BYTE, algorithm.key or b""),
    },
)


def _set_key(algorithm: Hash, key: Any) -> None:
    algorithm.key = argument_null("value") if key is None else as_bytes(key)


def _set_name(algorithm: Hash, name: str) -> None:
    if name.lower() != algorithm.digest:
        cryptographic(f"HashName {name} is not valid for this algorithm.")


def _keyed_by(key: Any, kind: str, digest: str) -> Hash:
    return Hash(kind, digest, argument_null("key") if key is None else as_bytes(key))


members(
    HMAC,
    {
        "static HMAC? Create(string algorithmName)": with_exchange(_named_keyed),
        "string HashName": lambda algorithm: algorithm.digest.upper(),
    },
)
setters(KEYED, {"Key": _set_key})
setters(HMAC, {"HashName": _set_name})


def _define(digest: str) -> None:
    low = digest.lower()

    def of_name(name: str) -> Hash | None:
        found = _named(name)
        return found if found is not None and found.digest == low else None

    members(
        define(digest, f"{SPACE}.{digest}", bases=("HashAlgorithm",)),
        {
            f"static {digest} Create()": lambda: Hash(digest, low),
            f"static {digest}? Create(string hashName)": of_name,
            "static byte[] HashData(byte[] source)": lambda data: _compute(Hash(digest, low), data),
        },
    )
    kinds = ("CryptoServiceProvider",) if digest == "MD5" else ("Managed", "CryptoServiceProvider")
    for suffix in kinds:
        name = f"{digest}{suffix}"
        members(define(name, f"{SPACE}.{name}", bases=(digest,)), {"new()": lambda name=name: Hash(name, low)})
    keyed = f"HMAC{digest}"
    made: dict[str, Any] = {
        "new()": with_exchange(lambda exchange: _random_key(exchange, keyed, low)),
        "new(byte[] key)": lambda key: _keyed_by(key, keyed, low),
        "static byte[] HashData(byte[] key, byte[] source)": lambda key, data: _compute(
            _keyed_by(key, keyed, low), data
        ),
    }
    if digest == "SHA1":
        made["new(byte[] key, bool useManagedSha1)"] = lambda key, managed: _keyed_by(key, keyed, low)
    members(define(keyed, f"{SPACE}.{keyed}", bases=("HMAC",)), made)


for _digest in _DIGESTS:
    _define(_digest)


class Generator:
    """RNGCryptoServiceProvider: bytes that nobody can guess."""

    __slots__ = ()


def _fill(exchange: Any, _: Generator, data: Any, offset: int = 0, count: int | None = None) -> None:
    size = len(argument_null("data") if data is None else data) if count is None else count
    slice_of(data, offset, size)
    data[offset : offset + size] = list(exchange.ports.clock.entropy(size))


def _fill_non_zero(exchange: Any, generator: Generator, data: Any) -> None:
    _fill(exchange, generator, data)
    for index, byte in enumerate(data):
        while byte == 0:
            byte = exchange.ports.clock.entropy(1)[0]
        data[index] = byte


members(
    define("RandomNumberGenerator", f"{SPACE}.RandomNumberGenerator", bases=("IDisposable",)),
    {
        "static RandomNumberGenerator Create()": Generator,
        "void GetBytes(byte[] data)": with_exchange(_fill),
        "void GetBytes(byte[] data, int offset, int count)": with_exchange(_fill),
        "void GetNonZeroBytes(byte[] data)": with_exchange(_fill_non_zero),
    },
)
members(
    define("RNGCryptoServiceProvider", f"{SPACE}.RNGCryptoServiceProvider", bases=("RandomNumberGenerator",)),
    {"new()": Generator},
)

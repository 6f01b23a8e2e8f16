"""System.Security.Cryptography.SymmetricAlgorithm by name, and byte[].Encrypt and Decrypt with one.

AES, Triple DES and RC2 as far as the platform has them; CBC mode and PKCS #7 padding unless told otherwise.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.enums import enum_value, enumeration
from proxy.expressions.dotnet.hashes import SPACE, cryptographic
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import allocate, argument, argument_null, out_of_range
from proxy.expressions.table import define, members, setters, with_exchange
from proxy.expressions.types import type_of_name

enumeration("CipherMode", f"{SPACE}.CipherMode", {"CBC": 1, "ECB": 2, "OFB": 3, "CFB": 4, "CTS": 5})
enumeration("PaddingMode", f"{SPACE}.PaddingMode", {"None": 1, "PKCS7": 2, "Zeros": 3, "ANSIX923": 4, "ISO10126": 5})
_MODES, _PADDINGS = type_of_name("CipherMode"), type_of_name("PaddingMode")
# sizes of keys and of a block, in bytes
_KINDS = {"Aes": ((16, 24, 32), 16, 32), "TripleDES": ((16, 24), 8, 24)}
_ALIASES = {
    "aes": "Aes", "aesmanaged": "Aes", "aescryptoserviceprovider": "Aes", "rijndael": "Aes", "rijndaelmanaged": "Aes",
    "tripledes": "TripleDES", "3des": "TripleDES", "triple des": "TripleDES",
    "tripledescryptoserviceprovider": "TripleDES",
}  # fmt: skip


class Symmetric:
    """An algorithm with its settings; `key` and `vector` are made when first needed."""

    __slots__ = ("key", "kind", "mode", "padding", "size", "vector")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.size = _KINDS[kind][2]
        self.mode = 1
        self.padding = 2
        self.key: bytes | None = None
        self.vector: bytes | None = None

    @property
    def block(self) -> int:
        return _KINDS[self.kind][1]


class Transform:
    """CreateEncryptor() or CreateDecryptor(); `held` is what TransformBlock was given and has not come out."""

    __slots__ = ("block", "encrypting", "padding", "run")

    def __init__(self, algorithm: Symmetric, key: bytes, vector: bytes, *, encrypting: bool) -> None:
        made = Cipher(_algorithm(algorithm, key), _mode(algorithm, vector))
        self.run = made.encryptor() if encrypting else made.decryptor()
        self.block = algorithm.block
        self.padding = algorithm.padding
        self.encrypting = encrypting

    def final(self, data: bytes) -> bytes:
        if self.encrypting:
            return self.run.update(_padded(data, self.block, self.padding)) + self.run.finalize()
        if len(data) % self.block:
            cryptographic("The input data is not a complete block.")
        return _unpadded(self.run.update(data) + self.run.finalize(), self.block, self.padding)


stands_for(Symmetric, "SymmetricAlgorithm")
stands_for(Transform, "ICryptoTransform")


def _algorithm(algorithm: Symmetric, key: bytes) -> Any:
    if len(key) not in _KINDS[algorithm.kind][0]:
        argument("Specified key is not a valid size for this algorithm.", "key")
    if algorithm.kind == "Aes":
        return algorithms.AES(key)
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return TripleDES(key)


def _mode(algorithm: Symmetric, vector: bytes) -> Any:
    if algorithm.mode == 2:
        return modes.ECB()  # noqa: S305 (the document's choice)
    if len(vector) != algorithm.block:
        argument("Specified initialization vector (IV) does not match the block size for this algorithm.", "rgbIV")
    return modes.CBC(vector)


def _padded(data: bytes, block: int, padding: int) -> bytes:
    missing = block - len(data) % block
    if padding == 1:
        return cryptographic("The input data is not a complete block.") if missing != block else data
    if padding == 3:
        return data + bytes(missing % block)
    return data + (bytes([missing]) * missing if padding == 2 else bytes(missing - 1) + bytes([missing]))


def _unpadded(data: bytes, block: int, padding: int) -> bytes:
    if padding in (1, 3) or not data:
        return data
    count = data[-1]
    tail = data[-count:] if 0 < count <= block else b""
    wrong = not tail or (padding == 2 and tail != bytes([count]) * count)
    if wrong or (padding == 4 and any(tail[:-1])):
        cryptographic("Padding is invalid and cannot be removed.")
    return data[:-count]


def create(name: str | None) -> Symmetric | None:
    """SymmetricAlgorithm.Create(name); null for a name that nobody knows."""
    if name is None:
        argument_null("name")
    kind = _ALIASES.get(name.lower().removeprefix(f"{SPACE.lower()}."))
    return None if kind is None else Symmetric(kind)


def _known(name: str | None) -> Symmetric:
    found = create(name)
    return argument(f"'{name}' is not a supported algorithm.", "alg") if found is None else found


def _key(exchange: Any, algorithm: Symmetric) -> bytes:
    if algorithm.key is None:
        algorithm.key = exchange.ports.clock.entropy(algorithm.size)
    return algorithm.key


def _vector(exchange: Any, algorithm: Symmetric) -> bytes:
    if algorithm.vector is None:
        algorithm.vector = exchange.ports.clock.entropy(algorithm.block)
    return algorithm.vector


def _new_key(exchange: Any, algorithm: Symmetric) -> None:
    algorithm.key = None
    _key(exchange, algorithm)


def _new_vector(exchange: Any, algorithm: Symmetric) -> None:
    algorithm.vector = None
    _vector(exchange, algorithm)


def _transform(encrypting: bool) -> Any:
    def make(exchange: Any, algorithm: Symmetric, key: Any = None, vector: Any = None) -> Transform:
        one = _key(exchange, algorithm) if key is None else as_bytes(key)
        two = _vector(exchange, algorithm) if vector is None else as_bytes(vector)
        return Transform(algorithm, one, two, encrypting=encrypting)

    return with_exchange(make)


def _set_key(algorithm: Symmetric, value: Any) -> None:
    key = argument_null("value") if value is None else as_bytes(value)
    if len(key) not in _KINDS[algorithm.kind][0]:
        cryptographic("Specified key is not a valid size for this algorithm.")
    algorithm.key, algorithm.size = key, len(key)


def _set_vector(algorithm: Symmetric, value: Any) -> None:
    vector = argument_null("value") if value is None else as_bytes(value)
    if len(vector) != algorithm.block:
        cryptographic("Specified initialization vector (IV) does not match the block size for this algorithm.")
    algorithm.vector = vector


def _set_size(algorithm: Symmetric, bits: int) -> None:
    if bits % 8 or bits // 8 not in _KINDS[algorithm.kind][0]:
        cryptographic("Specified key is not a valid size for this algorithm.")
    algorithm.size, algorithm.key = bits // 8, None


def _set_mode(algorithm: Symmetric, mode: Any) -> None:
    if int(mode) not in (1, 2):
        cryptographic("Specified cipher mode is not valid for this algorithm.")
    algorithm.mode = int(mode)


def _set_padding(algorithm: Symmetric, padding: Any) -> None:
    if not 1 <= int(padding) <= 5:
        cryptographic("Specified padding mode is not valid for this algorithm.")
    algorithm.padding = int(padding)


def _part(data: Any, offset: int, count: int) -> bytes:
    if data is None:
        argument_null("inputBuffer")
    if not 0 <= offset <= len(data):
        out_of_range("Specified argument was out of the range of valid values.", "inputOffset")
    if not 0 <= count <= len(data) - offset:
        out_of_range("Attempt to transform beyond end of buffer.", "inputCount")
    return bytes(data[offset : offset + count])


_TRANSFORM = define("ICryptoTransform", f"{SPACE}.ICryptoTransform", bases=("IDisposable",))
members(
    _TRANSFORM,
    {
        "byte[] TransformFinalBlock(byte[] inputBuffer, int inputOffset, int inputCount)": (
            lambda transform, data, offset, count: Array(BYTE, transform.final(_part(data, offset, count)))
        ),
        "int InputBlockSize": lambda transform: transform.block,
        "int OutputBlockSize": lambda transform: transform.block,
        "bool CanReuseTransform": lambda transform: True,
        "bool CanTransformMultipleBlocks": lambda transform: True,
    },
)
SYMMETRIC = define("SymmetricAlgorithm", f"{SPACE}.SymmetricAlgorithm", bases=("IDisposable",))
members(
    SYMMETRIC,
    {
        "static SymmetricAlgorithm? Create(string algName)": create,
        "byte[] Key": with_exchange(lambda exchange, algorithm: Array(BYTE, _key(exchange, algorithm))),
        "byte[] IV": with_exchange(lambda exchange, algorithm: Array(BYTE, _vector(exchange, algorithm))),
        "int KeySize": lambda algorithm: algorithm.size * 8,
        "int BlockSize": lambda algorithm: algorithm.block * 8,
        "CipherMode Mode": lambda algorithm: enum_value(_MODES, algorithm.mode),
        "PaddingMode Padding": lambda algorithm: enum_value(_PADDINGS, algorithm.padding),
        "void GenerateKey()": with_exchange(_new_key),
        "void GenerateIV()": with_exchange(_new_vector),
        "bool ValidKeySize(int bitLength)": lambda algorithm, bits: (
            bits % 8 == 0 and bits // 8 in _KINDS[algorithm.kind][0]
        ),
        "ICryptoTransform CreateEncryptor()": _transform(True),
        "ICryptoTransform CreateEncryptor(byte[] rgbKey, byte[] rgbIV)": _transform(True),
        "ICryptoTransform CreateDecryptor()": _transform(False),
        "ICryptoTransform CreateDecryptor(byte[] rgbKey, byte[] rgbIV)": _transform(False),
        "void Clear()": lambda algorithm: None,
    },
)
setters(
    SYMMETRIC,
    {"Key": _set_key, "IV": _set_vector, "KeySize": _set_size, "Mode": _set_mode, "Padding": _set_padding},
)


def _run(encrypting: bool, algorithm: Symmetric, data: Any, key: bytes, vector: bytes) -> Array:
    raw = argument_null("input") if data is None else as_bytes(data)
    allocate(len(raw))
    return Array(BYTE, Transform(algorithm, key, vector, encrypting=encrypting).final(raw))


def _named(encrypting: bool) -> Any:
    return lambda data, name, key, vector: _run(encrypting, _known(name), data, as_bytes(key), as_bytes(vector))


def _keyed(encrypting: bool) -> Any:
    return lambda data, algorithm, key, vector: _run(encrypting, algorithm, data, as_bytes(key), as_bytes(vector))


def _own(encrypting: bool) -> Any:
    def run(exchange: Any, data: Any, algorithm: Symmetric) -> Array:
        return _run(encrypting, algorithm, data, _key(exchange, algorithm), _vector(exchange, algorithm))

    return with_exchange(run)


EXTENSIONS = define("CipherExtensions", "Microsoft.Azure.ApiManagement.CipherExtensions", kind="static")
for _word, _encrypting in (("Encrypt", True), ("Decrypt", False)):
    members(
        EXTENSIONS,
        {
            f"static byte[] {_word}(this byte[] input, string alg, byte[] key, byte[] iv)": _named(_encrypting),
            f"static byte[] {_word}(this byte[] input, SymmetricAlgorithm alg)": _own(_encrypting),
            f"static byte[] {_word}(this byte[] input, SymmetricAlgorithm alg, byte[] key, byte[] iv)": _keyed(
                _encrypting
            ),
        },
    )

"""byte[].Encrypt and Decrypt with a named symmetric algorithm: CBC mode, PKCS #7 padding, .NET's defaults."""

from __future__ import annotations

from typing import Any, NoReturn

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import DotNetError, argument
from proxy.expressions.table import define, members

_NAMES = {"aes", "aesmanaged", "rijndael", "rijndaelmanaged", "system.security.cryptography.aes"}


def _fail(message: str) -> NoReturn:
    raise DotNetError("System.Security.Cryptography.CryptographicException", message)


def _cipher(name: str | None, key: Any, vector: Any) -> Cipher[modes.CBC]:
    if name is None or name.lower() not in _NAMES:
        argument(f"'{name}' is not a supported algorithm.", "alg")
    secret, start = as_bytes(key), as_bytes(vector)
    if len(secret) not in (16, 24, 32):
        _fail("Specified key is not a valid size for this algorithm.")
    if len(start) != 16:
        _fail("Specified initialization vector (IV) does not match the block size for this algorithm.")
    return Cipher(algorithms.AES(secret), modes.CBC(start))


def encrypt(data: Any, name: str | None, key: Any, vector: Any) -> Array:
    padder = PKCS7(128).padder()
    padded = padder.update(as_bytes(data)) + padder.finalize()
    run = _cipher(name, key, vector).encryptor()
    return Array(BYTE, run.update(padded) + run.finalize())


def decrypt(data: Any, name: str | None, key: Any, vector: Any) -> Array:
    run = _cipher(name, key, vector).decryptor()
    try:
        padded = run.update(as_bytes(data)) + run.finalize()
        unpadder = PKCS7(128).unpadder()
        return Array(BYTE, unpadder.update(padded) + unpadder.finalize())
    except ValueError:
        _fail("Padding is invalid and cannot be removed.")


EXTENSIONS = define("CipherExtensions", "Microsoft.Azure.ApiManagement.CipherExtensions", kind="static")
members(
    EXTENSIONS,
    {
        "static byte[] Encrypt(this byte[] input, string alg, byte[] key, byte[] iv)": encrypt,
        "static byte[] Decrypt(this byte[] input, string alg, byte[] key, byte[] iv)": decrypt,
    },
)

"""Encrypted tokens (JWE, RFC 7516): the signed token inside.

Rules
1. Key management: dir, A128KW, A192KW, A256KW, RSA-OAEP, RSA-OAEP-256. RSA1_5 and PBES2 are refused: the first can be
   asked for the plain text, the second makes us work as much as the sender likes.
2. Content: A128CBC-HS256, A192CBC-HS384, A256CBC-HS512, A128GCM, A192GCM, A256GCM.
3. A compressed text grows to at most MAX_INFLATED bytes.
4. A failure does not say what failed: padding, tag and key look the same.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from cryptography.hazmat.primitives.padding import PKCS7

from proxy.tokens.compact import Encrypted, malformed
from proxy.tokens.refusal import TokenRefused

MAX_INFLATED = 256_000  # bytes
# content encryption -> bytes of its key, and the hash of its tag or "" for GCM
_CONTENT = {
    "A128CBC-HS256": (32, "sha256"),
    "A192CBC-HS384": (48, "sha384"),
    "A256CBC-HS512": (64, "sha512"),
    "A128GCM": (16, ""),
    "A192GCM": (24, ""),
    "A256GCM": (32, ""),
}
_WRAPS = {"A128KW": 16, "A192KW": 24, "A256KW": 32}
_OAEP: dict[str, type[hashes.HashAlgorithm]] = {"RSA-OAEP": hashes.SHA1, "RSA-OAEP-256": hashes.SHA256}


@dataclass(slots=True, frozen=True, eq=False)
class DecryptionKey:
    """A symmetric key or an RSA private key; `fingerprint` is the SHA-256 of it."""

    name: str
    material: bytes | rsa.RSAPrivateKey = field(repr=False)
    fingerprint: bytes

    @classmethod
    def symmetric(cls, content: bytes, name: str = "") -> DecryptionKey:
        return cls(name, content, hashlib.sha256(b"dec\0" + content).digest())

    @classmethod
    def private(cls, key: object, public: bytes, name: str = "") -> DecryptionKey:
        """`public` is the certificate's DER. Raises ValueError when the key cannot decrypt."""
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("has no RSA private key")
        return cls(name, key, hashlib.sha256(b"dec-rsa\0" + public).digest())


def decrypt(token: Encrypted, keys: tuple[DecryptionKey, ...]) -> tuple[str, DecryptionKey]:
    """The token inside, and the key that opened it. Raises TokenRefused."""
    name = token.header.get("kid")
    named = tuple(key for key in keys if name and key.name == name)
    for key in named or keys:
        plain = _attempt(token, key)
        if plain is not None:
            return _inflated(plain, token.header.get("zip")), key
    raise malformed("JWT decryption failed.", "no decryption key of the policy opens it" if keys else "no key is given")


def _attempt(token: Encrypted, key: DecryptionKey) -> bytes | None:
    content = token.header.get("enc")
    if not isinstance(content, str) or content not in _CONTENT:
        raise malformed("JWT decryption failed.", f"content encryption {content!r:.40} is not supported")
    size, digest = _CONTENT[content]
    try:
        secret = _content_key(token, key)
        if secret is None or len(secret) != size:
            return None
        if not digest:
            return AESGCM(secret).decrypt(token.nonce, token.text + token.tag, token.associated)
        return _cbc(token, secret, digest)
    except (ValueError, InvalidTag, InvalidUnwrap):
        return None


def _content_key(token: Encrypted, key: DecryptionKey) -> bytes | None:
    algorithm = token.header["alg"]
    material = key.material
    if algorithm == "dir":
        return material if isinstance(material, bytes) and not token.wrapped_key else None
    if algorithm in _WRAPS:
        if isinstance(material, bytes) and len(material) == _WRAPS[algorithm]:
            return aes_key_unwrap(material, token.wrapped_key)
        return None
    if algorithm in _OAEP:
        if isinstance(material, bytes):
            return None
        chosen = _OAEP[algorithm]
        return material.decrypt(token.wrapped_key, padding.OAEP(padding.MGF1(chosen()), chosen(), None))
    raise malformed("JWT decryption failed.", f"key management {algorithm!r:.40} is not supported")


def _cbc(token: Encrypted, secret: bytes, digest: str) -> bytes | None:
    half = len(secret) // 2
    length = (len(token.associated) * 8).to_bytes(8, "big")
    tag = hmac.digest(secret[:half], token.associated + token.nonce + token.text + length, digest)[:half]
    if not hmac.compare_digest(tag, token.tag):
        return None
    opener = Cipher(algorithms.AES(secret[half:]), modes.CBC(token.nonce)).decryptor()
    padded = opener.update(token.text) + opener.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _inflated(plain: bytes, zip_name: object) -> str:
    try:
        if zip_name is not None:
            if zip_name != "DEF":
                raise malformed("JWT decryption failed.", "its compression is not supported")
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            plain = inflater.decompress(plain, MAX_INFLATED)
            if inflater.unconsumed_tail:
                raise malformed("JWT decryption failed.", f"it inflates to more than {MAX_INFLATED} bytes")
        return plain.decode("ascii")
    except (zlib.error, UnicodeDecodeError) as wrong:
        raise TokenRefused("JwtInvalid", "JWT decryption failed.", "its content is no token") from wrong

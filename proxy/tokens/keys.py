"""Keys and signatures: which key may verify which algorithm, and whether a signature is right.

Rules
1. The kind of key fixes the family of algorithms: a public key is never an HMAC secret, whatever the header says.
2. An HMAC secret has at least as many bytes as the hash (RFC 7518 section 3.2), an RSA key at least 2048 bits.
3. A key set of a provider holds public keys only; what is broken, of an unknown kind or for encryption is left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from proxy.tokens.compact import decode

MIN_RSA, MAX_RSA = 2048, 16384  # bits
MAX_KEYS = 100  # of one provider

_HASHES: dict[str, tuple[HashAlgorithm, str]] = {
    "256": (SHA256(), "sha256"),
    "384": (SHA384(), "sha384"),
    "512": (SHA512(), "sha512"),
}
_CURVES: dict[str, type[ec.EllipticCurve]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
_EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = frozenset(f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in _HASHES)

Material = bytes | rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(slots=True, frozen=True, eq=False)
class Key:
    """`name` is matched with a token's `kid` or `x5t`; `algorithm` is the only one when the key says so itself.

    `fingerprint` is the SHA-256 of the key, with its kind and what it is limited to: what is remembered of a key that
    may sign with any algorithm says nothing of the same key limited to one.
    """

    name: str
    material: Material = field(repr=False)
    fingerprint: bytes
    algorithm: str = ""
    thumbprint: str = ""

    def verifies(self, algorithm: str, covered: bytes, signature: bytes) -> bool:
        """Whether this key may be used with the algorithm, and the signature is this key's."""
        if algorithm not in ALGORITHMS or (self.algorithm and self.algorithm != algorithm):
            return False
        family, bits = algorithm[:2], algorithm[2:]
        chosen, digest_name = _HASHES[bits]
        material = self.material
        try:
            if isinstance(material, bytes):
                if family != "HS" or len(material) < chosen.digest_size:
                    return False
                return hmac.compare_digest(hmac.digest(material, covered, digest_name), signature)
            if isinstance(material, rsa.RSAPublicKey):
                if family == "RS":
                    material.verify(signature, covered, padding.PKCS1v15(), chosen)
                elif family == "PS":
                    pss = padding.PSS(padding.MGF1(chosen), chosen.digest_size)
                    material.verify(signature, covered, pss, chosen)
                else:
                    return False
                return True
            if _EC_ALGORITHMS.get(material.curve.name) != algorithm:
                return False
            size = (material.curve.key_size + 7) // 8
            if len(signature) != 2 * size:
                return False
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            material.verify(encode_dss_signature(r, s), covered, ec.ECDSA(chosen))
            return True
        except InvalidSignature:
            return False


def secret_key(content: bytes, name: str = "") -> Key:
    """An HMAC secret. Raises ValueError for one that is too short, or is a public key in disguise."""
    if len(content) < 32:
        raise ValueError(f"has {len(content)} bytes; an HMAC secret needs at least 32")
    if _is_public(content):
        raise ValueError("is a public key or certificate; give its modulus and exponent, or a certificate-id")
    return Key(name, content, _fingerprint(b"oct", content))


def rsa_key(modulus: str, exponent: str, name: str = "") -> Key:
    """From base64url texts. Raises ValueError."""
    n, e = (
        int.from_bytes(decode(each.rstrip("=").replace("+", "-").replace("/", "_"))) for each in (modulus, exponent)
    )
    return public_key(rsa.RSAPublicNumbers(e, n).public_key() if _rsa_size(n) else None, name)


def public_key(key: object, name: str = "", algorithm: str = "", thumbprint: str = "") -> Key:
    """Raises ValueError for a kind or size that no algorithm here takes."""
    if isinstance(key, rsa.RSAPublicKey):
        _rsa_size(key.public_numbers().n)
    elif not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _EC_ALGORITHMS:
        raise ValueError("is neither an RSA key nor one on a curve P-256, P-384 or P-521")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(name, key, _fingerprint(b"spki " + algorithm.encode(), der), algorithm, thumbprint)


def base64_content(text: str) -> bytes:
    """The bytes of a base64 or base64url text, padded or not. Raises ValueError."""
    plain = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as wrong:
        raise ValueError("is not Base64") from wrong


@dataclass(slots=True, frozen=True)
class KeySet:
    """What a provider publishes. `issuer` may hold `{tenantid}`, for any tenant of the token's own `tid`."""

    issuer: str
    keys: tuple[Key, ...]
    by_name: Mapping[str, tuple[Key, ...]]
    fingerprints: frozenset[bytes]

    @classmethod
    def of(cls, issuer: str, keys: Iterable[Key]) -> KeySet:
        listed = tuple(keys)
        by_name: dict[str, tuple[Key, ...]] = {}
        for key in listed:
            for name in {key.name, key.thumbprint} - {""}:
                by_name[name] = (*by_name.get(name, ()), key)
        return cls(issuer, listed, by_name, frozenset(key.fingerprint for key in listed))

    @classmethod
    def read(cls, issuer: str, document: object) -> KeySet:
        """From a JWKS document. Raises ValueError when it is none."""
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise ValueError("the key set has no list of keys")
        found = []
        for each in listed[:MAX_KEYS]:
            try:
                found.append(_jwk(each))
            except (ValueError, TypeError, KeyError, AttributeError, IndexError):
                continue
        return cls.of(issuer, found)


def _jwk(jwk: Mapping[str, Any]) -> Key:
    if jwk.get("use") not in (None, "sig"):
        raise ValueError("not a signing key")
    name, algorithm, thumbprint = (str(jwk.get(each) or "") for each in ("kid", "alg", "x5t"))
    key: object
    if jwk["kty"] == "RSA":
        if "n" in jwk:
            n, e = (int.from_bytes(decode(jwk[each])) for each in ("n", "e"))
            _rsa_size(n)
            key = rsa.RSAPublicNumbers(e, n).public_key()
        else:
            key = load_der_x509_certificate(base64_content(jwk["x5c"][0])).public_key()
    elif jwk["kty"] == "EC":
        x, y = (int.from_bytes(decode(jwk[each])) for each in ("x", "y"))
        key = ec.EllipticCurvePublicNumbers(x, y, _CURVES[jwk["crv"]]()).public_key()
    else:
        raise ValueError("not a public key")
    return public_key(key, name, algorithm, thumbprint)


def _rsa_size(modulus: int) -> bool:
    if not MIN_RSA <= modulus.bit_length() <= MAX_RSA:
        raise ValueError(f"has {modulus.bit_length()} bits; an RSA key needs {MIN_RSA} to {MAX_RSA}")
    return True


def _is_public(content: bytes) -> bool:
    if content.lstrip().startswith((b"-----BEGIN", b"ssh-")):
        return True
    for load in (load_der_public_key, load_der_x509_certificate, load_pem_public_key, load_pem_x509_certificate):
        try:
            load(content)
        except Exception:  # noqa: S112 (whatever it is, it is not that)
            continue
        return True
    return False


def _fingerprint(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha256(kind + b"\0" + content).digest()

"""Tokens, keys and certificates for cases: made here with `cryptography`, so that they are nobody's real ones.

A token in a table is a mapping: `alg`, `key` (a name in SECRETS or of a pair), `claims`, and optionally `header`,
`signature` (replaces the right one), `encrypt` (another mapping: `alg`, `enc`, `key`).
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import os
import zlib
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from proxy.adapters.identity import failure
from proxy.config.certificates import open_pfx
from proxy.config.resources import Certificate
from proxy.tokens.keys import KeySet

SECRETS = {
    "secret": b"a secret of forty bytes, for tests alone",
    "other": b"another secret of 42 bytes, for the tests.",
    "long": bytes(range(64)),
    "aes": bytes(range(16)),
    "cbc": bytes(range(32)),
}
EXP = 1893553446  # a minute after the fake clock's 2030-01-02T03:04:05Z, and a second
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@cache
def rsa_pair(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_pair(algorithm: str, name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(_CURVES[algorithm])


def sign(alg: str, key: str, covered: bytes) -> bytes:
    if alg[:2] == "HS":
        return hmac.digest(SECRETS[key], covered, f"sha{alg[2:]}")
    digest = _HASHES.get(alg[2:], hashes.SHA256())
    if alg[:2] == "RS":
        return rsa_pair(key).sign(covered, padding.PKCS1v15(), digest)
    if alg[:2] == "PS":
        return rsa_pair(key).sign(covered, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if alg[:2] == "ES":
        r, s = decode_dss_signature(ec_pair(alg, key).sign(covered, ec.ECDSA(digest)))
        size = (ec_pair(alg, key).curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return b""


def token(
    claims: dict[str, Any] | str | None = None,
    alg: str = "HS256",
    key: str = "secret",
    header: dict[str, Any] | str | None = None,
    signature: str | None = None,
    encrypt: dict[str, Any] | None = None,
) -> str:
    """A token; `claims` and `header` as texts go in as they are. There is an `exp`, unless that is None."""
    if not isinstance(claims, str):
        claims = json.dumps(
            {name: value for name, value in {"exp": EXP, **(claims or {})}.items() if value is not None}
        )
    head = header if isinstance(header, str) else json.dumps({"alg": alg, "typ": "JWT", **(header or {})})
    covered = f"{b64(head.encode())}.{b64(claims.encode())}".encode()
    made = f"{covered.decode()}.{b64(sign(alg, key, covered)) if signature is None else signature}"
    return encrypted(made.encode(), **encrypt) if encrypt else made


def encrypted(plain: bytes, alg: str, enc: str, key: str, zip: str = "", header: dict[str, Any] | None = None) -> str:
    """A JWE around `plain`."""
    size = {"A128CBC-HS256": 32, "A192CBC-HS384": 48, "A256CBC-HS512": 64, "A128GCM": 16, "A256GCM": 32}[enc]
    if alg == "dir":
        secret, wrapped = SECRETS[key], b""
    else:
        secret = os.urandom(size)
        if alg == "A128KW":
            wrapped = aes_key_wrap(SECRETS[key], secret)
        else:
            chosen = hashes.SHA1() if alg == "RSA-OAEP" else hashes.SHA256()  # noqa: S303 - what RFC 7518 says
            oaep = padding.OAEP(padding.MGF1(chosen), chosen, None)
            wrapped = rsa_pair(key).public_key().encrypt(secret, oaep)
    if zip:
        packer = zlib.compressobj(wbits=-15)
        plain = packer.compress(plain) + packer.flush()
    head = b64(json.dumps({"alg": alg, "enc": enc, **({"zip": zip} if zip else {}), **(header or {})}).encode())
    if enc.endswith("GCM"):
        nonce = os.urandom(12)
        sealed = AESGCM(secret).encrypt(nonce, plain, head.encode())
        text, tag = sealed[:-16], sealed[-16:]
    else:
        half, nonce = size // 2, os.urandom(16)
        fill = 16 - len(plain) % 16
        cipher = Cipher(algorithms.AES(secret[half:]), modes.CBC(nonce)).encryptor()
        text = cipher.update(plain + bytes([fill]) * fill) + cipher.finalize()
        covered = head.encode() + nonce + text + (len(head) * 8).to_bytes(8, "big")
        tag = hmac.digest(secret[:half], covered, f"sha{enc[-3:]}")[:half]
    return ".".join([head, *(b64(each) for each in (wrapped, nonce, text, tag))])


def jwk(name: str = "rsa", algorithm: str = "RS256", **more: Any) -> dict[str, Any]:
    """A public key as a provider publishes it."""
    if algorithm[:2] in ("RS", "PS"):
        numbers = rsa_pair(name).public_key().public_numbers()
        n, e = (b64(each.to_bytes((each.bit_length() + 7) // 8, "big")) for each in (numbers.n, numbers.e))
        return {"kty": "RSA", "use": "sig", "kid": name, "n": n, "e": e, **more}
    public = ec_pair(algorithm, name).public_key().public_numbers()
    size = (public.curve.key_size + 7) // 8
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
    x, y = (b64(each.to_bytes(size, "big")) for each in (public.x, public.y))
    return {"kty": "EC", "use": "sig", "kid": name, "crv": curve, "x": x, "y": y, **more}


class FakeKeys:
    """Providers by URL: `issuer` and names of RSA `keys`; a later fetch finds `rotated` ones. Remembers its fetches."""

    def __init__(self, providers: dict[str, dict[str, Any]]) -> None:
        self.providers = providers
        self.known: dict[str, KeySet] = {}
        self.fetches: list[str] = []
        self.prefetched: set[str] = set()

    def held(self, url: str) -> KeySet | None:
        return self.known.get(url)

    async def keys(self, url: str, unknown: str = "") -> KeySet | None:
        if url in self.known and not unknown:
            return self.known[url]
        self.fetches.append(url)
        provider = self.providers.get(url)
        if provider is None:
            return None
        names = provider["keys"] if url not in self.known else provider.get("rotated", provider["keys"])
        self.known[url] = KeySet.read(provider["issuer"], {"keys": [jwk(name) for name in names]})
        return self.known[url]

    def prefetch(self, urls: Any) -> None:
        self.prefetched |= set(urls)


class FakeTokens:
    """Access tokens by "resource" or "resource client-id"; whatever is not there fails."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens = tokens

    async def token(self, resource: str, client_id: str = "") -> str:
        try:
            return self.tokens[f"{resource} {client_id}".strip()]
        except KeyError:
            raise failure(resource, "no such identity") from None


@cache
def certificate(name: str) -> x509.Certificate:
    """A certificate for the RSA pair of its name, from 2025 on. It signs itself, unless its name is `name.issuer`, and
    is an authority then, or when it is called `ca.x`; `old.x` ended in 2025 and `new.x` begins in 2031."""
    issuer = name.partition(".")[2]
    days = 100 if name.startswith("old") else 10_000
    begin = datetime.datetime(2031 if name.startswith("new") else 2025, 1, 1)
    own = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Books, Inc."), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    above = certificate(issuer).subject if issuer else own
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(above)
        .public_key(rsa_pair(name).public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=not issuer or name.startswith("ca"), path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.books.example")]), critical=False)
    )
    return made.sign(rsa_pair(issuer or name), hashes.SHA256())


@cache
def pfx(name: str, password: str = "", private: bool = True) -> bytes:
    protection = pkcs12.serialize_key_and_certificates  # the cheapest protection: it is opened in many tests
    encryption = NoEncryption()
    if password:
        from cryptography.hazmat.primitives.serialization import PrivateFormat

        encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2).build(password.encode())  # type: ignore[assignment]
    return protection(name.encode(), rsa_pair(name) if private else None, certificate(name), None, encryption)


@cache
def opened(name: str, private: bool = True) -> Certificate:
    return open_pfx(name, pfx(name, private=private), "")

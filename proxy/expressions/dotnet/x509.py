"""X509Certificate2: the client's, the deployment's, or one made of bytes. Chains are not built here."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.context import CERTIFICATE, DEPLOYMENT, REQUEST
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.datetime import LOCAL, DateTime, from_python
from proxy.expressions.dotnet.rsa import Rsa
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import generic, type_of_name

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

_SPACE = "System.Security.Cryptography.X509Certificates"
# the attribute names that .NET writes where OpenSSL has others
_LABELS = {"2.5.4.8": "S", "1.2.840.113549.1.9.1": "E", "2.5.4.5": "SERIALNUMBER"}


class Certificate2:
    """A certificate; `pem` holds its private key, if it has one."""

    def __init__(self, der: bytes, pem: bytes = b"") -> None:
        self.der = der
        self.pem = pem

    @cached_property
    def parsed(self) -> Certificate:
        from cryptography import x509

        try:
            return x509.load_der_x509_certificate(self.der)
        except ValueError:
            raise DotNetError(
                "System.Security.Cryptography.CryptographicException", "Cannot find the requested object."
            ) from None

    @property
    def subject(self) -> str:
        return name_text(self.parsed.subject)

    @property
    def issuer(self) -> str:
        return name_text(self.parsed.issuer)

    @property
    def thumbprint(self) -> str:
        return self.digest().hex().upper()

    @property
    def serial(self) -> str:
        number = self.parsed.serial_number
        return number.to_bytes((number.bit_length() + 8) // 8, "big").hex().upper().removeprefix("00") or "00"

    def digest(self) -> bytes:
        import hashlib

        return hashlib.sha1(self.der, usedforsecurity=False).digest()

    def public_key(self) -> Rsa | None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        key = self.parsed.public_key()
        return Rsa(key) if isinstance(key, RSAPublicKey) else None

    def private_key(self) -> Rsa | None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if b"PRIVATE KEY" not in self.pem:
            return None
        key = load_pem_private_key(self.pem[self.pem.index(b"-----BEGIN PRIVATE KEY") :], None)
        return Rsa(key) if isinstance(key, RSAPrivateKey) else None

    def holds_now(self) -> bool:
        """Inside its time of validity."""
        now = datetime.datetime.now(datetime.UTC)
        return self.parsed.not_valid_before_utc <= now <= self.parsed.not_valid_after_utc


def name_text(name: Name) -> str:
    """CN=x, O=y: most specific first, as .NET prints it."""
    parts = []
    for attribute_ in reversed(list(name)):
        label = _LABELS.get(attribute_.oid.dotted_string, attribute_.rfc4514_attribute_name)
        value = str(attribute_.value)
        parts.append(f'{label}="{value}"' if "," in value or '"' in value else f"{label}={value}")
    return ", ".join(parts)


stands_for(Certificate2, "X509Certificate2")
NAME = define("X500DistinguishedName", f"{_SPACE}.X500DistinguishedName")


class DistinguishedName:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


stands_for(DistinguishedName, "X500DistinguishedName")
members(NAME, {"string Name": attribute("name")})


def _local(moment: datetime.datetime) -> DateTime:
    return from_python(moment)._replace(kind=LOCAL)


def _of_bytes(data: Any) -> Certificate2:
    raw = as_bytes(data)
    if raw[:10] == b"-----BEGIN":
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        raw = x509.load_pem_x509_certificate(raw).public_bytes(Encoding.DER)
    made = Certificate2(raw)
    made.parsed  # noqa: B018  # bytes that are no certificate throw here
    return made


members(
    CERTIFICATE,
    {
        "new(byte[] rawData)": _of_bytes,
        "string Subject": attribute("subject"),
        "string Issuer": attribute("issuer"),
        "X500DistinguishedName SubjectName": lambda c: DistinguishedName(c.subject),
        "X500DistinguishedName IssuerName": lambda c: DistinguishedName(c.issuer),
        "string Thumbprint": attribute("thumbprint"),
        "string SerialNumber": attribute("serial"),
        "string GetSerialNumberString()": lambda c: c.serial,
        "DateTime NotBefore": lambda c: _local(c.parsed.not_valid_before_utc),
        "DateTime NotAfter": lambda c: _local(c.parsed.not_valid_after_utc),
        "string FriendlyName": lambda c: "",
        "int Version": lambda c: c.parsed.version.value + 1,
        "bool HasPrivateKey": lambda c: b"PRIVATE KEY" in c.pem,
        "byte[] RawData": lambda c: Array(BYTE, c.der),
        "byte[] GetRawCertData()": lambda c: Array(BYTE, c.der),
        "byte[] GetCertHash()": lambda c: Array(BYTE, c.digest()),
        "string GetCertHashString()": lambda c: c.thumbprint,
        "RSA? GetRSAPrivateKey()": Certificate2.private_key,
        "RSA? GetRSAPublicKey()": Certificate2.public_key,
        "bool Verify()": Certificate2.holds_now,
        "bool VerifyNoRevocation()": Certificate2.holds_now,
        "bool Equals(X509Certificate2 other)": lambda a, b: b is not None and a.der == b.der,
    },
)


class Certificates(Dictionary):
    """The deployment's certificates by id; a thumbprint finds them too."""

    __slots__ = ()

    def find(self, key: Any) -> tuple[Any, Any] | None:
        found = super().find(key)
        if found is not None:
            return found
        wanted = str(key).upper()
        return next((pair for pair in self.items.values() if pair[1].thumbprint == wanted), None)


_KIND = generic("IReadOnlyDictionary", type_of_name("string"), type_of_name("X509Certificate2"))


def of_deployment(deployment: Any) -> Certificates:
    known = getattr(deployment, "certificates", None) or {}
    return Certificates(_KIND, {name: Certificate2(one.der, one.pem) for name, one in known.items()})


def of_client(request: Any) -> Certificate2 | None:
    der = getattr(request, "client_certificate", b"")
    return Certificate2(der) if der else None


members(REQUEST, {"X509Certificate2? Certificate": of_client})
members(DEPLOYMENT, {"IReadOnlyDictionary<string, X509Certificate2> Certificates": of_deployment})

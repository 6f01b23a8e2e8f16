"""X509Certificate2: the client's, the deployment's, or one made of bytes. Chains are not built here."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.context import CERTIFICATE, DEPLOYMENT, REQUEST
from proxy.expressions.dotnet.convert import BYTE, as_bytes
from proxy.expressions.dotnet.datetime import LOCAL, DateTime, from_python
from proxy.expressions.dotnet.enums import enumeration
from proxy.expressions.dotnet.format import format_value
from proxy.expressions.dotnet.hashes import SPACE, cryptographic
from proxy.expressions.dotnet.rsa import HashName, Rsa
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import argument, argument_null
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import generic, type_of_name

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

_SPACE = f"{SPACE}.X509Certificates"
# the names of attributes as .NET writes them; any other stands as OID.1.2.3
_LABELS = {
    "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "S", "2.5.4.9": "STREET", "2.5.4.10": "O",
    "2.5.4.11": "OU", "2.5.4.12": "T", "2.5.4.42": "G", "2.5.4.43": "I", "2.5.4.4": "SN", "2.5.4.5": "SERIALNUMBER",
    "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "E", "2.5.4.13": "Description",
    "2.5.4.17": "PostalCode", "2.5.4.18": "POBox", "2.5.4.20": "Phone",
}  # fmt: skip
_OIDS = {
    "1.2.840.113549.1.1.1": "RSA", "1.2.840.113549.1.1.5": "sha1RSA", "1.2.840.113549.1.1.11": "sha256RSA",
    "1.2.840.113549.1.1.12": "sha384RSA", "1.2.840.113549.1.1.13": "sha512RSA", "1.2.840.10045.2.1": "ECC",
    "1.2.840.10045.4.3.2": "sha256ECDSA", "1.2.840.10045.4.3.3": "sha384ECDSA", "2.16.840.1.101.3.4.2.1": "sha256",
    "1.3.14.3.2.26": "sha1",
}  # fmt: skip
_QUOTED = frozenset(',+="\n<>#;')
enumeration("X509NameType", f"{_SPACE}.X509NameType", {
    "SimpleName": 0, "EmailName": 1, "UpnName": 2, "DnsName": 3, "DnsFromAlternativeName": 4, "UrlName": 5,
})  # fmt: skip
enumeration("X509ContentType", f"{_SPACE}.X509ContentType", {
    "Unknown": 0, "Cert": 1, "SerializedCert": 2, "Pfx": 3, "SerializedStore": 4, "Pkcs7": 5, "Authenticode": 6,
})  # fmt: skip


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
            return cryptographic("Cannot find the requested object.")  # type: ignore[no-any-return]

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
    def serial(self) -> bytes:
        """Big-endian, at least one byte, with a leading zero where the first bit would be a sign."""
        number = self.parsed.serial_number
        return number.to_bytes(number.bit_length() // 8 + 1, "big")

    def digest(self, name: str = "sha1") -> bytes:
        import hashlib

        return hashlib.new(name, self.der, usedforsecurity=False).digest()

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
        return Rsa(key, exportable=False) if isinstance(key, RSAPrivateKey) else None

    def key_bytes(self) -> bytes:
        """The public key as it stands in the certificate."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = self.parsed.public_key()
        if self.public_key() is not None:
            return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def holds_now(self) -> bool:
        """Inside its time of validity."""
        now = datetime.datetime.now(datetime.UTC)
        return self.parsed.not_valid_before_utc <= now <= self.parsed.not_valid_after_utc

    def alternative(self, kind: str) -> str:
        """The first alternative name of that class, or ""."""
        from cryptography import x509

        try:
            names = self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ""
        return next(iter(names.get_values_for_type(getattr(x509, kind))), "")

    def described(self) -> str:
        parts = (
            ("Subject", self.subject), ("Issuer", self.issuer), ("Serial Number", self.serial.hex().upper()),
            ("Not Before", _moment_text(self.parsed.not_valid_before_utc)),
            ("Not After", _moment_text(self.parsed.not_valid_after_utc)), ("Thumbprint", self.thumbprint),
        )  # fmt: skip
        return "\n\n".join(f"[{label}]\n  {text}" for label, text in parts) + "\n"


def _moment_text(moment: datetime.datetime) -> str:
    return str(format_value(from_python(moment), "G"))


def name_text(name: Name, *, forward: bool = False) -> str:
    """CN=x, O=y: most specific first, as .NET prints it, or in the order of the certificate."""
    levels = name.rdns if forward else reversed(name.rdns)
    return ", ".join(" + ".join(_pair(part) for part in level) for level in levels)


def _pair(part: Any) -> str:
    oid = part.oid.dotted_string
    value = str(part.value)
    if not value or value != value.strip() or not _QUOTED.isdisjoint(value):
        doubled = value.replace('"', '""')
        value = f'"{doubled}"'
    return f"{_LABELS.get(oid, f'OID.{oid}')}={value}"


_NAME_KINDS = {0: "", 1: "RFC822Name", 3: "DNSName", 4: "DNSName", 5: "UniformResourceIdentifier"}


def _name_info(certificate: Certificate2, kind: Any, for_issuer: bool) -> str:
    """GetNameInfo: the simple name, mail address or host name."""
    number = int(kind)
    if number not in _NAME_KINDS:
        return ""
    name = certificate.parsed.issuer if for_issuer else certificate.parsed.subject
    found = {part.oid.dotted_string: str(part.value) for part in name}
    alternative = "" if for_issuer or number == 0 else certificate.alternative(_NAME_KINDS[number])
    if number == 1:
        return alternative or found.get("1.2.840.113549.1.9.1", "")
    if number in (4, 5):
        return alternative
    return alternative or found.get("2.5.4.3", "")


class Oid:
    """An object identifier and its name."""

    __slots__ = ("friendly", "value")

    def __init__(self, value: str | None, friendly: str | None = None) -> None:
        numbers = {name.lower(): number for number, name in _OIDS.items()}
        self.value = numbers.get((value or "").lower(), value)
        self.friendly = friendly or _OIDS.get(self.value or "")


class DistinguishedName:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Public:
    """PublicKey of a certificate."""

    __slots__ = ("certificate",)

    def __init__(self, certificate: Certificate2) -> None:
        self.certificate = certificate


stands_for(Certificate2, "X509Certificate2")
stands_for(DistinguishedName, "X500DistinguishedName")
stands_for(Oid, "Oid")
stands_for(Public, "PublicKey")
TEXTS[Certificate2] = Certificate2.described
NAME = define("X500DistinguishedName", f"{_SPACE}.X500DistinguishedName")
members(NAME, {"string Name": attribute("name")})
members(
    define("Oid", f"{SPACE}.Oid"),
    {
        "new(string oid)": Oid,
        "new(string value, string friendlyName)": Oid,
        "string? Value": attribute("value"),
        "string? FriendlyName": attribute("friendly"),
    },
)


def _key_oid(certificate: Certificate2) -> str:
    return certificate.parsed.public_key_algorithm_oid.dotted_string


members(
    define("PublicKey", f"{_SPACE}.PublicKey"),
    {
        "AsymmetricAlgorithm? Key": lambda public: public.certificate.public_key(),
        "Oid Oid": lambda public: Oid(_key_oid(public.certificate)),
    },
)


def _local(moment: datetime.datetime) -> DateTime:
    return from_python(moment)._replace(kind=LOCAL)


def _of_bytes(data: Any, password: str | None = None) -> Certificate2:
    """A certificate (DER or PEM) or a PKCS #12 file with its password."""
    raw = as_bytes(data)
    if not raw:
        argument("Array may not be empty or null.", "rawData")
    if raw[:10] == b"-----BEGIN":
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        try:
            raw = x509.load_pem_x509_certificate(raw).public_bytes(Encoding.DER)
        except ValueError:
            cryptographic("Cannot find the requested object.")
    elif content_type(raw) == 3:
        return _of_pfx(raw, password)
    made = Certificate2(raw)
    made.parsed  # noqa: B018  # bytes that are no certificate throw here
    return made


def content_type(raw: bytes) -> int:
    """The X509ContentType: 3 for PKCS #12, which begins with version 3, else 1."""
    at = 2 if raw[1:2] < b"\x80" else 2 + (raw[1] & 0x7F)
    return 3 if raw[:1] == b"0" and raw[at : at + 3] == b"\x02\x01\x03" else 1


def _of_pfx(raw: bytes, password: str | None) -> Certificate2:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    try:
        bundle = load_pkcs12(raw, password.encode() if password else None)
    except ValueError:
        cryptographic("The specified network password is not correct.")
    held = bundle.cert or next(iter(bundle.additional_certs), None)
    if held is None:
        return cryptographic("Cannot find the requested object.")  # type: ignore[no-any-return]
    pem = b"" if bundle.key is None else bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate2(held.certificate.public_bytes(Encoding.DER), pem)


def _export(certificate: Certificate2, kind: Any, password: str | None = None) -> Array:
    if int(kind) != 1:
        cryptographic("Invalid content type.")
    return Array(BYTE, certificate.der)


def _digest(certificate: Certificate2, name: HashName) -> bytes:
    return certificate.digest((name.name or "").lower())


members(
    CERTIFICATE,
    {
        "new(byte[] rawData)": _of_bytes,
        "new(byte[] rawData, string password)": _of_bytes,
        "new(X509Certificate2 certificate)": lambda other: (
            argument_null("certificate") if other is None else Certificate2(other.der, other.pem)
        ),
        "static X509ContentType GetCertContentType(byte[] rawData)": lambda data: content_of(as_bytes(data)),
        "string Subject": attribute("subject"),
        "string Issuer": attribute("issuer"),
        "X500DistinguishedName SubjectName": lambda c: DistinguishedName(c.subject),
        "X500DistinguishedName IssuerName": lambda c: DistinguishedName(c.issuer),
        "string Thumbprint": attribute("thumbprint"),
        "string SerialNumber": lambda c: c.serial.hex().upper(),
        "string GetSerialNumberString()": lambda c: c.serial.hex().upper(),
        "byte[] GetSerialNumber()": lambda c: Array(BYTE, c.serial[::-1]),
        "string GetName()": lambda c: name_text(c.parsed.subject, forward=True),
        "string GetIssuerName()": lambda c: name_text(c.parsed.issuer, forward=True),
        "string GetNameInfo(X509NameType nameType, bool forIssuer)": _name_info,
        "DateTime NotBefore": lambda c: _local(c.parsed.not_valid_before_utc),
        "DateTime NotAfter": lambda c: _local(c.parsed.not_valid_after_utc),
        "string GetEffectiveDateString()": lambda c: _moment_text(c.parsed.not_valid_before_utc),
        "string GetExpirationDateString()": lambda c: _moment_text(c.parsed.not_valid_after_utc),
        "string FriendlyName": lambda c: "",
        "bool Archived": lambda c: False,
        "string GetFormat()": lambda c: "X509",
        "int Version": lambda c: c.parsed.version.value + 1,
        "bool HasPrivateKey": lambda c: b"PRIVATE KEY" in c.pem,
        "byte[] RawData": lambda c: Array(BYTE, c.der),
        "byte[] GetRawCertData()": lambda c: Array(BYTE, c.der),
        "string GetRawCertDataString()": lambda c: c.der.hex().upper(),
        "byte[] GetCertHash()": lambda c: Array(BYTE, c.digest()),
        "byte[] GetCertHash(HashAlgorithmName hashAlgorithm)": lambda c, name: Array(BYTE, _digest(c, name)),
        "string GetCertHashString()": lambda c: c.thumbprint,
        "string GetCertHashString(HashAlgorithmName hashAlgorithm)": lambda c, name: _digest(c, name).hex().upper(),
        "string GetKeyAlgorithm()": _key_oid,
        "byte[] GetPublicKey()": lambda c: Array(BYTE, c.key_bytes()),
        "string GetPublicKeyString()": lambda c: c.key_bytes().hex().upper(),
        "Oid SignatureAlgorithm": lambda c: Oid(c.parsed.signature_algorithm_oid.dotted_string),
        "PublicKey PublicKey": Public,
        "AsymmetricAlgorithm? PrivateKey": Certificate2.private_key,
        "RSA? GetRSAPrivateKey()": Certificate2.private_key,
        "RSA? GetRSAPublicKey()": Certificate2.public_key,
        "byte[] Export(X509ContentType contentType)": _export,
        "byte[] Export(X509ContentType contentType, string password)": _export,
        "bool Verify()": Certificate2.holds_now,
        "bool VerifyNoRevocation()": Certificate2.holds_now,
        "bool Equals(X509Certificate2 other)": lambda a, b: b is not None and a.der == b.der,
        "string ToString()": Certificate2.described,
        "string ToString(bool verbose)": lambda c, _: c.described(),
    },
)
members(
    define("RSACertificateExtensions", f"{_SPACE}.RSACertificateExtensions", kind="static"),
    {
        "static RSA? GetRSAPrivateKey(X509Certificate2 certificate)": Certificate2.private_key,
        "static RSA? GetRSAPublicKey(X509Certificate2 certificate)": Certificate2.public_key,
    },
)


def content_of(raw: bytes) -> Any:
    from proxy.expressions.dotnet.enums import enum_value

    return enum_value(type_of_name("X509ContentType"), content_type(raw))


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

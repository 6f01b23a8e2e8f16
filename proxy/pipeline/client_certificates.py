"""What a client certificate must be: `problem_of(certificate, rules, known, now)` is None, or why it is refused. Pure.

Rules
1. All of the rules hold, and one of the identities matches in all that it says; without identities anyone does.
2. A trusted certificate has a chain to an authority among the known certificates: its issuers are allowed to issue, and
   nothing in the chain has expired. The time of the client's own certificate is asked apart.
3. Names are compared as distinguished names: parts in order or in reverse order, types in any case, values exactly.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from proxy.config.certificates import thumbprint

_ALIASES = {"S": "ST", "E": "EMAILADDRESS", "EMAIL": "EMAILADDRESS", "1.2.840.113549.1.9.1": "EMAILADDRESS"}
_PART = re.compile(r'\s*([A-Za-z][A-Za-z0-9-]*|[0-9.]+)\s*=\s*("(?:[^"]|"")*"|(?:[^,;+"\\]|\\.)*)\s*(?:[,;+]|$)')
_NAMES = {
    NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST", NameOID.LOCALITY_NAME: "L",
    NameOID.DOMAIN_COMPONENT: "DC", NameOID.EMAIL_ADDRESS: "EMAILADDRESS", NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.STREET_ADDRESS: "STREET", NameOID.TITLE: "T", NameOID.GIVEN_NAME: "G", NameOID.SURNAME: "SN",
}  # fmt: skip


def _may_sign(policy: object, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an authority in the chain may not sign certificates")


# Authorities of one's own have fewer extensions than those of the web; what they have counts.
_AUTHORITY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
)


@dataclass(slots=True, frozen=True)
class Identity:
    """What one <identity> says; empty texts say nothing. `issuer` is the certificate of `issuer-certificate-id`;
    `nobody`: there is no such certificate."""

    thumbprint: str = ""
    serial_number: str = ""
    common_name: str = ""
    subject: str = ""
    dns_name: str = ""
    issuer_subject: str = ""
    issuer_thumbprint: str = ""
    issuer: x509.Certificate | None = None
    nobody: bool = False

    @property
    def says_nothing(self) -> bool:
        return not any(getattr(self, each.name) for each in fields(self))


@dataclass(slots=True, frozen=True)
class Rules:
    not_before: bool = True
    not_after: bool = True
    trust: bool = True
    identities: tuple[Identity, ...] = ()


def problem_of(
    certificate: x509.Certificate, rules: Rules, known: Sequence[x509.Certificate], now: datetime.datetime
) -> str | None:
    """Why a certificate is refused; `known` are the certificates that issuers are looked for among."""
    if rules.not_before and now < certificate.not_valid_before_utc:
        return "The client certificate is not valid yet."
    if rules.not_after and now > certificate.not_valid_after_utc:
        return "The client certificate has expired."
    if rules.trust and not is_trusted(certificate, known, now):
        return "The chain of the client certificate does not lead to a trusted authority."
    if rules.identities and not any(matches(certificate, each, known) for each in rules.identities):
        return "The client certificate matches none of the identities."
    return None


def is_trusted(certificate: x509.Certificate, known: Sequence[x509.Certificate], now: datetime.datetime) -> bool:
    """Whether a chain leads to a self-issued authority among the known ones."""
    authorities = [each for each in known if _is_authority(each)]
    roots = [each for each in authorities if each.issuer == each.subject]
    if not roots:
        return False
    time = max(certificate.not_valid_before_utc, min(now, certificate.not_valid_after_utc))
    builder = PolicyBuilder().store(Store(roots)).time(time)
    builder = builder.extension_policies(ee_policy=ExtensionPolicy.permit_all(), ca_policy=_AUTHORITY)
    try:
        builder.build_client_verifier().verify(certificate, [each for each in authorities if each not in roots])
    except (VerificationError, ValueError):
        return False
    return True


def matches(certificate: x509.Certificate, identity: Identity, known: Sequence[x509.Certificate]) -> bool:
    """Whether a certificate is all that an identity says."""
    if identity.nobody:
        return False
    if identity.thumbprint and hexadecimal(identity.thumbprint) != _thumbprint(certificate):
        return False
    if identity.serial_number and _number(identity.serial_number) != certificate.serial_number:
        return False
    if identity.common_name:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if identity.common_name not in [each.value for each in names]:
            return False
    if identity.subject and not same_name(identity.subject, certificate.subject):
        return False
    if identity.dns_name and identity.dns_name.lower() not in _dns_names(certificate):
        return False
    if identity.issuer_subject and not same_name(identity.issuer_subject, certificate.issuer):
        return False
    if identity.issuer is not None and not _issued(identity.issuer, certificate):
        return False
    if identity.issuer_thumbprint:
        wanted = hexadecimal(identity.issuer_thumbprint)
        return any(_thumbprint(each) == wanted and _issued(each, certificate) for each in known)
    return True


def same_name(text: str, name: x509.Name) -> bool:
    """Whether a text such as `CN=a, O="Books, Inc."` is this distinguished name."""
    wanted = parts_of(text)
    found = [(_NAMES.get(each.oid, each.oid.dotted_string), str(each.value)) for each in name]
    return wanted is not None and wanted in (found, found[::-1])


def parts_of(text: str) -> list[tuple[str, str]] | None:
    """Types and values of a distinguished name in text; None when it is none."""
    parts = []
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None or found.end() == position:
            return None
        kind, value = found[1].upper(), found[2].strip()
        if value.startswith('"'):
            value = value[1:-1].replace('""', '"')
        else:
            value = re.sub(r"\\(.)", r"\1", value)
        parts.append((_ALIASES.get(kind, kind), value))
        position = found.end()
    return parts or None


def hexadecimal(text: str) -> str:
    """Upper-case hex digits alone; tools write thumbprints with spaces, colons and invisible marks."""
    return "".join(each for each in text.upper() if each in "0123456789ABCDEF")


def _number(text: str) -> int:
    digits = hexadecimal(text)
    return int(digits, 16) if digits else -1


def _thumbprint(certificate: x509.Certificate) -> str:
    return thumbprint(certificate.public_bytes(Encoding.DER))


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [each.lower() for each in names.get_values_for_type(x509.DNSName)]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # a wrong name, a wrong signature, an unknown kind of key: it is not the issuer
        return False
    return True

"""The local certificate authority: made on first start, so that clients can trust this plane and nothing else.

`ca.pem` is what a client is told to trust; `ca.key` signs `server.pem`, which names localhost, 127.0.0.1, ::1 and the
host that is listened on. Both are reused on later starts, and renewed a month before they end, or where the clock was
ahead when they were made, so that they have not begun.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from management.vault import write_private

AUTHORITY_LIFE = datetime.timedelta(days=3650)
SERVER_LIFE = datetime.timedelta(days=365)
RENEW = datetime.timedelta(days=30)
NAMES = ("localhost", "127.0.0.1", "::1")


def server_context(directory: Path, host: str) -> ssl.SSLContext:
    """A TLS context with a certificate of the local authority in `directory`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    renew(context, directory, host)
    return context


def renew(context: ssl.SSLContext, directory: Path, host: str) -> None:
    """Show a certificate that does not end soon, made anew where that is due, from the next handshake on."""
    names = [*NAMES, *([host] if host not in (*NAMES, "0.0.0.0", "::") else [])]  # noqa: S104 - compared, not bound
    with _alone(directory):
        authority, key = _authority(directory)
        certificate_file, key_file = directory / "server.pem", directory / "server.key"
        if not _usable(certificate_file, key_file, names, authority):
            _issue(certificate_file, key_file, names, authority, key)
        context.load_cert_chain(certificate_file, key_file)


def issue(directory: Path, certificate_file: Path, key_file: Path, names: list[str]) -> bool:
    """A certificate of the authority in `directory` for a gateway, and its key (both 0600): whether they were made, or
    the ones that are there name all of `names` and do not end within a month. Raises FileNotFoundError when there is
    no authority, ValueError when its files do not belong together."""
    with _alone(directory):
        authority = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
        raise ValueError(f"ca.key in {directory} is not the key of ca.pem")
    if _usable(certificate_file, key_file, names, authority):
        return False
    _issue(certificate_file, key_file, names, authority, key)
    return True


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Of several planes that start on one directory, the first makes the certificates; the others find them whole."""
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def _authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    if certificate_file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        # A crash between the two writes leaves a key that is not the certificate's.
        belongs = isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
        if belongs and _lasts(certificate):
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Passerelle"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Passerelle local authority"),
        ]
    )
    certificate = (
        _builder(name, name, key.public_key(), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _pem(key))
    write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    certificate_file.chmod(0o644)
    return certificate, key


def _issue(
    certificate_file: Path,
    key_file: Path,
    names: list[str],
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        _builder(subject, authority.subject, key.public_key(), SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    write_private(key_file, _pem(key))
    write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


def _usable(certificate_file: Path, key_file: Path, names: list[str], authority: x509.Certificate) -> bool:
    """Whether the server certificate is there, is of this authority, names all of `names` and does not end soon."""
    if not (certificate_file.exists() and key_file.exists()):
        return False
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        certificate.verify_directly_issued_by(authority)
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # whatever is wrong with it, another one is made
        return False
    fits = key.public_key() == certificate.public_key()
    return fits and set(alternative) >= {_name(each) for each in names} and _lasts(certificate)


def _lasts(certificate: x509.Certificate) -> bool:
    """Whether it has begun, and does not end soon."""
    return certificate.not_valid_before_utc <= _now() < certificate.not_valid_after_utc - RENEW


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + life)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

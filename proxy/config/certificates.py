"""PKCS #12 files, opened once: what certificate resources and authentication-certificate bodies are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from proxy.config.resources import Backend, Certificate
from proxy.ports import ClientIdentity

MAX_PFX = 256 * 1024  # bytes


def open_pfx(name: str, content: bytes, password: str) -> Certificate:
    """The certificate `name` of a PKCS #12 file. Raises ValueError that says what is wrong, without any secret."""
    if len(content) > MAX_PFX:
        raise ValueError(f"a PKCS #12 file has at most {MAX_PFX} bytes, and this one has {len(content)}")
    try:
        bundle = load_pkcs12(content, password.encode() if password else None)
    except ValueError as wrong:
        raise ValueError("this is no PKCS #12 file, or its password is another") from wrong
    listed = [each.certificate for each in (bundle.cert, *bundle.additional_certs) if each is not None]
    if not listed:
        raise ValueError("the PKCS #12 file holds no certificate")
    own = listed[0]  # the key's own one; without a key the first
    der = own.public_bytes(Encoding.DER)
    parts = [each.public_bytes(Encoding.PEM) for each in listed]
    if bundle.key is not None:
        parts.append(bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Certificate(name, thumbprint(der), der, b"".join(parts), bundle.key is not None)


def identity_of(certificate: Certificate) -> ClientIdentity:
    """The certificate and its private key, for TLS."""
    return ClientIdentity(hashlib.sha256(certificate.pem).hexdigest(), certificate.pem)


def with_identity(backend: Backend, certificates: Mapping[str, Certificate]) -> Backend:
    """A backend with the client certificates that it names. Raises ValueError when it names some and none is there."""
    cluster = backend.cluster
    if cluster is not None and cluster.certificates:
        cluster = replace(cluster, identity=_first(cluster.certificates, certificates))
    identity = _first(backend.certificates, certificates) if backend.certificates else backend.identity
    return replace(backend, cluster=cluster, identity=identity) if (identity or cluster) else backend


def _first(wanted: tuple[str, ...], certificates: Mapping[str, Certificate]) -> ClientIdentity:
    for each in certificates.values():
        if each.has_private_key and (each.id in wanted or each.thumbprint in wanted):
            return identity_of(each)
    names = ", ".join(wanted)
    raise ValueError(f"none of its certificates is there with a private key: {names}. Add one to the service")


def thumbprint(der: bytes) -> str:
    """SHA-1 in upper-case hex: what .NET and APIM call a thumbprint."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()

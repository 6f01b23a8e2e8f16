"""TLS towards backends: whose certificates are believed, which versions and suites are spoken.

Rules
1. The system's authorities are believed; beside them those of a folder (`certificates.local.ca.enabled`), and those
   that the plane trusts for this gateway (`gateways/certificateAuthorities`). A certificate that is named itself needs
   no authority above it.
2. A context checks all (`ALL`), the chain but not the name (`CHAIN`), or nothing (`NOTHING`), as a backend entity says.
3. TLS below 1.2 is not spoken, and a setting that asks for it is refused.
Source: Microsoft's reference of the self-hosted gateway's settings.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.adapters.identities import load_pem
from proxy.adapters.tls import openssl_suites
from proxy.ports import Outgoing
from proxy.settings import SettingError, boolean

ALL, CHAIN, NOTHING = "all", "chain", "nothing"
MOST_FILES = 1000
_SUITES = "net.client.tls.ciphers.allowed-suites"
_PROTOCOLS = "Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols."
_OLD = ("Tls11", "Tls10", "Ssl30")
_LOCAL, _FOLDER = "certificates.local.ca.enabled", "certificates.local.ca.path"
_REVOCATION = "security.certificate-revocation.validation.enabled"


def check_of(request: Outgoing) -> str:
    """How much of the server's certificate is checked by TLS; thumbprints are compared instead where they are given."""
    if not request.verify_tls or request.thumbprints:
        return NOTHING
    return ALL if request.verify_name else CHAIN


@dataclass(slots=True, frozen=True)
class ClientTls:
    """`suites` are OpenSSL's names, empty for its default; `authorities` the PEM texts of the folder."""

    suites: str = ""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    authorities: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, str]) -> ClientTls:
        """Raises SettingError."""
        for old in _OLD:
            if boolean(values, _PROTOCOLS + old, False):
                raise SettingError(f"{_PROTOCOLS}{old}: TLS below 1.2 is not spoken here; leave it out, or say false.")
        if boolean(values, _REVOCATION, False):
            raise SettingError(f"{_REVOCATION}: revocation lists are not read here; leave it out, or say false.")
        older, newest = boolean(values, f"{_PROTOCOLS}Tls12", True), boolean(values, f"{_PROTOCOLS}Tls13", True)
        suites, modern = openssl_suites(values.get(_SUITES, ""), _SUITES)
        if values.get(_SUITES, "").strip():
            older, newest = older and bool(suites), newest and modern
        if not (older or newest):
            raise SettingError(f"{_PROTOCOLS}Tls12, {_PROTOCOLS}Tls13 and {_SUITES} leave no version of TLS.")
        return cls(
            suites,
            ssl.TLSVersion.TLSv1_2 if older else ssl.TLSVersion.TLSv1_3,
            ssl.TLSVersion.MAXIMUM_SUPPORTED if newest else ssl.TLSVersion.TLSv1_2,
            _local(values) if boolean(values, _LOCAL, False) else (),
        )


def _local(values: Mapping[str, str]) -> tuple[bytes, ...]:
    folder = Path(values.get(_FOLDER, "").strip() or "/usr/local/share/ca-certificates")
    try:
        files = sorted(each for each in folder.rglob("*") if each.suffix.lower() in (".crt", ".pem", ".cer"))
        texts = tuple(each.read_bytes() for each in files[: MOST_FILES + 1])
    except OSError as wrong:
        raise SettingError(f"{_LOCAL}: {folder} cannot be read ({wrong.strerror}).") from wrong
    if not texts or len(texts) > MOST_FILES:
        raise SettingError(
            f"{_LOCAL}: {folder} holds {len(texts) or 'no'} certificates; it must hold 1 to {MOST_FILES}."
        )
    for file, text in zip(files, texts, strict=True):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_cadata(text))
        except (ssl.SSLError, ValueError) as wrong:
            raise SettingError(f"{_LOCAL}: {file} holds no certificate in PEM or DER.") from wrong
    return texts


def _cadata(text: bytes) -> str | bytes:
    return text.decode("ascii", "replace") if b"-----BEGIN" in text else text


class Trust:
    """What is believed now. Contexts are made of it; who keeps them throws them away when `use` says so."""

    def __init__(self, settings: ClientTls | None = None) -> None:
        self._settings = settings or ClientTls()
        self._given: tuple[bytes, ...] = ()

    def use(self, authorities: Iterable[bytes]) -> bool:
        """Believe these of the plane (DER), and no others of it; True when that changes something."""
        before, self._given = self._given, tuple(authorities)
        return before != self._given

    def context(self, check: str, alpn: tuple[str, ...] = (), pem: bytes = b"") -> ssl.SSLContext:
        """Blocks: call it in a thread. `pem` is the client certificate to show. Raises ssl.SSLError, OSError."""
        settings = self._settings
        context = ssl.create_default_context()
        context.minimum_version, context.maximum_version = settings.minimum, settings.maximum
        if settings.suites:
            context.set_ciphers(settings.suites)
        for each in (*settings.authorities, *self._given):
            context.load_verify_locations(cadata=_cadata(each))
        if settings.authorities or self._given:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if check != ALL:
            context.check_hostname = False
        if check == NOTHING:
            context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if pem:
            load_pem(context, pem)
        return context

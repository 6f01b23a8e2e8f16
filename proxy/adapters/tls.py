"""TLS towards clients: the server's certificates, what is negotiated, and what a handshake has told.

Rules
1. The first certificate of the settings is the default; another is chosen by the name a client asks for, exact names
   before wildcards, those of files before those of the plane. Without any in the settings the plane's first is it.
2. Files are looked at again, and what changed serves the next handshake. Files that cannot be used are told in the log,
   and the certificates that were read last go on.
3. HTTP/2 is offered before HTTP/1.1. TLS below 1.2 and renegotiation are not spoken.
4. Clients are asked for certificates only when there are authorities to hold them against: a handshake that shows
   another certificate fails. Which of them a request needs is for policies to say.
Source: RFC 9113 section 9.2, RFC 6066 section 3.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from proxy.adapters.identities import load_pem
from proxy.config.hostnames import Hostname
from proxy.settings import SettingError, boolean, choice

_CERTIFICATES, _KEYS = "net.server.https.certificate.file", "net.server.https.key.file"
_AUTHORITIES, _REQUIRED = (
    "net.server.https.client.certificate.ca.file",
    "net.server.https.client.certificate.required",
)
_PORT = "net.server.https.port"
_SUITES, _MINIMUM = "net.server.tls.ciphers.allowed-suites", "net.server.tls.version.minimum"
_TLS13 = frozenset({"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"})

log = logging.getLogger("proxy.server")


@dataclass(slots=True, frozen=True)
class Secured:
    """What a handshake has told. `certificate` is the client's, as DER; `protocol` by ALPN, empty for none."""

    version: str
    certificate: bytes
    protocol: str

    @classmethod
    def of(cls, transport: asyncio.Transport) -> Secured:
        tls = transport.get_extra_info("ssl_object")
        version = (tls.version() or "").removeprefix("TLSv")
        return cls(version, tls.getpeercert(binary_form=True) or b"", tls.selected_alpn_protocol() or "")


@dataclass(slots=True, frozen=True)
class TlsSettings:
    """`pairs` are the files of each certificate with its chain, and of its key. `suites` are OpenSSL's names, empty for
    its default."""

    pairs: tuple[tuple[Path, Path], ...]
    authorities: Path | None
    required: bool
    suites: str
    minimum: ssl.TLSVersion
    maximum: ssl.TLSVersion

    @classmethod
    def read(cls, values: Mapping[str, str]) -> TlsSettings | None:
        """None without certificates and without a port, for which the plane's certificates will do; raises
        SettingError."""
        certificates, keys = _files(values, _CERTIFICATES), _files(values, _KEYS)
        if not certificates:
            if keys:
                raise SettingError(f"{_KEYS} needs {_CERTIFICATES}, which is not set.")
            if not values.get(_PORT, "").strip():
                if values.get(_AUTHORITIES, "").strip():
                    raise SettingError(f"{_AUTHORITIES} needs {_CERTIFICATES} or {_PORT}: there is no TLS port.")
                return None
        if keys and len(keys) != len(certificates):
            raise SettingError(f"{_KEYS} names {len(keys)} files and {_CERTIFICATES} {len(certificates)}.")
        authorities = values.get(_AUTHORITIES, "").strip()
        required = boolean(values, _REQUIRED, False)
        if required and not authorities:
            raise SettingError(f"{_REQUIRED} needs {_AUTHORITIES}, which is not set.")
        suites, modern = openssl_suites(values.get(_SUITES, ""), _SUITES)
        oldest = choice(values, _MINIMUM, "1.2", ("1.2", "1.3"))
        if oldest == "1.3" and not modern:
            raise SettingError(f"{_SUITES} leaves out TLS 1.3, which {_MINIMUM} asks for.")
        if values.get(_SUITES, "").strip() and not suites:
            oldest = "1.3"
        return cls(
            tuple(zip(certificates, keys or certificates, strict=True)),
            Path(authorities) if authorities else None,
            required,
            suites,
            ssl.TLSVersion.TLSv1_3 if oldest == "1.3" else ssl.TLSVersion.TLSv1_2,
            ssl.TLSVersion.MAXIMUM_SUPPORTED if modern else ssl.TLSVersion.TLSv1_2,
        )


class ServerTls:
    """The contexts in force. `context` is what a listener takes; it hands each handshake to the right one."""

    def __init__(self, settings: TlsSettings) -> None:
        """Raises SettingError when a file cannot be used."""
        self._settings = settings
        self._seen = self._stamp()
        try:
            self._by_name, self._default = self._read()
            self.context = self._context()
        except (OSError, ValueError) as wrong:
            raise SettingError(f"TLS cannot be offered: {wrong}.") from wrong
        self._given: dict[str, ssl.SSLContext] = {}  # by the plane
        self.context.sni_callback = self._choose

    def use(self, hostnames: Iterable[Hostname]) -> None:
        """Serve the plane's host names too. Blocks: call it in a thread."""
        given = {}
        for each in hostnames:
            try:
                context = self._context(each.http2)
                load_pem(context, each.pem)
            except (OSError, ValueError) as wrong:
                log.error("'%s' is not served over TLS: %s", each.name, _text(wrong), extra={"event": "TlsFiles"})
            else:
                given[each.name] = context
        self._given = given

    def refresh(self) -> None:
        """Read the files again if they changed. Blocks: call it in a thread."""
        seen = self._stamp()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._by_name, self._default = self._read()
        except (OSError, ValueError) as wrong:
            log.error("the certificates that were read last go on: %s", wrong, extra={"event": "TlsFiles"})
        else:
            log.info("new TLS certificates are in force", extra={"event": "TlsFiles"})

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        lower = (name or "").lower()
        wildcard = f"*.{lower.partition('.')[2]}"
        files, given = self._by_name, self._given
        found = files.get(lower) or given.get(lower) or files.get(wildcard) or given.get(wildcard) or self._default
        found = found or next(iter(given.values()), None)
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = found
        return None

    def _stamp(self) -> tuple[object, ...]:
        files = [file for pair in self._settings.pairs for file in pair]
        if self._settings.authorities is not None:
            files.append(self._settings.authorities)
        stamps: list[object] = []
        for file in files:
            try:
                found = os.stat(file)
                stamps.append((found.st_mtime_ns, found.st_ino, found.st_size))
            except OSError:
                stamps.append(None)
        return tuple(stamps)

    def _read(self) -> tuple[dict[str, ssl.SSLContext], ssl.SSLContext | None]:
        by_name: dict[str, ssl.SSLContext] = {}
        first = None
        for certificate, key in self._settings.pairs:
            context = self._context()
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except (OSError, ValueError) as wrong:
                told = f"{certificate} and {key} are no PEM certificate and its key ({_text(wrong)})"
                raise ValueError(told) from wrong
            first = first or context
            for name in _names(certificate):
                by_name.setdefault(name, context)
        return by_name, first

    def _context(self, http2: bool = True) -> ssl.SSLContext:
        """One without a certificate."""
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = settings.minimum, settings.maximum
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        if settings.suites:
            context.set_ciphers(settings.suites)
        if settings.authorities is not None:
            try:
                context.load_verify_locations(settings.authorities)
            except OSError as wrong:
                raise ValueError(f"{settings.authorities} holds no PEM certificates ({_text(wrong)})") from wrong
            # a certificate that is named itself needs no authority above it
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_mode = ssl.CERT_REQUIRED if settings.required else ssl.CERT_OPTIONAL
        return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is no setting for its password")


def _text(problem: BaseException) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def _files(values: Mapping[str, str], name: str) -> list[Path]:
    return [Path(each.strip()) for each in values.get(name, "").split(",") if each.strip()]


def _names(file: Path) -> list[str]:
    """The host names that a certificate is for, in lower case."""
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]
    except x509.ExtensionNotFound:
        return [str(each.value).lower() for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def openssl_suites(text: str, setting: str) -> tuple[str, bool]:
    """OpenSSL's names for suites in IANA's, and whether TLS 1.3 is among them. Raises SettingError."""
    names = [each.strip() for each in text.split(",") if each.strip()]
    if not names:
        return "", True
    modern = _TLS13.intersection(names)
    if modern and modern != _TLS13:
        raise SettingError(f"{setting}: TLS 1.3 is offered with all of {', '.join(sorted(_TLS13))}, or not at all.")
    older = [_openssl_name(each) for each in names if each not in _TLS13]
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, each in zip([each for each in names if each not in _TLS13], older, strict=True):
        try:
            probe.set_ciphers(each)
        except ssl.SSLError as wrong:
            raise SettingError(f"{setting}: '{name}' is no cipher suite that is known here.") from wrong
    return ":".join(older) if older else "", bool(modern)


def _openssl_name(name: str) -> str:
    """`TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` as `ECDHE-RSA-AES256-GCM-SHA384`; OpenSSL's own names stay."""
    exchange, found, cipher = name.removeprefix("TLS_").partition("_WITH_")
    if not found:
        return name
    cipher = cipher.replace("AES_", "AES").replace("_CBC", "").replace("_", "-")
    cipher = cipher.removesuffix("-SHA256") if cipher.startswith("CHACHA20") else cipher
    return cipher if exchange == "RSA" else f"{exchange.replace('_', '-')}-{cipher}"

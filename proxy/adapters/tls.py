"""TLS towards clients: the server's certificates, what is negotiated, and what a handshake has told.

Rules
1. The first certificate of the settings is the default; another is chosen by the name a client asks for, exact names
   before wildcards, those of files before those of the plane. Without any in the settings the plane's first is it.
2. Files are looked at again, and what changed serves the next handshake. Files that cannot be used are told in the log,
   and the certificates that were read last go on; so do those of the plane when new ones cannot be used or are over.
3. HTTP/2 is offered before HTTP/1.1. TLS below 1.2 and renegotiation are not spoken.
4. All clients are asked for certificates when the settings name authorities, those of a host name when its
   configuration says `negotiateClientCertificate`; these are held against the certificates of the plane too. A
   handshake that shows another certificate fails. Which of them a request needs is for policies to say.
5. A host name whose configuration asks for certificates is served on connections alone that were made for it: on others
   its clients were not asked, and get 421.
Source: RFC 9113 section 9.2, RFC 6066 section 3, RFC 9110 section 15.5.20.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from proxy.adapters.greeting import door
from proxy.adapters.identities import load_pem
from proxy.config.hostnames import Hostname
from proxy.errors import BadRequest
from proxy.settings import SettingError, boolean, choice

if TYPE_CHECKING:
    from proxy.lifecycle import Incoming

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
    """What a handshake has told. `certificate` is the client's, as DER; `protocol` by ALPN, empty for none; `asking`
    the host name configuration on whose behalf the client was asked for a certificate, empty for none."""

    version: str
    certificate: bytes
    protocol: str
    asking: str
    house: ServerTls

    @classmethod
    def of(cls, transport: asyncio.Transport, house: ServerTls) -> Secured:
        tls = transport.get_extra_info("ssl_object")
        version = (tls.version() or "").removeprefix("TLSv")
        certificate = tls.getpeercert(binary_form=True) or b""
        return cls(version, certificate, tls.selected_alpn_protocol() or "", tls.asking, house)

    def tell(self, incoming: Incoming) -> None:
        """Complete a request that came this way."""
        incoming.scheme, incoming.tls_version, incoming.client_certificate = "https", self.version, self.certificate
        plane = self.house.plane
        if plane.asks and incoming.problem is None:
            wanted = plane.asking(incoming.authority)
            if wanted and wanted != self.asking:
                told = "This connection was not made for the host. Use another one."
                incoming.problem = BadRequest(told, 421, "Misdirected Request")


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


@dataclass(slots=True, frozen=True)
class _Shown:
    """One certificate, in a context that asks clients for theirs (True), or not (False), or both. `host` is the host
    name configuration that it serves, None for a file; `until` when it is over, Unix seconds."""

    contexts: Mapping[bool, ssl.SSLContext]
    host: Hostname | None = None
    until: float = 0.0


class _Plane(NamedTuple):
    """Host names of the plane: all, those whose clients are asked for certificates, and those that have a certificate
    themselves."""

    hosts: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    given: Mapping[str, _Shown] = MappingProxyType({})

    def asking(self, authority: str) -> str:
        """The host name configuration that asks clients of this host for certificates; empty for none."""
        for name in _forms(authority):
            if name in self.hosts:
                return name if name in self.asks else ""
        return ""


class ServerTls:
    """The contexts in force. `context` is what a listener takes; it hands each handshake to the right one."""

    def __init__(self, settings: TlsSettings) -> None:
        """Raises SettingError when a file cannot be used."""
        self._settings = settings
        self._changing = threading.Lock()
        self._seen = self._stamp()
        self.plane = _Plane()
        self._authorities = b""  # of the plane, for hosts that ask
        self.context = door(self.choose)
        try:
            self._by_name, self._default = self._read()
            self._nobody = self._context()
        except (OSError, ValueError) as wrong:
            raise SettingError(f"TLS cannot be offered: {wrong}.") from wrong
        self._nobody.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def use(self, hostnames: Iterable[Hostname]) -> None:
        """Serve the plane's host names too. Blocks: call it in a thread."""
        with self._changing:
            listed = {each.name: each for each in hostnames}
            asks = frozenset(each.name for each in listed.values() if each.asks)
            authorities = next((each.authorities for each in listed.values() if each.asks), b"")
            if asks and (not self.plane.asks or authorities != self._authorities):
                self._authorities = authorities
                self._take_files(True)
                if not authorities and self._settings.authorities is None:
                    told = "clients are asked for certificates, and there is none to hold theirs against"
                    log.warning("'%s': %s", "', '".join(sorted(asks)), told, extra={"event": "TlsFiles"})
            given = {name: self._serving(host, self.plane.given.get(name)) for name, host in listed.items()}
            shown = {name: found for name, found in given.items() if found is not None}
            self.plane = _Plane(frozenset(listed), asks, shown)

    def refresh(self) -> None:
        """Read the files again if they changed. Blocks: call it in a thread."""
        seen = self._stamp()
        if seen == self._seen:
            return
        with self._changing:
            self._seen = seen
            plane = self.plane
            if self._take_files(bool(plane.asks)):
                again = {name: self._made(shown.host) for name, shown in plane.given.items() if shown.host is not None}
                given = {name: shown for name, shown in again.items() if isinstance(shown, _Shown)}
                self.plane = plane._replace(given=given)
                log.info("new TLS certificates are in force", extra={"event": "TlsFiles"})

    def choose(self, name: str) -> tuple[ssl.SSLContext, str]:
        """Who answers a client that asks for this name, and on whose behalf it is asked for a certificate."""
        exact, wildcard = _forms(name)
        files, plane = self._by_name, self.plane
        given = plane.given
        found = files.get(exact) or given.get(exact) or files.get(wildcard) or given.get(wildcard) or self._default
        found = found or next(iter(given.values()), None)
        if found is None:
            return self._nobody, ""
        asking = plane.asking(name) or (found.host.name if found.host is not None and found.host.asks else "")
        context = found.contexts.get(bool(asking))
        return (context, asking) if context is not None else (self._nobody, "")

    def _serving(self, host: Hostname, before: _Shown | None) -> _Shown | None:
        """The certificate of a host, or the one before it where that is better (rule 2)."""
        last = before.host if before is not None else None
        if before is not None and last == host:
            return before
        found, now = self._made(host), time.time()
        if isinstance(found, _Shown) and found.until >= now:
            if not _covers(host):
                log.warning("'%s': its certificate is for other names", host.name, extra={"event": "TlsFiles"})
            return found
        wrong = found if isinstance(found, str) else "its certificate is over"
        old = self._made(replace(host, pem=last.pem)) if last is not None and last.pem != host.pem else None
        if isinstance(old, _Shown) and (old.until >= now or isinstance(found, str)):
            log.error("'%s': %s; the one before it goes on", host.name, wrong, extra={"event": "TlsFiles"})
            return old
        log.error("'%s': %s", host.name, wrong, extra={"event": "TlsFiles"})
        return found if isinstance(found, _Shown) else None

    def _made(self, host: Hostname) -> _Shown | str:
        """Its certificate, or what is wrong with that."""
        if not host.pem:
            return "there is no certificate with a private key for it"
        try:
            context = self._context(host.http2, host.authorities if host.asks else None)
            load_pem(context, host.pem)
            leaf = x509.load_pem_x509_certificate(host.pem)
        except (OSError, ValueError) as wrong:
            return f"its certificate cannot be used: {_text(wrong)}"
        return _Shown({host.asks: context}, host, leaf.not_valid_after_utc.timestamp())

    def _take_files(self, asking: bool) -> bool:
        try:
            self._by_name, self._default = self._read(asking)
        except (OSError, ValueError) as wrong:
            log.error("the certificates that were read last go on: %s", wrong, extra={"event": "TlsFiles"})
            return False
        return True

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

    def _read(self, asking: bool = False) -> tuple[dict[str, _Shown], _Shown | None]:
        """The certificates of files; with `asking` they may serve hosts of the plane that ask."""
        by_name: dict[str, _Shown] = {}
        first = None
        for certificate, key in self._settings.pairs:
            contexts = {False: self._context()}
            if asking:
                contexts[True] = self._context(authorities=self._authorities)
            try:
                for context in contexts.values():
                    context.load_cert_chain(certificate, key, password=_no_password)
            except (OSError, ValueError) as wrong:
                told = f"{certificate} and {key} are no PEM certificate and its key ({_text(wrong)})"
                raise ValueError(told) from wrong
            shown = _Shown(contexts)
            first = first or shown
            for name in _names(x509.load_pem_x509_certificate(certificate.read_bytes())):
                by_name.setdefault(name, shown)
        return by_name, first

    def _context(self, http2: bool = True, authorities: bytes | None = None) -> ssl.SSLContext:
        """One without a certificate. With `authorities` (DER) clients are asked for theirs, also where the settings do
        not say so."""
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
        if authorities:
            context.load_verify_locations(cadata=authorities)
        if settings.authorities is not None or authorities is not None:
            # a certificate that is named itself needs no authority above it
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_mode = ssl.CERT_REQUIRED if settings.required else ssl.CERT_OPTIONAL
        return context


def _covers(host: Hostname) -> bool:
    """Whether its certificate is for that name."""
    names = _names(x509.load_pem_x509_certificate(host.pem))
    return host.name in names or _forms(host.name)[1] in names


def _forms(authority: str) -> tuple[str, str]:
    """A host without its port and last dot, in lower case, and the wildcard that it falls under."""
    host, colon, port = authority.lower().rpartition(":")
    host = (host if colon and port.isdigit() else authority.lower()).removesuffix(".")
    return host, f"*.{host.partition('.')[2]}"


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is no setting for its password")


def _text(problem: BaseException) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def _files(values: Mapping[str, str], name: str) -> list[Path]:
    return [Path(each.strip()) for each in values.get(name, "").split(",") if each.strip()]


def _names(certificate: x509.Certificate) -> list[str]:
    """The host names that a certificate is for, in lower case."""
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

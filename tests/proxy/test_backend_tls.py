"""Certificates of backends: what is refused, what a backend entity or a setting allows, whom the plane trusts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.x509.oid import NameOID
from sidecar_harness import resource

from proxy.adapters.transport import HttpTransport
from proxy.adapters.trust import ClientTls, Trust
from proxy.config.gateway import build
from proxy.config.snapshot import apply
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Headers, Url
from proxy.ports import ClientIdentity, Outgoing
from proxy.settings import SettingError

DAY = datetime.timedelta(days=1)


@dataclass(slots=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.certificate.public_bytes(serialization.Encoding.PEM) + private

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def issue(name: str, issuer: Issued | None = None, *, days: int = 1, san: str = "", authority: bool = False) -> Issued:
    """A certificate that ends in so many days; `san` is its DNS name, by default `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 3 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(san or name)]), critical=False)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Issued(made, key)


ROOT, OTHER = issue("root", authority=True), issue("other", authority=True)
SERVER = issue("localhost", ROOT)


@contextlib.asynccontextmanager
async def server(file: Path, shown: Issued, *, old: bool = False, asks: Issued | None = None) -> AsyncIterator[int]:
    """A backend's port; `old` speaks TLS 1.1 only, `asks` is the authority of the clients it takes."""
    file.write_bytes(shown.pem)  # noqa: ASYNC240 (short)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if old:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=asks.certificate.public_bytes(serialization.Encoding.PEM).decode())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


async def call(transport: HttpTransport, port: int, check: str = "all", identity: ClientIdentity | None = None) -> int:
    """The status, 0 for a connection that was refused."""
    url = Url("https", "localhost", port, "/x")
    request = Outgoing("GET", url, Headers(), Body(), 5.0, verify_tls=check != "nothing", verify_name=check == "all")
    request.identity = identity
    try:
        response = await transport.send(request)
    except BackendConnectionFailure:
        return 0
    await response.body.read()
    return response.status


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    made.believe([ROOT.der])
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("name", "shown", "all_", "chain", "nothing"),
    [
        ("good", SERVER, 200, 200, 200),
        ("self-signed", issue("localhost"), 0, 0, 200),
        ("another authority", issue("localhost", OTHER), 0, 0, 200),
        ("wrong host", issue("evil.test", ROOT), 0, 200, 200),
        ("expired", issue("localhost", ROOT, days=-1), 0, 0, 200),
        ("NUL in its name", issue("evil.test", ROOT, san="localhost\0.evil.test"), 0, 200, 200),
        ("a wildcard too wide", issue("evil.test", ROOT, san="*"), 0, 200, 200),
    ],
)
async def test_what_a_backend_shows(
    transport: HttpTransport, tmp_path: Path, name: str, shown: Issued, all_: int, chain: int, nothing: int
) -> None:
    async with server(tmp_path / "b.pem", shown) as port:
        found = [await call(transport, port, check) for check in ("all", "chain", "nothing")]
    assert found == [all_, chain, nothing], name


async def test_old_versions_are_not_spoken(transport: HttpTransport, tmp_path: Path) -> None:
    async with server(tmp_path / "b.pem", SERVER, old=True) as port:
        assert [await call(transport, port, check) for check in ("all", "chain", "nothing")] == [0, 0, 0]


async def test_a_backend_that_asks_for_a_certificate(transport: HttpTransport, tmp_path: Path) -> None:
    clients = {
        "absent": (None, 0),
        "another authority": (issue("client", OTHER), 0),
        "expired": (issue("client", ROOT, days=-1), 0),
        "good": (issue("client", ROOT), 200),
    }
    async with server(tmp_path / "b.pem", SERVER, asks=ROOT) as port:
        for name, (client, status) in clients.items():
            identity = ClientIdentity(name, client.pem) if client is not None else None
            assert await call(transport, port, identity=identity) == status, name


async def test_trust_comes_and_goes_with_the_plane(tmp_path: Path) -> None:
    transport = HttpTransport()
    async with server(tmp_path / "b.pem", SERVER) as port:
        found = []
        for believed in ([], [ROOT.der], [OTHER.der], [OTHER.der, ROOT.der]):
            transport.believe(believed)
            found.append(await call(transport, port))
    await transport.close()
    assert found == [0, 200, 0, 200]


async def test_a_folder_of_authorities(tmp_path: Path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    values = {"certificates.local.ca.enabled": "true", "certificates.local.ca.path": str(folder)}
    with pytest.raises(SettingError, match="holds no certificates"):
        ClientTls.read(values)
    (folder / "root.crt").write_bytes(ROOT.der)
    (folder / "other.pem").write_bytes(OTHER.certificate.public_bytes(serialization.Encoding.PEM))
    transport = HttpTransport(trust=Trust(ClientTls.read(values)))
    async with server(tmp_path / "b.pem", SERVER) as port:
        assert await call(transport, port) == 200
    await transport.close()
    (folder / "broken.crt").write_bytes(b"x")
    with pytest.raises(SettingError, match=r"broken\.crt holds no certificate"):
        ClientTls.read(values)


PROTOCOLS = "Microsoft.WindowsAzure.ApiManagement.Gateway.Security.Backend.Protocols."
SUITES = "net.client.tls.ciphers.allowed-suites"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({f"{PROTOCOLS}Tls11": "true"}, "not spoken"),
        ({f"{PROTOCOLS}Tls12": "false", f"{PROTOCOLS}Tls13": "false"}, "leave no version"),
        ({SUITES: "TLS_RSA_WITH_ROT13"}, "no cipher suite"),
        ({f"{PROTOCOLS}Tls13": "maybe"}, "true or false"),
        ({"security.certificate-revocation.validation.enabled": "true"}, "revocation"),
    ],
)
def test_settings_that_are_refused(values: dict[str, str], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        ClientTls.read(values)


def test_versions_and_suites() -> None:
    made = ClientTls.read({f"{PROTOCOLS}Tls12": "false"})
    assert Trust(made).context("all").minimum_version is ssl.TLSVersion.TLSv1_3
    made = ClientTls.read({SUITES: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"})
    context = Trust(made).context("chain")
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    assert "ECDHE-RSA-AES256-GCM-SHA384" in {each["name"] for each in context.get_ciphers()}
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_REQUIRED)


def test_authorities_of_the_plane_are_read() -> None:
    data = pkcs12.serialize_key_and_certificates(b"r", ROOT.key, ROOT.certificate, None, NoEncryption())
    signer = resource("/certificates/Root", {"data": base64.b64encode(data).decode(), "password": ""})
    gateway = resource("/gateways/g", {"locationData": {"name": "here"}})
    for trusted, expected in ((True, (ROOT.der,)), (False, ())):
        authority = resource("/gateways/g/certificateAuthorities/root", {"isTrusted": trusted})
        made, issues = build(apply({}, [gateway, signer, authority], [], True))
        assert not issues
        assert made.deployment.authorities == expected

"""The TLS port: which certificate, which protocol, who the client is, files that change, wrong settings."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
from pathlib import Path

import pytest
from certificates import self_signed
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12
from http2_peer import Peer, request
from sidecar_harness import FORWARD, Backend, Harness, api, operation, parse, policy, resource

from proxy.adapters.tls import ServerTls, TlsSettings
from proxy.config.resources import Resource
from proxy.server import Server
from proxy.settings import SettingError

CERTIFICATE, KEY = "net.server.https.certificate.file", "net.server.https.key.file"
AUTHORITIES, REQUIRED = (
    "net.server.https.client.certificate.ca.file",
    "net.server.https.client.certificate.required",
)
SUITES, MINIMUM = "net.server.tls.ciphers.allowed-suites", "net.server.tls.version.minimum"


def an_api(backend: Backend) -> list[Resource]:
    return [api("a", backend.url, protocols=["http", "https"]), operation("a", "GET", "/*")]


async def open_tls(harness: Harness, **values: str) -> ServerTls:
    settings = TlsSettings.read(values)
    assert settings is not None
    tls = ServerTls(settings)
    await harness.server.listen("127.0.0.1", 0, tls=tls)
    return tls


@pytest.fixture
async def pem(harness: Harness, backend: Backend, tmp_path: Path) -> Path:
    harness.configure(*an_api(backend))
    return self_signed(tmp_path / "gateway.pem", "gateway.test", "127.0.0.1")


def trusting(pem: Path, *protocols: str, client: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pem))
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if client is not None:
        context.load_cert_chain(client)
    return context


async def connect(server: Server, context: ssl.SSLContext, name: str = "gateway.test") -> Peer:
    host, port = server.tls_address
    return Peer(*await asyncio.open_connection(host, port, ssl=context, server_hostname=name))


async def get(server: Server, context: ssl.SSLContext, path: str = "/a/x") -> tuple[str, bytes]:
    """Status and body, over what ALPN chooses."""
    peer = await connect(server, context)
    chosen = peer.writer.get_extra_info("ssl_object").selected_alpn_protocol()
    try:
        if chosen == "h2":
            peer.greet()
            peer.write(peer.head(1, request(path)))
            head, body, _ = await peer.answer(1)
            return head[":status"], body
        peer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
        received = await peer.reader.read()
        assert received, "the gateway closed the connection"
        answer = parse(received)
        return str(answer.status), answer.body
    finally:
        peer.writer.close()


async def test_alpn_chooses_and_the_record_tells(harness: Harness, pem: Path) -> None:
    await open_tls(harness, **{CERTIFICATE: str(pem)})
    for protocols in (("h2", "http/1.1"), ("http/1.1",), ()):
        assert await get(harness.server, trusting(pem, *protocols)) == ("200", b"ok")
    records = await harness.recorded(3)
    assert [each.client_protocol for each in records] == ["HTTP/2", "HTTP/1.1", "HTTP/1.1"]
    assert {each.client_tls_version for each in records} == {"1.3"}
    assert all(each.url.startswith("https://") for each in records)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_over_tls(harness: Harness, pem: Path) -> None:
    await open_tls(harness, **{CERTIFICATE: str(pem)})
    port = harness.server.tls_address[1]
    made = await asyncio.create_subprocess_exec(
        "curl", "-sSi", "-m", "5", "--http2", "--cacert", str(pem), f"https://127.0.0.1:{port}/a/x",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    shown = (await made.communicate())[0]
    assert shown.startswith(b"HTTP/2 200"), shown
    assert shown.endswith(b"ok")


async def test_the_scheme_finds_apis(harness: Harness, backend: Backend, pem: Path) -> None:
    plain = [api("p", backend.url, "p"), operation("p", "GET", "/*")]
    secure = [api("s", backend.url, "s", protocols=["https"]), operation("s", "GET", "/*")]
    harness.configure(*plain, *secure)
    await open_tls(harness, **{CERTIFICATE: str(pem)})
    for protocol in ("h2", "http/1.1"):
        assert (await get(harness.server, trusting(pem, protocol), "/s/x"))[0] == "200"
        assert (await get(harness.server, trusting(pem, protocol), "/p/x"))[0] == "404"


async def test_a_certificate_for_each_name(harness: Harness, pem: Path, tmp_path: Path) -> None:
    other = self_signed(tmp_path / "other.pem", "api.other.test", "*.wild.test")
    await open_tls(harness, **{CERTIFICATE: f"{pem}, {other}"})
    shown = {}
    for name in ("gateway.test", "unknown.test", "API.other.test", "x.wild.test", "x.y.wild.test"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        peer = await connect(harness.server, context, name)
        tls = peer.writer.get_extra_info("ssl_object")
        shown[name] = x509.load_der_x509_certificate(tls.getpeercert(True)).subject.rfc4514_string()
        assert tls.selected_alpn_protocol() == "h2"
        peer.writer.close()
    assert shown == {
        "gateway.test": "CN=gateway.test", "unknown.test": "CN=gateway.test", "API.other.test": "CN=api.other.test",
        "x.wild.test": "CN=api.other.test", "x.y.wild.test": "CN=gateway.test",
    }  # fmt: skip


def hostname(id: str, host: str, **more: object) -> Resource:
    body = {"hostname": host, "certificateId": f"/certificates/{id}", **more}
    return resource(f"/gateways/g/hostnameConfigurations/{id}", body)


def uploaded(id: str, file: Path) -> Resource:
    """A certificate of the plane, from a PEM file."""
    pem = file.read_bytes()
    key, made = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    pfx = pkcs12.serialize_key_and_certificates(None, key, made, None, NoEncryption())
    return resource(f"/certificates/{id}", {"data": base64.b64encode(pfx).decode(), "password": ""})


async def test_host_names_of_the_plane(harness: Harness, backend: Backend, pem: Path, tmp_path: Path) -> None:
    one, two = self_signed(tmp_path / "1.pem", "one.test"), self_signed(tmp_path / "2.pem", "*.two.test")
    settings = TlsSettings.read({"net.server.https.port": "0"})
    assert settings is not None
    tls = ServerTls(settings)
    await harness.server.listen("127.0.0.1", 0, tls=tls)
    with pytest.raises((ssl.SSLError, ConnectionError)):  # nothing is known yet
        await get(harness.server, trusting(one, "h2"))
    listed = [*an_api(backend), uploaded("c1", one), uploaded("c2", two), hostname("c1", "ONE.test")]
    told = hostname("c2", "*.two.test", http2Enabled=False, tls10Enabled=True, negotiateClientCertificate=True)
    issues = harness.configure(*listed, told, hostname("c3", "three.test"))
    assert [each.message.count(";") for each in issues] == [0, 0]
    assert "there is no certificate 'c3'" in issues[1].message
    assert harness.sidecar.gateway is not None
    tls.use(harness.sidecar.gateway.hostnames)
    for name, trusted, chosen in (("one.test", one, "h2"), ("x.two.test", two, None), ("other.test", one, "h2")):
        peer = await connect(harness.server, trusting(trusted, "h2"), name)
        assert peer.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        peer.writer.close()
    assert not harness.configure(*listed)  # what was wrong is gone
    gateway = harness.sidecar.gateway
    assert [each.name for each in gateway.hostnames] == ["one.test"]


async def test_files_that_change_serve_the_next_handshake(
    harness: Harness, pem: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = await open_tls(harness, **{CERTIFICATE: str(pem)})
    old = trusting(pem, "h2")
    assert (await get(harness.server, old))[0] == "200"
    self_signed(pem, "gateway.test")
    tls.refresh()
    assert (await get(harness.server, trusting(pem, "h2")))[0] == "200"
    with pytest.raises(ssl.SSLError):
        await get(harness.server, old)
    new = trusting(pem, "h2")
    pem.write_text("nothing")  # noqa: ASYNC240
    with caplog.at_level("ERROR"):
        tls.refresh()
    assert "were read last go on" in caplog.text
    assert (await get(harness.server, new))[0] == "200"


async def test_clients_show_certificates(harness: Harness, backend: Backend, pem: Path, tmp_path: Path) -> None:
    known, unknown = self_signed(tmp_path / "known.pem", "me"), self_signed(tmp_path / "unknown.pem", "you")
    said = "@(context.Request.Certificate == null ? &quot;none&quot; : context.Request.Certificate.Subject)"
    document = FORWARD.replace(
        "<inbound/>", f"<inbound><return-response><set-body>{said}</set-body></return-response></inbound>"
    )
    harness.configure(*an_api(backend), policy("", document))
    await open_tls(harness, **{CERTIFICATE: str(pem), AUTHORITIES: str(known)})
    for protocol in ("h2", "http/1.1"):
        assert await get(harness.server, trusting(pem, protocol)) == ("200", b"none")
        assert await get(harness.server, trusting(pem, protocol, client=known)) == ("200", b"CN=me")
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await get(harness.server, trusting(pem, protocol, client=unknown))


async def test_clients_must_show_certificates(harness: Harness, pem: Path, tmp_path: Path) -> None:
    known = self_signed(tmp_path / "known.pem", "me")
    await open_tls(harness, **{CERTIFICATE: str(pem), AUTHORITIES: str(known), REQUIRED: "true"})
    assert (await get(harness.server, trusting(pem, "h2", client=known)))[0] == "200"
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        await get(harness.server, trusting(pem, "h2"))


async def test_versions_and_suites(harness: Harness, pem: Path) -> None:
    suites = "TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256,TLS_AES_128_GCM_SHA256"
    await open_tls(harness, **{CERTIFICATE: str(pem), MINIMUM: "1.3", SUITES: suites})
    old = trusting(pem, "h2")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await get(harness.server, old)
    assert (await get(harness.server, trusting(pem, "h2")))[0] == "200"


async def test_one_suite_of_tls_1_2(harness: Harness, pem: Path) -> None:
    await open_tls(harness, **{CERTIFICATE: str(pem), SUITES: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"})
    peer = await connect(harness.server, trusting(pem))
    tls = peer.writer.get_extra_info("ssl_object")
    assert (tls.version(), tls.cipher()[0]) == ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305")
    peer.writer.close()


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    pem = self_signed(tmp_path / "a.pem", "a")
    text = tmp_path / "text"
    text.write_text("no certificate")
    for values, told in (
        ({KEY: "x"}, f"needs {CERTIFICATE}"),
        ({AUTHORITIES: "x"}, "there is no TLS port"),
        ({CERTIFICATE: "a,b", KEY: "c"}, "names 1 files"),
        ({CERTIFICATE: str(pem), REQUIRED: "true"}, f"needs {AUTHORITIES}"),
        ({CERTIFICATE: str(pem), MINIMUM: "1.1"}, "must be one of 1.2, 1.3"),
        ({CERTIFICATE: str(pem), SUITES: "TLS_AES_128_GCM_SHA256"}, "or not at all"),
        ({CERTIFICATE: str(pem), SUITES: "TLS_NULL_WITH_WONDERS"}, "no cipher suite that is known"),
        ({CERTIFICATE: str(pem), SUITES: "TLS_RSA_WITH_AES_128_CBC_SHA", MINIMUM: "1.3"}, "leaves out TLS 1.3"),
    ):
        with pytest.raises(SettingError, match=told.replace("(", "\\(")):
            TlsSettings.read(values)
    assert TlsSettings.read({}) is None
    for values, told in (
        ({CERTIFICATE: str(tmp_path / "none")}, "No such file"),
        ({CERTIFICATE: str(text)}, "no PEM certificate"),
        ({CERTIFICATE: str(pem), AUTHORITIES: str(text)}, "holds no PEM"),
    ):
        settings = TlsSettings.read(values)
        assert settings is not None
        with pytest.raises(SettingError, match=told):
            ServerTls(settings)

"""`negotiateClientCertificate`: clients are asked for certificates host by host, and no request gets around it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from certificates import self_signed
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from http2_peer import Peer, request
from sidecar_harness import FORWARD, Backend, Harness, parse, policy
from test_tls import an_api, hostname, uploaded

from proxy.adapters.greeting import Incomplete, server_name
from proxy.adapters.tls import ServerTls, TlsSettings
from proxy.config.hostnames import Hostname
from proxy.config.resources import Resource

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SAID = "@(context.Request.Certificate == null ? &quot;none&quot; : context.Request.Certificate.Subject)"
TELLS = FORWARD.replace(
    "<inbound/>", f"<inbound><return-response><set-body>{SAID}</set-body></return-response></inbound>"
)


class Files:
    """Certificates: of the hosts, of a client that the plane knows, and of one that nobody knows."""

    def __init__(self, folder: Path) -> None:
        self.open, self.asking = (
            self_signed(folder / "open.pem", "open.test"),
            self_signed(folder / "a.pem", "ask.test"),
        )
        self.wild, self.file = self_signed(folder / "w.pem", "*.wild.test"), self_signed(folder / "f.pem", "file.test")
        self.known, self.unknown = self_signed(folder / "me.pem", "me"), self_signed(folder / "you.pem", "you")

    def listed(self, backend: Backend, **asks: bool) -> list[Resource]:
        hosts = {"open": "open.test", "asking": "ask.test", "wild": "*.wild.test"}
        asks = {"open": False, "asking": True, "wild": True, **asks}
        return [
            *an_api(backend), policy("", TELLS), uploaded("known", self.known),
            *(uploaded(id, getattr(self, id)) for id in hosts),
            *(hostname(id, host, negotiateClientCertificate=asks[id]) for id, host in hosts.items()),
            hostname("nobody", "file.test", negotiateClientCertificate=True),
        ]  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
async def tls(harness: Harness, backend: Backend, files: Files) -> ServerTls:
    settings = TlsSettings.read({"net.server.https.port": "0", "net.server.https.certificate.file": str(files.file)})
    assert settings is not None
    made = ServerTls(settings)
    await harness.server.listen("127.0.0.1", 0, tls=made)
    harness.configure(*files.listed(backend))
    assert harness.sidecar.gateway is not None
    made.use(harness.sidecar.gateway.hostnames)
    return made


def client(version: ssl.TLSVersion, certificate: Path | None, protocol: str = "http/1.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols([protocol])
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


async def ask(harness: Harness, context: ssl.SSLContext, name: str | None, host: str = "") -> str:
    """Status and body; `refused` where the handshake was."""
    try:
        reader, writer = await asyncio.open_connection(
            *harness.server.tls_address, ssl=context, server_hostname=name or ""
        )
    except (ssl.SSLError, ConnectionError):
        return "refused"
    try:
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        if chosen == "h2":
            peer = Peer(reader, writer)
            peer.greet()
            peer.write(peer.head(1, request("/a/x", authority=host or name or "h")))
            head, body, _ = await peer.answer(1)
            return f"{head[':status']} {body.decode()}"
        writer.write(f"GET /a/x HTTP/1.1\r\nHost: {host or name or 'h'}\r\nConnection: close\r\n\r\n".encode())
        received = await reader.read()
        if not received:
            return "refused"
        answer = parse(received)
        return f"{answer.status} {answer.body.decode()}"
    except (ssl.SSLError, ConnectionError, AssertionError):
        return "refused"
    finally:
        writer.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_only_hosts_that_say_so_ask(
    harness: Harness, tls: ServerTls, files: Files, version: ssl.TLSVersion, protocol: str
) -> None:
    rows = [
        # name, certificate, what comes of it
        ("ask.test", files.known, "200 CN=me"),
        ("ASK.test", files.known, "200 CN=me"),
        ("ask.test.", files.known, "200 CN=me"),
        ("ask.test", None, "200 none"),
        ("ask.test", files.unknown, "refused"),
        ("a.wild.test", files.known, "200 CN=me"),
        ("file.test", files.known, "200 CN=me"),  # the certificate is a file's, the question the plane's
        ("open.test", files.known, "200 none"),
        ("open.test", files.unknown, "200 none"),
        ("other.test", files.known, "200 none"),
        ("b.a.wild.test", files.known, "200 none"),
        (None, files.known, "200 none"),
    ]
    for name, certificate, expected in rows:
        got = await ask(harness, client(version, certificate, protocol), name)
        assert got == expected, (name, certificate)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_a_request_for_another_host_than_the_connection_was_made_for(
    harness: Harness, tls: ServerTls, files: Files, protocol: str
) -> None:
    rows = [
        # SNI, Host, status
        ("open.test", "ask.test", "421"), ("open.test", "ASK.test.:8443", "421"), ("open.test", "x.wild.test", "421"),
        (None, "ask.test", "421"), ("other.test", "ask.test", "421"), ("other.test", "file.test", "421"),
        ("ask.test", "x.wild.test", "421"), ("x.wild.test", "y.wild.test", "200"), ("ask.test", "open.test", "200"),
        ("ask.test", "ask.test:443", "200"), ("open.test", "other.test", "200"), ("ask.test", "127.0.0.1", "200"),
    ]  # fmt: skip
    for name, host, status in rows:
        got = await ask(harness, client(ssl.TLSVersion.TLSv1_3, files.known, protocol), name, host)
        assert got[:3] == status, (name, host, got)
    recorded = await harness.recorded(len(rows))
    assert [each.status for each in recorded] == [int(status) for _, _, status in rows]


async def test_421_leaves_the_connection_to_others_and_absolute_targets_count(
    harness: Harness, tls: ServerTls, files: Files
) -> None:
    context = client(ssl.TLSVersion.TLSv1_3, None)
    reader, writer = await asyncio.open_connection(
        *harness.server.tls_address, ssl=context, server_hostname="open.test"
    )
    statuses = []
    for target, host in (("/a/x", "ask.test"), ("https://ask.test/a/x", "open.test"), ("/a/x", "open.test")):
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        statuses.append(head[9:12])
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
    assert statuses == [b"421", b"421", b"200"]


async def test_a_session_of_one_host_is_none_of_another(harness: Harness, tls: ServerTls, files: Files) -> None:
    for version in VERSIONS:
        context = client(version, files.known)

        async def once(
            name: str, session: ssl.SSLSession | None, context: ssl.SSLContext = context
        ) -> tuple[bool, str, ssl.SSLSession]:
            def talk() -> tuple[bool, str, ssl.SSLSession]:
                with (
                    socket.create_connection(harness.server.tls_address, 5) as plain,
                    context.wrap_socket(plain, server_hostname=name, session=session) as made,
                ):
                    made.sendall(f"GET /a/x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                    received = b""
                    while chunk := made.recv(65536):
                        received += chunk
                    assert made.session is not None
                    return bool(made.session_reused), received.rpartition(b"\r\n\r\n")[2].decode(), made.session

            return await asyncio.to_thread(talk)

        _, said, session = await once("open.test", None)
        assert said == "none"
        assert (await once("open.test", session))[0], "a session is good for its own host"
        reused, said, asked = await once("ask.test", session)
        assert (reused, said) == (False, "CN=me")
        reused, said, _ = await once("ask.test", asked)
        assert said == "CN=me"


async def test_a_change_of_the_plane_holds_at_once_for_hosts_and_for_connections_that_are_open(
    harness: Harness, backend: Backend, tls: ServerTls, files: Files
) -> None:
    context = client(ssl.TLSVersion.TLSv1_3, files.known)
    kept = await asyncio.open_connection(*harness.server.tls_address, ssl=context, server_hostname="open.test")
    asked = await asyncio.open_connection(*harness.server.tls_address, ssl=context, server_hostname="ask.test")

    async def status(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], host: str) -> bytes:
        reader, writer = connection
        writer.write(f"GET /a/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        return head[9:12]

    assert await status(kept, "open.test") == b"200"
    self_signed(files.asking, "ask.test")  # renewed, and `open.test` asks from now on
    harness.configure(*files.listed(backend, open=True))
    assert harness.sidecar.gateway is not None
    tls.use(harness.sidecar.gateway.hostnames)
    assert await ask(harness, context, "open.test") == "200 CN=me"
    assert await status(kept, "open.test") == b"421", "its client was not asked"
    assert await status(asked, "ask.test") == b"200", "its client was"
    for _, writer in (kept, asked):
        writer.close()


async def test_what_cannot_be_used_of_the_plane_leaves_the_last_good_one(
    harness: Harness, tls: ServerTls, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    assert harness.sidecar.gateway is not None
    hosts = {each.name: each for each in harness.sidecar.gateway.hostnames}
    good = hosts["ask.test"]
    key_of_another = (
        good.pem.partition(b"-----BEGIN PRIVATE")[0]
        + b"-----BEGIN PRIVATE"
        + (hosts["open.test"].pem.partition(b"-----BEGIN PRIVATE")[2])
    )
    over = self_signed(files.known.with_name("over.pem"), "ask.test", hours=-1).read_bytes()
    context = client(ssl.TLSVersion.TLSv1_3, files.known)
    for wrong, told in ((key_of_another, "cannot be used"), (b"", "no certificate"), (over, "is over")):
        caplog.clear()
        tls.use([replace(good, pem=wrong), hosts["open.test"]])
        assert "the one before it goes on" in caplog.text
        assert told in caplog.text
        assert await ask(harness, context, "ask.test") == "200 CN=me"
        assert await ask(harness, context, "open.test") == "200 none"
    caplog.clear()
    tls.use([replace(good, pem=over, name="late.test")])  # better than none: a client may not mind
    assert "its certificate is over" in caplog.text
    assert (await ask(harness, context, "late.test"))[:3] == "200"
    tls.use([replace(hosts["open.test"], name="odd.test")])
    assert "is for other names" in caplog.text


def test_names_in_greetings() -> None:
    def hello(name: str | None) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        out = ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
        return out.read()

    whole = hello("a.test")
    assert server_name(whole) == server_name(whole + b"more") == "a.test"
    assert server_name(hello(None)) == ""
    for end in range(len(whole)):
        with pytest.raises(Incomplete) as more:
            server_name(whole[:end])
        assert end < more.value.needed <= len(whole)
    body, third = whole[5:], len(whole) // 3
    records = [body[start : start + third] for start in range(0, len(body), third)]
    assert server_name(b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in records)) == "a.test"
    for odd in (
        b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\xff\xff\x01", b"\x15\x03\x01\0\2\2\0", b"\x16\x03\x01\0\1\2",
        b"\x16\x03\x01\0\0" * 20, b"\x16\x03\x01\0\1\1" * 20, b"\x16\x03\x01\0\5\1\0\0\1\0",
    ):  # fmt: skip
        assert server_name(odd) == ""
    for at in range(5, len(whole)):  # whatever is changed, it raises nothing else
        for value in (0, 255):
            try:
                server_name(whole[:at] + bytes((value,)) + whole[at + 1 :])
            except Incomplete:
                assert at < 9


def test_the_loop_that_sidecars_run_on(files: Files) -> None:
    """Tests run on asyncio's own loop; this one makes its TLS objects in another way."""
    settings = TlsSettings.read({"net.server.https.certificate.file": str(files.file)})
    assert settings is not None
    tls = ServerTls(settings)
    tls.use([Hostname("ask.test", files.asking.read_bytes(), asks=True, authorities=der(files.known))])

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secured = writer.get_extra_info("ssl_object")
        writer.write(f"{secured.asking} {secured.getpeercert(True) is not None}\n".encode())
        writer.write(await reader.readexactly(200_000))
        writer.close()

    async def talk() -> list[bytes]:
        server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls.context)
        said = []
        for name in ("ask.test", "file.test"):
            context = client(ssl.TLSVersion.TLSv1_3, files.known)
            reader, writer = await asyncio.open_connection(
                *server.sockets[0].getsockname(), ssl=context, server_hostname=name
            )
            writer.write(bytes(200_000))
            said.append(await reader.readline())
            assert await reader.readexactly(200_000) == bytes(200_000)
            writer.close()
        raw_reader, raw_writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        raw_writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await raw_reader.read() != b"GET"  # an alert, or the end
        raw_writer.close()
        server.close()
        return said

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(talk()) == [b"ask.test True\n", b" False\n"]


def der(pem: Path) -> bytes:
    return x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)

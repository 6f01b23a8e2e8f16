"""The transport port against raw backends: framing, pools, 100-continue, redirects, TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sidecar_harness import Backend

from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure, BackendTimeout, GatewayError
from proxy.messages import Body, Headers, Url
from proxy.ports import Outgoing


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.close()


def outgoing(backend: Backend, method: str = "GET", path: str = "/", **more: object) -> Outgoing:
    headers = more.pop("headers", {})
    body = more.pop("body", b"")
    assert isinstance(headers, dict)
    return Outgoing(
        method,
        Url("http", "127.0.0.1", backend.port, path),
        Headers(headers),
        body if isinstance(body, Body) else Body(body),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


async def test_connections_are_kept_and_framing_is_ours(transport: HttpTransport, backend: Backend) -> None:
    dirty = {"Connection": "X-Hop", "Transfer-Encoding": "gzip", "Content-Length": "99", "X-A": "1", "Cookie": "a=1"}
    for method, body in (("GET", b""), ("POST", b""), ("POST", b"xyz"), ("DELETE", b"")):
        response = await transport.send(outgoing(backend, method, headers=dirty, body=body))
        assert (response.status, await response.body.read()) == (200, b"ok")
    assert backend.connections == 1
    get, empty, post, delete = (each.decode() for each in backend.requests)
    assert get == f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{backend.port}\r\nX-A: 1\r\nCookie: a=1\r\n\r\n"
    assert "Content-Length: 0\r\n" in empty
    assert post.endswith("Content-Length: 3\r\n\r\nxyz")
    assert "Content-Length" not in delete


async def test_a_host_of_a_policy_is_kept(transport: HttpTransport, backend: Backend) -> None:
    await transport.send(outgoing(backend, headers={"Host": "other.test"}))
    assert backend.requests[0].count(b"Host: other.test\r\n") == 1
    assert b"127.0.0.1" not in backend.requests[0]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "\0"])
async def test_no_header_becomes_two(transport: HttpTransport, backend: Backend, value: str) -> None:
    with pytest.raises(GatewayError) as refused:
        await transport.send(outgoing(backend, headers={"X-A": value}))
    assert refused.value.reason == "InvalidHeader"
    await asyncio.sleep(0.02)
    assert not backend.requests


async def test_continue_timeout_waits_for_a_100_and_then_sends(transport: HttpTransport, backend: Backend) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Expect: 100-continue\r\n" in head
        await asyncio.sleep(0.05)
        assert not reader._buffer  # type: ignore[attr-defined]
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        backend.seen.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    backend.script = script
    response = await transport.send(outgoing(backend, "POST", body=b"hello", continue_timeout=5.0))
    assert response.status == 204
    assert backend.seen == [b"hello"]


@pytest.mark.parametrize("location", ["http://[::1", "http://a:99999/", "ftp://a/", "http:///x"])
async def test_a_redirect_to_nowhere_is_the_answer(transport: HttpTransport, backend: Backend, location: str) -> None:
    backend.answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 2\r\n\r\nno".encode()
    response = await transport.send(outgoing(backend, follow_redirects=True))
    assert (response.status, await response.body.read()) == (302, b"no")


async def test_a_location_cannot_write_a_request_line(transport: HttpTransport, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 302 Found\r\nLocation: /a b%20c HTTP/1.0?d e=\xc3\xa9\r\nContent-Length: 0\r\n\r\n"
    await transport.send(outgoing(backend, follow_redirects=True))
    assert backend.requests[1].startswith(b"GET /a%20b%20c%20HTTP/1.0?d%20e=%C3%A9 HTTP/1.1\r\n")


async def test_redirects_are_followed_only_when_asked(transport: HttpTransport, backend: Backend) -> None:
    backend.answer = b"HTTP/1.1 302 Found\r\nLocation: /next?x=%2F\r\nContent-Length: 0\r\n\r\n"
    assert (await transport.send(outgoing(backend))).status == 302
    assert len(backend.requests) == 1
    response = await transport.send(outgoing(backend, "POST", body=b"x", follow_redirects=True))
    assert response.status == 302
    assert backend.requests[2].startswith(b"GET /next?x=%2F ")
    assert len(backend.requests) == 12


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n", b""]
)
async def test_what_is_no_answer_is_a_connection_failure(
    transport: HttpTransport, backend: Backend, answer: bytes
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    backend.script = script
    with pytest.raises(BackendConnectionFailure):
        await transport.send(outgoing(backend))


async def test_the_timeout_covers_the_head_and_closes_the_connection(
    transport: HttpTransport, backend: Backend
) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()

    backend.script = script
    with pytest.raises(BackendTimeout):
        await transport.send(outgoing(backend, timeout=0.05))
    await asyncio.wait_for(closed.wait(), 2)


async def test_giving_up_a_body_closes_its_connection(transport: HttpTransport, backend: Backend) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\npart")
        await reader.read()
        closed.set()

    backend.script = script
    response = await transport.send(outgoing(backend))
    await response.body.discard()
    await asyncio.wait_for(closed.wait(), 2)


def certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "self.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_self_signed_backend_is_refused_unless_its_check_is_off(
    transport: HttpTransport, backend: Backend, tmp_path: Path
) -> None:
    listener = await asyncio.start_server(backend.serve, "127.0.0.1", 0, ssl=certificate(tmp_path))
    url = Url("https", "127.0.0.1", listener.sockets[0].getsockname()[1], "/")
    with pytest.raises(BackendConnectionFailure, match="certificate"):
        await transport.send(Outgoing("GET", url, Headers(), Body()))
    response = await transport.send(Outgoing("GET", url, Headers(), Body(), verify_tls=False))
    assert response.status == 200
    listener.close()


def pem_of(folder: Path) -> bytes:
    return (folder / "self.pem").read_bytes()


async def test_a_certificate_may_be_known_by_its_thumbprint(
    transport: HttpTransport, backend: Backend, tmp_path: Path
) -> None:
    listener = await asyncio.start_server(backend.serve, "127.0.0.1", 0, ssl=certificate(tmp_path))
    url = Url("https", "127.0.0.1", listener.sockets[0].getsockname()[1])
    shown = x509.load_pem_x509_certificate(pem_of(tmp_path))
    thumbprint = shown.fingerprint(hashes.SHA1()).hex().upper()
    for allowed in ({thumbprint, "00"}, {thumbprint}):
        request = outgoing(backend, thumbprints=frozenset(allowed))
        request.url = url
        assert await (await transport.send(request)).body.read() == b"ok"
    assert backend.connections == 1
    request = outgoing(backend, thumbprints=frozenset({"00"}))
    request.url = url
    with pytest.raises(BackendConnectionFailure, match="none of those"):
        await transport.send(request)
    listener.close()

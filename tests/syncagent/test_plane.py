"""The calls to the plane: TLS, deadlines, waiting as asked."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syncagent.credential import Credential
from syncagent.errors import CallFailed
from syncagent.plane import Plane, _retry_after
from syncagent.settings import Settings
from tests.syncagent.plane import TOKEN, FakePlane


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1: its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plane")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (directory / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return directory / "ca.pem", directory / "key.pem"


@pytest.fixture
async def tls_endpoint(tmp_path: Path, plane: FakePlane) -> AsyncIterator[str]:
    """The fake plane behind TLS; without a scheme, as existing environment files have it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    app = web.Application()
    app.router.add_get("/configuration/s/gateways/gw1/events", plane._events)
    app.router.add_post("/configuration/s/gateways/gw1/heartbeat", plane._heartbeat)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}/configuration/s"
    await runner.cleanup()


def client(endpoint: str, **settings: str) -> Plane:
    named = {key.replace("_", "."): value for key, value in settings.items()}
    read = Settings.read({"config.service.endpoint": endpoint, "config.service.auth": TOKEN, **named})
    return Plane(read, Credential(TOKEN, None), "gw1")


async def test_the_authority_of_the_endpoint_is_trusted(tls_endpoint: str, tmp_path: Path, plane: FakePlane) -> None:
    async with client(tls_endpoint, config_service_endpoint_ca=str(tmp_path / "ca.pem")) as connected:
        feed = await connected.events(None)
        assert (feed.kind, feed.dataset, feed.cursor, len(feed.operations)) == ("snapshot", "d1", 7, 7)
        await connected.heartbeat({"instanceId": "i"})
    assert plane.heartbeats == [{"instanceId": "i"}]


async def test_an_unknown_authority_is_refused(tls_endpoint: str, plane: FakePlane) -> None:
    async with client(tls_endpoint) as connected:
        with pytest.raises(CallFailed, match="cannot be reached") as failed:
            await connected.events(None)
    assert not failed.value.answered
    assert plane.requests == []
    assert "canary" not in str(failed.value)
    async with client(tls_endpoint, config_service_endpoint_disableCertificateValidation="true") as connected:
        assert (await connected.events(None)).cursor == 7


async def test_an_authority_that_cannot_be_read_fails_the_call_by_name(tls_endpoint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("not a certificate")
    for name in ("bad.pem", "absent.pem"):
        async with client(tls_endpoint, config_service_endpoint_ca=str(tmp_path / name)) as connected:
            with pytest.raises(CallFailed, match=r"config\.service\.endpoint\.ca"):
                await connected.events(None)


async def test_refusals_are_told_apart(plane: FakePlane) -> None:
    plane.fault = "401"
    async with client(plane.endpoint) as connected:
        with pytest.raises(CallFailed) as refused:
            await connected.events(None)
    assert refused.value.refused
    async with client(plane.endpoint.replace("/s", "/other")) as connected:
        with pytest.raises(CallFailed, match="404") as unknown:
            await connected.heartbeat({})
    assert unknown.value.refused
    plane.fault = "503"
    async with client(plane.endpoint) as connected:
        with pytest.raises(CallFailed) as busy:
            await connected.events(None)
    assert (busy.value.retry_after, busy.value.answered, busy.value.refused) == (2.0, True, False)


async def test_a_plane_that_asks_for_a_rest_is_asked_nothing_by_any_call(plane: FakePlane) -> None:
    plane.fault = "503"
    async with client(plane.endpoint) as connected:
        with pytest.raises(CallFailed):
            await connected.events(None)
        plane.fault, asked = "", len(plane.requests)
        calls = (connected.events(None), connected.heartbeat({}), connected.traces([]), connected.counters({}))
        for call in calls:
            with pytest.raises(CallFailed, match="asked for a rest") as resting:
                await call
            assert 0 < (resting.value.retry_after or 0) <= 2
        assert (len(plane.requests), plane.heartbeats) == (asked, [])
        await asyncio.sleep(2.1)
        assert (await connected.events(None)).cursor == 7


def test_retry_after_in_both_forms() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    seconds = _retry_after(email.utils.format_datetime(soon, usegmt=True))
    assert seconds is not None
    assert 28 <= seconds <= 30
    assert _retry_after("120") == 120
    assert _retry_after("99999999") == 3600
    assert _retry_after("soon") is None
    assert _retry_after(None) is None
    assert _retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0

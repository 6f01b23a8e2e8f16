"""The Tokens port against endpoints as the platforms have them, and client certificates against a real backend."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from passerelle.cases.tokens import certificate, opened
from passerelle.cases.world import FakeClock
from proxy.adapters.identity import PlatformTokens
from proxy.adapters.renewal import MARGIN, RETRY
from proxy.adapters.transport import HttpTransport
from proxy.config.certificates import identity_of
from proxy.errors import BackendConnectionFailure, GatewayError
from proxy.messages import Body, Headers, Url
from proxy.ports import ClientIdentity, Outgoing
from proxy.settings import SettingError, Settings
from telemetry.identity import IdentitySettings


class Endpoint:
    """Answers with a new token at each call, in the shape that `answer` has."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, str], dict[str, str]]] = []
        self.answer: dict[str, Any] = {"expires_in": "3600"}
        self.status = 200
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append((request.path, dict(request.query), dict(request.headers), form))
        await asyncio.sleep(0.01)
        return web.json_response({"access_token": f"t{len(self.requests)}", **self.answer}, status=self.status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.serve)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.close()


def of(transport: HttpTransport, clock: FakeClock | None = None, **values: str) -> PlatformTokens:
    settings = IdentitySettings.read({name.replace("__", "."): value for name, value in values.items()})
    return PlatformTokens(settings, transport, clock or FakeClock())


async def test_app_service(endpoint: Endpoint, transport: HttpTransport) -> None:
    tokens = of(transport, IDENTITY_ENDPOINT=f"{endpoint.url}/msi/token", IDENTITY_HEADER="hush")
    assert await tokens.token("https://vault.example/", "me") == "t1"
    path, query, headers, _ = endpoint.requests[0]
    assert path == "/msi/token"
    assert query == {"api-version": "2019-08-01", "resource": "https://vault.example/", "client_id": "me"}
    assert headers["X-IDENTITY-HEADER"] == "hush"


async def test_the_metadata_service(endpoint: Endpoint, transport: HttpTransport) -> None:
    values = {"policy__identity__source": "imds", "policy__identity__endpoint": f"{endpoint.url}/m"}
    assert await of(transport, **values).token("r") == "t1"
    path, query, headers, _ = endpoint.requests[0]
    assert (path, query, headers["Metadata"]) == ("/m", {"api-version": "2018-02-01", "resource": "r"}, "true")


async def test_workload_identity(endpoint: Endpoint, transport: HttpTransport, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("projected\n")
    values = {
        "AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "own",
        "AZURE_AUTHORITY_HOST": f"{endpoint.url}/",
    }  # fmt: skip
    tokens = of(transport, **values)
    assert await tokens.token("https://vault.example") == "t1"
    path, _, _, form = endpoint.requests[0]
    assert path == "/tenant/oauth2/v2.0/token"
    assert form["scope"] == "https://vault.example/.default"
    assert (form["client_id"], form["client_assertion"], form["grant_type"]) == (
        "own",
        "projected",
        "client_credentials",
    )
    file.unlink()
    with pytest.raises(GatewayError) as failed:
        await tokens.token("other")
    assert "projected" not in failed.value.message + failed.value.detail


async def test_a_client_secret(endpoint: Endpoint, transport: HttpTransport, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    values = {
        "policy__identity__secret__file": str(file), "policy__identity__tenant": "tenant",
        "policy__identity__client": "own", "policy__identity__authority": endpoint.url,
    }  # fmt: skip
    assert await of(transport, **values).token("https://vault.example") == "t1"
    path, _, _, form = endpoint.requests[0]
    assert path == "/tenant/oauth2/v2.0/token"
    assert form == {
        "grant_type": "client_credentials", "client_id": "own", "client_secret": "hush",
        "scope": "https://vault.example/.default",
    }  # fmt: skip
    with pytest.raises(SettingError, match=r"policy\.identity\.tenant"):
        Settings.read({"policy.identity.source": "secret", "AZURE_CLIENT_SECRET": "hush"})


@pytest.mark.parametrize("answer", [{"expires_in": 3600}, {"expires_in": "3600"}, {"expires_on": "1893557045"}])
async def test_a_token_is_kept_until_five_minutes_before_its_end(
    endpoint: Endpoint, transport: HttpTransport, answer: dict[str, Any]
) -> None:
    endpoint.answer = answer
    clock = FakeClock()
    tokens = of(transport, clock, IDENTITY_ENDPOINT=endpoint.url)
    assert set(await asyncio.gather(*(tokens.token("r") for _ in range(20)))) == {"t1"}
    assert len(endpoint.requests) == 1
    clock.advance(3600 - MARGIN - 1)
    assert await tokens.token("r") == "t1"
    clock.advance(2)
    assert set(await asyncio.gather(*(tokens.token("r") for _ in range(20)))) == {"t2"}
    assert await tokens.token("other") == "t3"


async def test_an_old_token_serves_while_the_endpoint_is_down(endpoint: Endpoint, transport: HttpTransport) -> None:
    clock = FakeClock()
    tokens = of(transport, clock, IDENTITY_ENDPOINT=endpoint.url)
    assert await tokens.token("r") == "t1"
    endpoint.status = 503
    endpoint.answer = {"error": "busy", "error_description": "secret things"}
    clock.advance(3600 - MARGIN + 1)
    for _ in range(5):
        assert await tokens.token("r") == "t1"
    assert len(endpoint.requests) == 2
    clock.advance(MARGIN)
    with pytest.raises(GatewayError) as failed:
        await tokens.token("r")
    assert failed.value.reason == "ManagedIdentityFailure"
    assert failed.value.detail.endswith("answered 503, busy")
    endpoint.status, endpoint.answer = 200, {"expires_in": 60}
    clock.advance(RETRY)
    assert await tokens.token("r") == "t4"


@pytest.mark.parametrize(
    "answer",
    [{"expires_in": "soon"}, {}, {"access_token": "", "expires_in": 1}, {"access_token": "a\r\nb", "expires_in": 1}],
)
async def test_answers_that_are_none(endpoint: Endpoint, transport: HttpTransport, answer: dict[str, Any]) -> None:
    endpoint.answer = answer
    with pytest.raises(GatewayError):
        await of(transport, IDENTITY_ENDPOINT=endpoint.url).token("r")


async def test_without_any_endpoint_it_says_how_to_get_one(transport: HttpTransport) -> None:
    with pytest.raises(GatewayError) as failed:
        await of(transport).token("r")
    assert "policy.identity.source" in failed.value.detail
    with pytest.raises(SettingError):
        Settings.read({"policy.identity.source": "magic"})
    assert "hush" not in repr(IdentitySettings.read({"IDENTITY_HEADER": "hush"}))


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A TLS backend that wants a certificate of "rsa" or "second"; port, and the certificates that it saw."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = tmp_path / "own.pem"
    own.write_bytes(opened("backend").pem)
    server.load_cert_chain(own)
    server.verify_mode = ssl.CERT_REQUIRED
    for name in ("rsa", "second"):
        server.load_verify_locations(cadata=certificate(name).public_bytes(Encoding.PEM).decode())
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                seen.append(writer.get_extra_info("ssl_object").getpeercert(True))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    yield listener.sockets[0].getsockname()[1], seen
    listener.close()


async def test_each_identity_has_its_own_connections(strict: tuple[int, list[bytes]], transport: HttpTransport) -> None:
    port, seen = strict

    async def call(identity: ClientIdentity | None) -> int:
        url = Url("https", "127.0.0.1", port)
        outgoing = Outgoing("GET", url, Headers(), Body(), 5.0, verify_tls=False, identity=identity)
        response = await transport.send(outgoing)
        await response.body.read()
        return response.status

    rsa, second = identity_of(opened("rsa")), identity_of(opened("second"))
    for identity in (rsa, second, rsa, second):
        assert await call(identity) == 200
    assert seen == [opened(name).der for name in ("rsa", "second", "rsa", "second")]
    with pytest.raises(BackendConnectionFailure):
        await call(None)
    with pytest.raises(BackendConnectionFailure, match="client certificate cannot be used"):
        await call(ClientIdentity("broken", b"-----BEGIN CERTIFICATE-----"))
    assert "PRIVATE" not in repr(rsa) + repr(opened("rsa"))

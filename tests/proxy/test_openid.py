"""The Keys port against real providers on loopback, and against hostile ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from passerelle.cases.tokens import jwk
from passerelle.cases.world import FakeClock
from proxy.adapters import openid
from proxy.adapters.openid import FRESH, RETRY, UNKNOWN, OpenIdKeys
from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Headers, Url
from proxy.ports import Outgoing


class Provider:
    """An OpenID provider. `keys` are names of RSA pairs; `metadata` and `keyset` answer in its place."""

    def __init__(self) -> None:
        self.keys = ["rsa"]
        self.calls: list[str] = []
        self.down = False
        self.metadata: Callable[[], Any] | None = None
        self.delay = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/t/.well-known/openid-configuration"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.path)
        await asyncio.sleep(self.delay)
        if self.down:
            return web.Response(status=503)
        if request.path == "/keys":
            return web.json_response({"keys": [jwk(name) for name in self.keys]})
        if self.metadata is not None:
            made = self.metadata()
            if asyncio.iscoroutine(made):
                made = await made
            return made  # type: ignore[no-any-return]
        return web.json_response({"issuer": "i", "jwks_uri": f"http://127.0.0.1:{self.port}/keys"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    runner = web.ServerRunner(web.Server(made.answer), shutdown_timeout=0)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(reach=Reach(loopback=True))
    yield made
    await made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def keys(transport: HttpTransport, clock: FakeClock) -> AsyncIterator[OpenIdKeys]:
    made = OpenIdKeys(transport, clock)
    yield made
    await made.close()


async def settle(keys: OpenIdKeys) -> None:
    """Until no fetch is under way."""
    while flights := [each.flight for each in keys._providers.values() if each.flight is not None]:
        await asyncio.wait(flights)


async def test_one_fetch_for_all_who_wait(provider: Provider, keys: OpenIdKeys) -> None:
    assert keys.held(provider.url) is None
    found = await asyncio.gather(*(keys.keys(provider.url) for _ in range(50)))
    assert all(each is found[0] for each in found)
    assert found[0] is not None
    assert (found[0].issuer, list(found[0].by_name)) == ("i", ["rsa"])
    assert len(provider.calls) == 2
    assert keys.held(provider.url) is found[0]
    assert len(provider.calls) == 2


async def test_a_prefetched_provider_needs_no_waiting(provider: Provider, keys: OpenIdKeys) -> None:
    keys.prefetch([provider.url, provider.url])
    await settle(keys)
    assert keys.held(provider.url) is not None
    keys.prefetch([provider.url])
    await settle(keys)
    assert len(provider.calls) == 2


async def test_old_keys_serve_while_new_ones_come(provider: Provider, keys: OpenIdKeys, clock: FakeClock) -> None:
    first = await keys.keys(provider.url)
    provider.keys = ["second"]
    clock.advance(FRESH - 1)
    assert keys.held(provider.url) is first
    assert len(provider.calls) == 2
    clock.advance(1)
    assert keys.held(provider.url) is first  # and the fetch begins
    await settle(keys)
    renewed = keys.held(provider.url)
    assert renewed is not None
    assert list(renewed.by_name) == ["second"]


async def test_t12_keys_outlive_their_provider(provider: Provider, keys: OpenIdKeys, clock: FakeClock) -> None:
    first = await keys.keys(provider.url)
    provider.down = True
    clock.advance(FRESH)
    for _ in range(20):
        assert keys.held(provider.url) is first
        await settle(keys)
    assert len(provider.calls) == 3
    clock.advance(UNKNOWN)
    assert keys.held(provider.url) is first
    await settle(keys)
    assert len(provider.calls) == 4


async def test_t12_unknown_keys_by_the_thousand(provider: Provider, keys: OpenIdKeys, clock: FakeClock) -> None:
    first = await keys.keys(provider.url)
    provider.keys = ["rsa", "second"]
    assert len(provider.calls) == 2
    await asyncio.gather(*(keys.keys(provider.url, unknown=f"k{n}") for n in range(1000)))
    assert len(provider.calls) == 2  # the keys are younger than UNKNOWN
    clock.advance(UNKNOWN)
    found = await asyncio.gather(*(keys.keys(provider.url, unknown=f"k{n}") for n in range(1000)))
    assert len(provider.calls) == 4
    assert found[0] is not first
    assert found[0] is not None
    assert set(found[0].by_name) == {"rsa", "second"}
    assert await keys.keys(provider.url, unknown="second") is found[0]
    assert len(provider.calls) == 4


async def test_a_provider_of_which_nothing_is_known_is_asked_again(
    provider: Provider, keys: OpenIdKeys, clock: FakeClock
) -> None:
    provider.down = True
    for _ in range(100):
        assert await keys.keys(provider.url) is None
    assert len(provider.calls) == 1
    provider.down = False
    clock.advance(RETRY)
    assert await keys.keys(provider.url) is not None


async def test_t11_what_a_provider_may_answer(provider: Provider, keys: OpenIdKeys, clock: FakeClock) -> None:
    async def large() -> web.StreamResponse:
        return web.Response(body=b" " * (openid.MAX_ANSWER + 1))

    def redirect(to: str) -> Callable[[], web.Response]:
        return lambda: web.Response(status=302, headers={"Location": to})

    answers: list[Callable[[], Any]] = [
        large,
        redirect(provider.url),  # to itself, for ever
        redirect(f"http://localhost:{provider.port}/keys"),
        redirect("file:///etc/passwd"),
        lambda: web.Response(text="no JSON"),
        lambda: web.Response(text="[" * 100_000),
        lambda: web.json_response([]),
        lambda: web.json_response({"issuer": "i"}),
        lambda: web.json_response({"issuer": 7, "jwks_uri": "http://127.0.0.1/keys"}),
        lambda: web.json_response({"issuer": "i", "jwks_uri": "file:///etc/passwd"}),
        lambda: web.json_response({"issuer": "i", "jwks_uri": "http://user@127.0.0.1/"}),
        lambda: web.json_response({"issuer": "i", "jwks_uri": provider.url}),
    ]
    for answer in answers:
        provider.metadata = answer
        assert await keys.keys(provider.url) is None
        clock.advance(RETRY)
    assert len(provider.calls) <= len(answers) + openid.MAX_REDIRECTS + 1
    provider.metadata = lambda: web.Response(status=302, headers={"Location": "/other"})
    moved = [
        provider.metadata(),
        web.json_response({"issuer": "i", "jwks_uri": f"http://127.0.0.1:{provider.port}/keys"}),
    ]
    provider.metadata = lambda: moved.pop(0)
    assert await keys.keys(provider.url) is not None


async def test_t11_a_slow_provider(provider: Provider, keys: OpenIdKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid, "TIMEOUT", 0.05)
    provider.delay = 1.0
    assert await keys.keys(provider.url) is None


async def test_t11_a_name_of_this_machine_is_refused(provider: Provider, clock: FakeClock) -> None:
    transport = HttpTransport()
    try:
        for host in ("localhost", "127.0.0.1"):
            outgoing = Outgoing("GET", Url("https", host, provider.port), Headers(), Body(), 5.0, guarded=True)
            with pytest.raises(BackendConnectionFailure, match=r"net\.client\.loopback\.allowed"):
                await transport.send(outgoing)
        found = OpenIdKeys(transport, clock)
        assert await found.keys(provider.url) is None
        assert not provider.calls
        plain = Outgoing("GET", Url("http", "127.0.0.1", provider.port), Headers(), Body(), 5.0)
        response = await transport.send(plain)  # a backend may be anywhere
        assert json.loads(await response.body.read())["issuer"] == "i"
    finally:
        await transport.close()

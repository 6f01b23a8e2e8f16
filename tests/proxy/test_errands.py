"""Requests in the background: bounded in number and bytes, never in the way, gone by the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.adapters.errands import MAX_BYTES, BackgroundErrands
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Headers, Response, Url
from proxy.ports import Outgoing


class Held:
    """A transport that answers when told."""

    def __init__(self, status: int = 200, failure: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.started = 0
        self.status = status
        self.failure = failure

    async def send(self, request: Outgoing) -> Response:
        self.started += 1
        await self.go.wait()
        if self.failure:
            raise self.failure
        return Response(self.status)


def outgoing(body: bytes = b"", timeout: float = 5.0) -> Outgoing:
    return Outgoing("POST", Url("https", "a.example", 443, "/secret", "key=1"), Headers(), Body(body), timeout)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_at_most_so_many_are_in_flight() -> None:
    transport = Held()
    errands = BackgroundErrands(transport, limit=2)
    assert [errands.run(outgoing()) for _ in range(3)] == [True, True, False]
    await settle()
    assert (transport.started, errands.dropped) == (2, 1)
    transport.go.set()
    await settle()
    assert errands.run(outgoing())
    await errands.close()
    assert transport.started == 3


async def test_at_most_so_many_bytes_are_in_flight() -> None:
    transport = Held()
    errands = BackgroundErrands(transport)
    half = bytes(MAX_BYTES // 2)
    assert [errands.run(outgoing(half)) for _ in range(3)] == [True, True, False]
    transport.go.set()
    await settle()
    assert errands.run(outgoing(half))
    await errands.close()


@pytest.mark.parametrize(
    "transport", [Held(status=503), Held(failure=BackendConnectionFailure("no connection to a.example"))]
)
async def test_failures_are_logged_once_and_without_the_path(transport: Held, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "proxy.errands")
    errands = BackgroundErrands(transport)
    transport.go = asyncio.Event()
    transport.go.set()
    for _ in range(3):
        assert errands.run(outgoing())
    await errands.close()
    assert errands.failed == 3
    assert len(caplog.records) == 1
    assert "a.example" in caplog.text
    assert "secret" not in caplog.text
    assert "key=1" not in caplog.text


async def test_each_has_its_timeout_and_the_end_waits_for_nobody() -> None:
    errands = BackgroundErrands(Held())
    assert errands.run(outgoing(timeout=0.01))
    assert errands.run(outgoing(timeout=60))
    await errands.close(0.1)
    assert errands.failed == 1
    await settle()
    assert errands.run(outgoing(timeout=0.01))  # what was cancelled no longer counts
    await errands.close(0.1)


async def test_authorization_is_made_in_the_background() -> None:
    transport = Held()
    transport.go.set()
    errands = BackgroundErrands(transport)

    async def token() -> str:
        return "Bearer t"

    async def none() -> str:
        raise BackendConnectionFailure("no token")

    good, bad = outgoing(), outgoing()
    assert errands.run(good, token)
    assert errands.run(bad, none)
    await errands.close()
    assert good.headers["Authorization"] == "Bearer t"
    assert (transport.started, errands.failed) == (1, 1)

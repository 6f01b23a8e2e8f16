"""`limit-concurrency`: lets only so many requests at a time run the policies inside.

Rules
1. A request that finds no place is refused at once with 429; nobody queues.
2. Its place is free again when the policies inside have run, however they end; while the answer that they got is still
   on its way from the backend, when that has ended.
3. Policies with the same key share one count, with all sidecars of one agent on this host.

https://learn.microsoft.com/azure/api-management/limit-concurrency-policy
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.messages import Body, Headers
from proxy.pipeline.limits import told_key
from proxy.pipeline.registry import ANYWHERE, Handler, Outcome, policy
from proxy.pipeline.steps import run_steps

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.ports import Places


@policy("limit-concurrency", sections=ANYWHERE)
def limit_concurrency(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request while too many others run the policies inside."""
    key = element.string("key")
    maximum = element.literal_integer("max-count", minimum=1)
    steps = compiler.sequence(element).steps

    async def handle(exchange: Exchange) -> Outcome | None:
        name = key.get(exchange)
        before = exchange.response.body if exchange.response is not None else None
        if isinstance(before, _Coming) and before.place.name == name:  # an earlier attempt of this request
            before.place.leave()
        in_flight = exchange.ports.in_flight
        inside = in_flight.enter(name, maximum)
        if inside >= maximum:
            message = "Too many concurrent requests. Try again later."
            raise PolicyRefused(
                429, "Too Many Requests", "ConcurrencyLimitExceeded", message,
                detail=f"{inside} of {maximum} requests are inside for key '{told_key(name)}'",
            )  # fmt: skip
        place = _Place(name, in_flight)
        try:
            outcome = await run_steps(steps, exchange)
            response = exchange.response
            if response is not None and response.body is not before and type(response.body) in (Body, _Coming):
                response.body = _until_it_ended(response.body, place)
        finally:
            if not place.kept:
                place.leave()
        return outcome

    return handle


class _Place:
    """One place of a key; `kept` when a body holds it. Leaving twice is leaving once."""

    __slots__ = ("_in_flight", "_taken", "kept", "name")

    def __init__(self, name: str, in_flight: Places) -> None:
        self.name = name
        self.kept = False
        self._taken = True
        self._in_flight = in_flight

    def leave(self) -> None:
        if not self._taken:
            return
        self._taken = False
        self._in_flight.leave(self.name)


def _until_it_ended(body: Body, place: _Place) -> Body:
    """The same body, which leaves the place with its last byte, when it is given up, or when it fails."""
    length = body.length
    stream = body.take()
    if stream is None:
        return body
    place.kept = True
    return _Coming(_Stream(stream, place), length, body.trailers, place)


class _Coming(Body):
    """A body that is still on its way and holds a place."""

    __slots__ = ("place",)

    def __init__(
        self, stream: AsyncIterator[bytes], length: int | None, trailers: Headers | None, place: _Place
    ) -> None:
        super().__init__(None, stream, length, trailers)
        self.place = place


class _Stream(AsyncIterator[bytes]):
    __slots__ = ("_place", "_stream")

    def __init__(self, stream: AsyncIterator[bytes], place: _Place) -> None:
        self._stream = stream
        self._place = place

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._stream)
        except BaseException:
            self._place.leave()
            raise

    async def aclose(self) -> None:
        self._place.leave()
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    def __del__(self) -> None:
        self._place.leave()

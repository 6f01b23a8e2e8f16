"""A backend's body on its way to the client: the time that is spent waiting for it is the backend's, not the client's.

Azure counts receiving from a backend as `backendTime`:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from proxy.exchange import Exchange


class Awaited(AsyncIterator[bytes]):
    """The stream, with the waits for it added to `exchange.backend_ms` and `exchange.awaited_ms`."""

    __slots__ = ("_exchange", "_stream")

    def __init__(self, exchange: Exchange, stream: AsyncIterator[bytes]) -> None:
        self._exchange, self._stream = exchange, stream

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        clock = exchange.ports.clock
        began = clock.monotonic()
        try:
            return await anext(self._stream)
        finally:
            waited = (clock.monotonic() - began) * 1000
            exchange.backend_ms += waited
            exchange.awaited_ms += waited

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

"""A request body on its way in over one stream, with the same claims on memory as over HTTP/1.1.

Rules
1. A policy that buffers it claims the memory first; what there is no room for, and what comes while memory is all but
   gone, is refused with 503.
2. A refused body is read no further, so that its stream's window stays as it is.
Source: proxy/adapters/pressure.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from proxy.adapters.http2.wire import Inflow, Link
from proxy.adapters.streams import COPIES
from proxy.errors import Overloaded
from proxy.lifecycle import Sidecar


class Upload(AsyncIterator[bytes]):
    """`waits`: the client waits for 100 Continue, which the first read sends. `refused`: there was no memory for it."""

    __slots__ = ("_flow", "_link", "_sidecar", "_stream_id", "_waits", "claimed", "refused")

    def __init__(self, link: Link, stream_id: int, flow: Inflow, sidecar: Sidecar, waits: bool) -> None:
        self._link, self._stream_id, self._flow = link, stream_id, flow
        self._sidecar, self._waits = sidecar, waits
        self.claimed = 0  # bytes of memory, until the request ends
        self.refused = False

    def claim(self, size: int) -> None:
        """A policy will buffer so many bytes. Raises Overloaded when there is no memory for them."""
        sidecar, needed = self._sidecar, size * COPIES
        if sidecar.claimed and sidecar.claimed + needed > sidecar.room:
            self.refused = True
            raise Overloaded("there is too little memory for one more body that a policy reads")
        sidecar.claimed += needed
        self.claimed += needed

    def release(self) -> None:
        """The request has ended."""
        self._sidecar.claimed -= self.claimed
        self.claimed = 0

    async def __anext__(self) -> bytes:
        if self._waits:
            self._waits = False
            if self._link.open(self._stream_id):
                self._link.send_head(self._stream_id, [(b":status", b"100")], end=False)
        chunk = await anext(self._flow)
        if self._sidecar.strained:
            self.refused = True
            raise Overloaded("there is too little memory to take the rest of the body")
        return chunk

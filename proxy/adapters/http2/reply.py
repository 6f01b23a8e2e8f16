"""One stream of a client's HTTP/2 connection: where its response goes.

Rules
1. HEAD, 204, 205 and 304 have no body, whatever a backend or a policy says.
2. Nothing follows a head that is out: if the body fails or is too short, the stream is reset, so that no client takes a
   part for the whole. A gRPC client is told by its own kind of trailers.
3. Trailers follow the body. A gRPC client gets an answer that is not gRPC's as a status in one head without a body.
4. A complete response ends the stream: what the client still sends is read away for a moment, and then not waited for.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from proxy import grpc_status
from proxy.adapters.http2.head import Fields, response_fields, trailer_fields
from proxy.adapters.http2.inflow import Inflow
from proxy.adapters.http2.wire import LARGEST_FRAME, StreamGone
from proxy.adapters.reply import http_date
from proxy.adapters.tunnel import TunnelBody
from proxy.errors import BackendConnectionFailure, ClientConnectionFailure, GatewayError
from proxy.messages import Headers, HeadOnly, Response

if TYPE_CHECKING:
    from proxy.adapters.http2.connection import Http2Connection

_BODILESS = frozenset({204, 205, 304})
_GONE = "The client gave the request up before the response was complete."


class Http2Reply:
    """The outlet of one stream. `grpc`: its client speaks gRPC."""

    __slots__ = ("_head", "_inflow", "_link", "_stream_id", "grpc", "sent", "status", "whole")

    def __init__(self, link: Http2Connection, stream_id: int, inflow: Inflow, method: str, grpc: bool) -> None:
        self._link, self._stream_id, self._inflow = link, stream_id, inflow
        self._head = method == "HEAD"
        self.grpc = grpc
        self.status = 0
        self.sent = 0
        self.whole = False

    @property
    def received(self) -> int:
        return self._inflow.size

    async def send(self, response: Response) -> None:
        try:
            await self._send(response)
        except StreamGone as gone:
            await response.body.discard()
            raise ClientConnectionFailure(_GONE) from gone
        except BaseException as failed:
            await response.body.discard()
            if self.status and self.grpc and isinstance(failed, GatewayError) and self._link.open(self._stream_id):
                self._end(grpc_status.trailers(failed))
            elif self.status:
                self._link.reset(self._stream_id, ErrorCodes.INTERNAL_ERROR)
            raise

    def inform(self, status: int, headers: Headers) -> None:
        """Tell of an informational answer (1xx) before the final one."""
        if not self.status and self._link.open(self._stream_id):
            with contextlib.suppress(ValueError):  # what cannot be told need not be
                self._link.send_head(self._stream_id, response_fields(status, headers, None), end=False)

    async def _send(self, response: Response) -> None:
        if self.grpc and not grpc_status.is_grpc(response.headers) and not _plain_success(response):
            await self._refuse(response)
            return
        body, status = response.body, response.status
        if isinstance(body, TunnelBody):
            raise BackendConnectionFailure("The backend switched protocols, which HTTP/2 cannot do.")
        bodiless = self._head or status in _BODILESS
        length = body.would_be if isinstance(body, HeadOnly) and bodiless else body.length
        if self.grpc or (bodiless and not (length and (self._head or status == 304))):
            length = None  # gRPC counts its messages itself
        head = self._fields(status, response.headers, length)
        stream = body.take()
        if stream is None or bodiless:
            content = b"" if bodiless else body.content()
            trailers = None if bodiless else body.trailers
            self._begin(status, head, end=not content and not trailers)
            for start in range(0, len(content), LARGEST_FRAME):
                part = content[start : start + LARGEST_FRAME]
                last = start + len(part) == len(content)
                await self._link.send_body(self._stream_id, part, end=last and not trailers)
                self.sent += len(part)
            if trailers:
                self._end(trailers)
            if stream is not None and (close := getattr(stream, "aclose", None)) is not None:
                await close()
            self.whole = True
            return
        try:
            self._begin(status, head, end=False)
            async for chunk in stream:
                await self._link.send_body(self._stream_id, chunk, end=False)
                self.sent += len(chunk)
        finally:
            if (close := getattr(stream, "aclose", None)) is not None:
                await close()
        if length is not None and self.sent != length:
            raise BackendConnectionFailure(f"The body has {self.sent} bytes, its Content-Length says {length}.")
        if body.trailers:
            self._end(body.trailers)
        else:
            await self._link.send_body(self._stream_id, b"", end=True)
        self.whole = True

    async def _refuse(self, response: Response) -> None:
        """Rule 3. The record has the status that HTTP would have seen."""
        fields = self._fields(200, grpc_status.refusal(response), None)
        await response.body.discard()
        self._begin(response.status, fields, end=True)
        self.whole = True

    def _fields(self, status: int, headers: Headers, length: int | None) -> Fields:
        try:
            fields = response_fields(status, headers, length)
        except ValueError as wrong:
            raise GatewayError(f"The response cannot be sent: {wrong}.", reason="InvalidHeader") from wrong
        if "Date" not in headers:
            fields.append((b"date", http_date().encode()))
        return fields

    def _begin(self, status: int, fields: Fields, end: bool) -> None:
        self._link.send_head(self._stream_id, fields, end)
        self.status = status

    def _end(self, trailers: Headers) -> None:
        try:
            fields = trailer_fields(trailers)
        except ValueError as wrong:
            raise BackendConnectionFailure(f"The backend's trailers cannot be sent: {wrong}.") from wrong
        self._link.send_head(self._stream_id, fields, end=True)


def _plain_success(response: Response) -> bool:
    """What a policy or a backend means to answer as it is, for instance to a probe."""
    return 200 <= response.status < 300

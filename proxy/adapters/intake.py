"""A request that aiohttp's parser has read, as what the lifecycle serves: screened, its target canonical, its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion10
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.adapters.fields import end_to_end
from proxy.adapters.reply import Reply
from proxy.adapters.screen import is_twin, screen, too_large
from proxy.adapters.streams import Upload
from proxy.errors import BadRequest, GatewayError
from proxy.lifecycle import Incoming
from proxy.messages import Body
from proxy.target import Target, canonical

if TYPE_CHECKING:
    from proxy.adapters.connection import Connection


def incoming_of(
    connection: Connection, message: RawRequestMessage, payload: StreamReader, reply: Reply
) -> tuple[Incoming, Upload | None]:
    """The request, and its body where that is still on its way. What is wrong with it is its `problem`; `reply` then
    closes the connection."""
    headers = end_to_end(message.raw_headers)
    for name in [name for name in headers if is_twin(name)]:
        headers.popall(name, None)
    problem: GatewayError | None = None
    target = Target("/", "")
    try:
        screen(message)
        if too_large(connection.head, message, connection.house.limits):
            raise BadRequest("The request head is too large.", 431, "Request Header Fields Too Large")
        # what is asked of the whole server is asked of its root
        target = canonical("/" if message.path == "*" and message.method == "OPTIONS" else message.path)
    except BadRequest as error:
        problem = error
        reply.keep = False
    if target.authority:
        headers["Host"] = target.authority
    expects = bool(headers.popall("Expect", ()))
    body, upload = Body(), None
    if payload is not EMPTY_PAYLOAD:
        if payload.is_eof() and not expects:
            content = payload.read_nowait(-1)
            reply.received = len(content)
            body = Body(content)
        else:
            upload = Upload(connection, payload, reply, expects)
            length = message.headers.get("Content-Length")
            body = Body(None, upload, int(length) if length is not None else None)
            body.claim = upload.claim
    if "Upgrade" in message.headers:
        reply.keep = False  # what follows may be meant for another protocol
    modern = message.version != HttpVersion10
    incoming = Incoming(
        method=message.method,
        path=target.path,
        query=target.query,
        scheme=connection.house.scheme(headers) if connection.secured is None else "https",
        authority=headers.get("Host", "") if problem is None else "",  # else it may be anything
        headers=headers,
        body=body,
        client_ip=connection.client,
        http_version="1.1" if modern else "1.0",
        upgrade=message.upgrade and message.headers.get("Upgrade", "").lower() == "websocket",
        problem=problem,
    )
    if connection.secured is not None:
        connection.secured.tell(incoming)
    return incoming, upload

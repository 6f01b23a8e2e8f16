"""A gRPC service without messages of its own: bytes in, bytes out. All four kinds of methods, some misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

SERVICE = "shop.v1.Orders"
METHODS = ("Echo", "Count", "Sum", "Chat", "Fail", "Sleep", "Large")
LARGE = 20 * 1024 * 1024


class Service(grpc.GenericRpcHandler):
    """`seen` is the metadata of each call, `cancelled` that one was given up, `ended` that a chat is over."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()
        self.remaining: float | None = None

    def service(self, details: Any) -> Any:
        self.seen.append(dict(details.invocation_metadata))
        name = details.method.rpartition("/")[2]
        return {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Sleep": grpc.unary_unary_rpc_method_handler(self.sleep),
            "Large": grpc.unary_stream_rpc_method_handler(self.large),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }.get(name)

    async def echo(self, request: bytes, context: Any) -> bytes:
        await context.send_initial_metadata((("x-served-by", "shop"), ("x-bin-bin", b"\x00\x01\xff")))
        context.set_trailing_metadata((("x-cost", "7"),))
        return request

    async def fail(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("x-why", "because"),))
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 % über")
        raise AssertionError

    async def sleep(self, request: bytes, context: Any) -> bytes:
        self.remaining = context.time_remaining()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    async def large(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(LARGE // 20)

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield str(number).encode()

    async def sum(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        total = 0
        async for each in requests:
            total += int(each)
        return str(total).encode()

    async def chat(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        try:
            async for each in requests:
                yield b"you said " + each
        finally:  # gRPC ends the requests of a cancelled call without a word
            self.ended.set()


async def start(service: Service, credentials: Any = None) -> tuple[Any, int]:
    """A server on loopback, and its port."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((service,))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    return server, port

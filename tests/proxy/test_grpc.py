"""gRPC through the gateway, with gRPC's own client and server: what passes, what policies do, what errors become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_backend import LARGE, METHODS, SERVICE, Service, start
from http2_peer import PREFACE, Peer, peer, request
from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame, SettingsFrame
from sidecar_harness import Harness, api, operation, policy

from proxy.config.resources import Resource

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
KEYED = {"subscriptionRequired": True}


def grpc_api(port: int, path: str = "", **properties: Any) -> list[Resource]:
    made = api("shop", f"grpc://127.0.0.1:{port}", path, type="grpc", **properties)
    return [made, *(operation("shop", "POST", f"/{SERVICE}/{name}", name) for name in METHODS)]


@dataclass
class Stage:
    harness: Harness
    channel: Any
    service: Service
    port: int

    def unary(self, name: str) -> Any:
        return self.channel.unary_unary(f"/{SERVICE}/{name}")


@pytest.fixture
async def stage(harness: Harness) -> AsyncIterator[Stage]:
    service = Service()
    server, port = await start(service)
    harness.configure(*grpc_api(port))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{harness.port}", options=UNLIMITED) as channel:
        yield Stage(harness, channel, service, port)
    await server.stop(None)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_unary_call_with_metadata_both_ways(stage: Stage) -> None:
    call = stage.unary("Echo")(b"hello", metadata=(("x-tenant", "a"), ("x-raw-bin", b"\x00\xfe")))
    assert await call == b"hello"
    assert dict(await call.initial_metadata())["x-served-by"] == "shop"
    assert dict(await call.initial_metadata())["x-bin-bin"] == b"\x00\x01\xff"
    assert dict(await call.trailing_metadata())["x-cost"] == "7"
    seen = stage.service.seen[0]
    assert seen["x-tenant"] == "a"
    assert seen["x-raw-bin"] == b"\x00\xfe"
    assert "traceparent" in seen
    [record] = await stage.harness.recorded()
    assert (record.status, record.client_protocol, record.backend_protocol) == (200, "HTTP/2", "HTTP/2")
    assert record.operation_id == "Echo"


async def test_the_three_kinds_of_streams(stage: Stage) -> None:
    counted = [each async for each in stage.channel.unary_stream(f"/{SERVICE}/Count")(b"500")]
    assert counted == [str(number).encode() for number in range(500)]

    async def numbers() -> AsyncIterator[bytes]:
        for number in range(100):
            yield str(number).encode()

    assert await stage.channel.stream_unary(f"/{SERVICE}/Sum")(numbers()) == b"4950"
    chat = stage.channel.stream_stream(f"/{SERVICE}/Chat")()
    for word in (b"one", b"two", b"three"):  # each answer is there before the next question
        await chat.write(word)
        assert await chat.read() == b"you said " + word
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_a_chat_of_many_small_messages_is_no_flood(stage: Stage) -> None:
    """gRPC's client opens windows for each message that it gets, several times."""
    chat = stage.channel.stream_stream(f"/{SERVICE}/Chat")()

    async def talk() -> None:
        for _ in range(2000):
            await chat.write(b"m")
        await chat.done_writing()

    talking = asyncio.create_task(talk())
    heard = 0
    while await chat.read() is not grpc.aio.EOF:
        heard += 1
    await talking
    assert heard == 2000


async def test_messages_larger_than_every_window(stage: Stage) -> None:
    content = bytes(range(256)) * (LARGE // 256)
    assert await stage.unary("Echo")(content) == content
    pieces = [len(each) async for each in stage.channel.unary_stream(f"/{SERVICE}/Large")(b"")]
    assert sum(pieces) == LARGE


async def test_many_calls_at_once_share_a_connection_to_the_backend(stage: Stage) -> None:
    answers = await asyncio.gather(*(stage.unary("Echo")(b"%d" % number) for number in range(300)))
    assert answers == [b"%d" % number for number in range(300)]


async def test_the_backends_own_status_comes_as_it_is(stage: Stage) -> None:
    error = await failure(stage.unary("Fail")(b""))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "not today: 100 % über"
    assert dict(error.trailing_metadata())["x-why"] == "because"


async def test_a_cancelled_call_is_cancelled_at_the_backend(stage: Stage) -> None:
    call = stage.unary("Sleep")(b"")
    await asyncio.sleep(0.2)
    call.cancel()
    async with asyncio.timeout(3):
        await stage.service.cancelled.wait()
    [record] = await stage.harness.recorded()
    assert record.last_error is not None
    assert record.last_error.reason == "ClientConnectionFailure"


async def test_a_cancelled_stream_is_cancelled_at_the_backend(stage: Stage) -> None:
    chat = stage.channel.stream_stream(f"/{SERVICE}/Chat")()
    await chat.write(b"x")
    assert await chat.read() == b"you said x"
    assert not stage.service.ended.is_set()
    chat.cancel()
    async with asyncio.timeout(3):
        await stage.service.ended.wait()


async def test_a_deadline_reaches_the_backend_and_ends_the_call(stage: Stage) -> None:
    error = await failure(stage.unary("Sleep")(b"", timeout=0.4))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert stage.service.remaining is not None
    assert stage.service.remaining < 0.5
    async with asyncio.timeout(3):
        await stage.service.cancelled.wait()


def reply(status: int) -> str:
    body = '{ "statusCode": 1, "message": "says the policy" }'
    return (
        f'<policies><inbound><return-response><set-status code="{status}" reason="Why"/><set-body>{body}</set-body>'
        "</return-response></inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, grpc.StatusCode.INVALID_ARGUMENT),
        (401, grpc.StatusCode.UNAUTHENTICATED),
        (403, grpc.StatusCode.PERMISSION_DENIED),
        (404, grpc.StatusCode.UNIMPLEMENTED),
        (418, grpc.StatusCode.UNKNOWN),
        (429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (500, grpc.StatusCode.INTERNAL),
        (503, grpc.StatusCode.UNAVAILABLE),
        (504, grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_what_a_policy_answers_becomes_a_status(stage: Stage, status: int, code: grpc.StatusCode) -> None:
    stage.harness.configure(*grpc_api(stage.port), policy("", reply(status)))
    error = await failure(stage.unary("Echo")(b""))
    assert (error.code(), error.details()) == (code, "says the policy")
    [record] = await stage.harness.recorded()
    assert record.status == status


async def test_a_missing_key_an_unknown_method_and_a_backend_that_is_gone(stage: Stage) -> None:
    error = await failure(stage.unary("Nothing")(b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Resource not found")
    stage.harness.configure(*grpc_api(stage.port, **KEYED))
    error = await failure(stage.unary("Echo")(b""))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "missing subscription key" in str(error.details())
    stage.harness.configure(*grpc_api(1))
    error = await failure(stage.unary("Echo")(b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "Internal server error")


async def test_policies_work_on_metadata(stage: Stage) -> None:
    document = (
        '<policies><inbound><set-header name="x-added" exists-action="override"><value>@(context.Api.Name)</value>'
        '</set-header></inbound><backend><forward-request timeout="1"/></backend><outbound>'
        '<set-header name="x-back" exists-action="override"><value>yes</value></set-header></outbound>'
        "<on-error/></policies>"
    )
    stage.harness.configure(*grpc_api(stage.port), policy("", document))
    call = stage.unary("Echo")(b"x")
    assert await call == b"x"
    assert dict(await call.initial_metadata())["x-back"] == "yes"
    assert dict(await call.trailing_metadata())["x-cost"] == "7"
    assert stage.service.seen[0]["x-added"] == "shop"
    error = await failure(stage.unary("Sleep")(b""))  # beyond forward-request's timeout
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_rate_limit_counts_calls(stage: Stage) -> None:
    document = (
        '<policies><inbound><rate-limit-by-key calls="2" renewal-period="60" counter-key="a"/></inbound>'
        "<backend><forward-request/></backend><outbound/><on-error/></policies>"
    )
    stage.harness.configure(*grpc_api(stage.port), policy("", document))
    for _ in range(2):
        await stage.unary("Echo")(b"")
    error = await failure(stage.unary("Echo")(b""))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "retry-after" in dict(error.initial_metadata() or ()) or "retry-after" in dict(error.trailing_metadata())


async def test_an_api_with_a_path_of_its_own(stage: Stage) -> None:
    stage.harness.configure(*grpc_api(stage.port, "orders"))
    assert await stage.channel.unary_unary(f"/orders/{SERVICE}/Echo")(b"x") == b"x"


async def test_http_1_is_told_that_it_cannot_speak_grpc(stage: Stage) -> None:
    answer = await stage.harness.request("POST", f"/{SERVICE}/Echo", {"Content-Type": "application/grpc"}, b"x")
    assert answer.status == 505
    assert b"gRPC needs HTTP/2" in answer.body


async def test_a_body_that_a_policy_reads_still_passes(stage: Stage) -> None:
    document = (
        "<policies><inbound><set-variable name='n' value='@(context.Request.Body.As&lt;byte[]&gt;(true).Length)'/>"
        "</inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
    )
    stage.harness.configure(*grpc_api(stage.port), policy("", document))
    call = stage.unary("Echo")(b"hello")
    assert await call == b"hello"
    assert dict(await call.trailing_metadata())["x-cost"] == "7"


def call(name: str, *extra: tuple[str, str]) -> list[tuple[str, str]]:
    return request(f"/{SERVICE}/{name}", "POST", ("content-type", "application/grpc"), ("te", "trailers"), *extra)


MESSAGE = b"\0\0\0\0\0"


async def test_a_deadline_that_nobody_else_watches(stage: Stage) -> None:
    """The client does not cancel, and the service goes on."""
    async with peer(stage.harness.port) as client:
        client.write(client.head(1, call("Sleep", ("grpc-timeout", "200m")), end=False))
        client.write(DataFrame(1, MESSAGE, flags=["END_STREAM"]))
        head, body, _ = await client.answer(1)
    assert (head[":status"], head["grpc-status"], body) == ("200", "4", b"")
    assert head["content-type"] == "application/grpc"


async def test_a_service_that_breaks_off_ends_with_a_status(stage: Stage) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service = Peer(reader, writer)
        await reader.readexactly(len(PREFACE))
        service.write(SettingsFrame(0))
        await service.until(HeadersFrame)
        service.write(service.head(1, [(":status", "200"), ("content-type", "application/grpc")], end=False))
        service.write(DataFrame(1, MESSAGE))
        await asyncio.sleep(0.05)
        service.write(RstStreamFrame(1, error_code=2))
        await service.read()
        writer.close()

    listener = await asyncio.start_server(cut, "127.0.0.1", 0)
    stage.harness.configure(*grpc_api(listener.sockets[0].getsockname()[1]))
    async with peer(stage.harness.port) as client:
        client.write(client.head(1, call("Echo"), end=False), DataFrame(1, MESSAGE, flags=["END_STREAM"]))
        head, body, trailers = await client.answer(1)
    assert (head[":status"], body, trailers["grpc-status"]) == ("200", MESSAGE, "14")
    listener.close()


async def test_what_no_api_takes_is_a_status_too(stage: Stage) -> None:
    async with peer(stage.harness.port) as client:
        client.write(client.head(1, call("Nothing"), end=False), DataFrame(1, MESSAGE, flags=["END_STREAM"]))
        head, body, _ = await client.answer(1)
    assert (head[":status"], head["grpc-status"], body) == ("200", "12", b"")
    assert "content-length" not in head

"""Too little memory, too few descriptors: some are refused with 503 and Retry-After, one is always served."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from http2_peer import peer, request
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, RstStreamFrame, WindowUpdateFrame
from sidecar_harness import Backend, Harness, open_api, policy

from proxy.adapters.http2.wire import CONNECTION_WINDOW, Wire
from proxy.adapters.pressure import MemoryWatch, most_connections, own_group, own_memory
from proxy.settings import SettingError

FEW = 4  # requests of 16 MiB for which there is room at 93 % of 1000 MiB
READS = (
    "<policies><inbound><set-body>@(context.Request.Body.As&lt;string&gt;())</set-body></inbound>"
    '<backend><forward-request timeout="5"/></backend><outbound/><on-error/></policies>'
)


@pytest.fixture
def watch(harness: Harness) -> MemoryWatch:
    return MemoryWatch(harness.sidecar, {"proxy.memory.megabytes": "1000"})


async def test_the_more_is_used_the_fewer_are_served_at_a_time(harness: Harness, watch: MemoryWatch) -> None:
    every = sys.maxsize
    steps = [(0.5, every), (0.9, 6), (0.94, 3), (0.96, 2), (1.2, 1), (0.91, 5), (0.88, 7), (0.86, every)]
    for share, most in steps:
        await watch.judge(share)
        assert harness.sidecar.most == most, share
        assert harness.sidecar.strained == (share >= 0.95)


async def test_who_is_beyond_gets_503_and_the_others_their_answers(
    harness: Harness, backend: Backend, watch: MemoryWatch
) -> None:
    held = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await held.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    backend.script = answer
    assert harness.configure(*open_api("shop", backend.url)) == []
    await watch.judge(0.93)
    served = [asyncio.create_task(harness.request("GET", "/shop/x")) for _ in range(FEW)]
    while harness.sidecar.in_flight < FEW:  # noqa: ASYNC110 (a number knows no events)
        await asyncio.sleep(0.01)
    refused = await harness.request("GET", "/shop/x")
    assert (refused.status, refused.header("Retry-After")) == (503, "5")
    assert json.loads(refused.body)["message"].startswith("Service unavailable. The gateway is overloaded")
    held.set()
    assert [answer.status for answer in await asyncio.gather(*served)] == [200] * FEW
    await watch.judge(0.99)
    assert (await harness.request("GET", "/shop/x")).status == 200, "one at a time is served, however bad it is"
    assert [record.status for record in await harness.recorded(FEW + 2)].count(503) == 1


async def test_bodies_on_their_way_in_are_given_up(harness: Harness, backend: Backend, watch: MemoryWatch) -> None:
    assert harness.configure(*open_api("shop", backend.url), policy("/apis/shop", READS)) == []
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
    writer.write(b"POST /shop/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    while not harness.sidecar.in_flight:  # noqa: ASYNC110 (a number knows no events)
        await asyncio.sleep(0.01)
    await watch.judge(0.97)
    writer.write(b"x" * 1000)
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in answer
    writer.close()
    assert backend.requests == []


async def test_without_room_for_a_connection_its_client_is_told_and_room_comes_back(
    harness: Harness, backend: Backend
) -> None:
    assert harness.configure(*open_api("shop", backend.url)) == []
    harness.server.most = 3
    idle = [await asyncio.open_connection("127.0.0.1", harness.port) for _ in range(3)]
    refused = [await asyncio.open_connection("127.0.0.1", harness.port) for _ in range(2)]
    for reader, writer in refused:
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in answer
        writer.close()
    reader, writer = idle[0]
    writer.write(b"GET /shop/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"connection: close" in (await asyncio.wait_for(reader.read(), 5)).lower(), "room is made with each answer"
    assert (await harness.request("GET", "/shop/x")).status == 200
    for _, writer in idle:
        writer.close()


def test_the_limits_of_cgroups_are_found(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    inner = tmp_path / "memory" / "a" / "b"
    inner.mkdir(parents=True)
    own.write_text("5:cpu:/\n4:memory:/a/b\n1:name=systemd:/\n0::/\n")
    assert own_group(tmp_path, own) is None
    (inner / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (inner.parent / "memory.limit_in_bytes").write_text("268435456\n")
    (inner.parent / "memory.usage_in_bytes").write_text("200000000\n")
    (inner.parent / "memory.stat").write_text("cache 1\ninactive_file 3\ntotal_inactive_file 50000000\n")
    group = own_group(tmp_path, own)
    assert group is not None
    assert (group.limit, group.used()) == (268435456, 150000000)
    own.write_text("0::/../elsewhere\n")  # as seen from within a container that shares no namespace
    assert own_group(tmp_path, own) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert own_group(tmp_path, own) is None
    (tmp_path / "memory.max").write_text("134217728\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 2000\n")
    group = own_group(tmp_path, own)
    assert group is not None
    assert (group.limit, group.used()) == (134217728, 0)


def test_settings_are_checked(harness: Harness) -> None:
    assert own_memory() > 1 << 20
    assert most_connections() > 5
    with pytest.raises(SettingError, match=r"proxy\.memory\.shed\.percent"):
        MemoryWatch(harness.sidecar, {"proxy.memory.shed.percent": "100"})
    assert MemoryWatch(harness.sidecar, {"proxy.memory.megabytes": "7"}).limit == 7 << 20


async def harness_has(harness: Harness, requests: int) -> None:
    while harness.sidecar.in_flight != requests:  # noqa: ASYNC110 (a number knows no events)
        await asyncio.sleep(0.01)


def post(length: int) -> list[tuple[str, str]]:
    return request("/shop/x", "POST", ("content-length", str(length)))


async def test_http2_bodies_on_their_way_in_are_given_up(
    harness: Harness, backend: Backend, watch: MemoryWatch
) -> None:
    assert harness.configure(*open_api("shop", backend.url), policy("/apis/shop", READS)) == []
    async with peer(harness.port) as client:
        client.write(client.head(1, post(100_000), end=False), DataFrame(1, b"x" * 1000))
        await harness_has(harness, 1)
        await watch.judge(0.97)
        client.write(DataFrame(1, b"x" * 1000))
        head = await client.until(HeadersFrame, stream=1)
        assert (head.fields[":status"], head.fields["retry-after"]) == ("503", "5")
        reset = await client.until(RstStreamFrame, stream=1)
        assert reset.error_code == 0
    assert backend.requests == []


async def test_http2_bodies_claim_memory_as_those_of_http1_do(
    harness: Harness, backend: Backend, watch: MemoryWatch
) -> None:
    assert harness.configure(*open_api("shop", backend.url), policy("/apis/shop", READS)) == []
    await watch.judge(0.89)  # room for 10 MiB: one body of 1 MiB, with its copies
    size = 1 << 20
    async with peer(harness.port) as client:
        client.write(client.head(1, post(size), end=False), DataFrame(1, bytes(1000)))
        while not harness.sidecar.claimed:  # noqa: ASYNC110 (a number knows no events)
            await asyncio.sleep(0.01)
        client.write(PingFrame(0, b"12345678"))
        await client.until(PingFrame)
        opened = client.updates  # of the connection's window, at its begin
        client.write(client.head(3, post(size), end=False), *[DataFrame(3, bytes(16_000))] * 8)
        head = await client.until(HeadersFrame, stream=3)
        assert head.fields[":status"] == "503"
        assert (await client.until(RstStreamFrame, stream=3)).error_code == 0
        reader, writer = await asyncio.open_connection("127.0.0.1", harness.port)
        writer.write(b"POST /shop/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 503 "), "one account for both"
        writer.close()
        assert client.updates == opened, "the window of a body that was refused is not opened again"
        client.write(RstStreamFrame(1))
        await harness_has(harness, 0)
    assert harness.sidecar.claimed == 0
    async with peer(harness.port) as client:
        client.write(client.head(1, post(5), end=False), DataFrame(1, b"12345", flags=["END_STREAM"]))
        assert (await client.answer(1))[0][":status"] == "200"
    assert harness.sidecar.claimed == 0


def test_a_connection_of_http2_rests_while_bodies_are_given_up() -> None:
    wire = Wire(client=False, max_streams=1, max_header_list=1000)
    wire.initiate_connection()
    wire.clear_outbound_data_buffer()
    assert not wire.received(CONNECTION_WINDOW, hold=True)
    assert not wire.pending
    assert wire.received(0), "what is owed is not forgotten"
    assert wire.data_to_send() == WindowUpdateFrame(0, CONNECTION_WINDOW).serialize()

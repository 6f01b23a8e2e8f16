"""A sidecar in processes of its own, with the configuration that vectors need, and a backend that keeps every byte."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from proto import config_sync_pb2, config_sync_pb2_grpc
from tests.ports import free_port
from tests.proxy.certificates import self_signed
from tests.proxy.sidecar_harness import Backend, api, operation, policy

ROOT = Path(__file__).parents[2]
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
READY_WITHIN = 30.0  # seconds
SEVERAL = 30  # good answers in a row, each of whichever worker took the connection


class Publisher(config_sync_pb2_grpc.ConfigSyncServicer):
    """An agent that gives every sidecar who asks the newest of what `publish` was told, and nothing else."""

    def __init__(self, socket: Path) -> None:
        self.endpoint = f"unix:{socket}"
        self._streams: list[queue.Queue[dict[str, Any] | None]] = []
        self._newest: dict[str, Any] | None = None
        self._version = 0
        self._server = grpc.server(ThreadPoolExecutor(32))
        config_sync_pb2_grpc.add_ConfigSyncServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self._server.add_insecure_port(self.endpoint)
        self._server.start()
        self.acknowledged: queue.Queue[config_sync_pb2.FromSidecar] = queue.Queue()

    def publish(self, resources: Mapping[str, Any]) -> None:
        """The whole configuration: bodies by id."""
        self._version += 1
        upserts = []
        for name, body in resources.items():
            data = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            digest = hashlib.sha256(data).digest()
            upserts.append(config_sync_pb2.Resource(id=name, body=data, digest=digest))
        self._newest = {
            "nonce": f"n{self._version}", "dataset": "d", "version": self._version, "full": True, "last": True,
            "upserts": upserts,
        }  # fmt: skip
        for each in self._streams:
            each.put(self._newest)

    def close(self) -> None:
        for each in self._streams:
            each.put(None)
        self._server.stop(0).wait(5)

    def Stream(
        self, request_iterator: Iterator[config_sync_pb2.FromSidecar], context: grpc.ServicerContext
    ) -> Iterator[config_sync_pb2.FromAgent]:
        mine: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._streams.append(mine)
        if self._newest is not None:
            mine.put(self._newest)
        ThreadPoolExecutor(1).submit(self._read, request_iterator)
        while (diff := mine.get()) is not None:
            yield config_sync_pb2.FromAgent(diff=config_sync_pb2.Diff(**diff))

    def _read(self, messages: Iterator[config_sync_pb2.FromSidecar]) -> None:
        with contextlib.suppress(grpc.RpcError):
            for message in messages:
                if message.WhichOneof("message") in ("ack", "nack"):
                    self.acknowledged.put(message)


@dataclass
class Recorder(Backend):
    """A backend that can break all connections that it has, so that the next request comes over a new one."""

    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            await super().serve(reader, writer)
        finally:
            self.open.discard(writer)

    async def hang_up(self) -> None:
        for each in self.open:
            each.transport.abort()
        while self.open:  # noqa: ASYNC110 (a set knows no events)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # until the gateway has seen it


@dataclass
class Gateway:
    """`port` speaks plainly, `tls_port` with the certificate in `pem`."""

    process: subprocess.Popen[bytes]
    port: int
    tls_port: int
    pem: Path
    backend: Recorder
    publisher: Publisher
    log: Path
    workers: int = 1

    def memory(self) -> int:
        """Resident bytes of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def everything(backend: Backend) -> dict[str, Any]:
    """One API at the root that forwards whatever comes."""
    resources = [
        api("all", backend.url, path="", protocols=["http", "https"]),
        *(operation("all", method, "/*") for method in METHODS),
        policy("", "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>"),
    ]
    return {each.id: each.body for each in resources}


@contextlib.asynccontextmanager
async def gateway(**settings: str) -> AsyncIterator[Gateway]:
    """A sidecar that is ready, with these settings beside those it needs."""
    backend = Recorder()
    listener = await asyncio.start_server(backend.serve, "127.0.0.1", 0, backlog=1024, limit=2**20)
    backend.port = listener.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        publisher = Publisher(home / "agent.sock")
        publisher.publish(everything(backend))
        pem = self_signed(home / "gateway.pem", "gw.test", "127.0.0.1")
        port, tls_port = free_port(), free_port()
        log = home / "proxy.log"
        values = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "net.server.http.host": "127.0.0.1",
            "net.server.http.port": str(port),
            "net.server.https.port": str(tls_port),
            "net.server.https.certificate.file": str(pem),
            "config.sync.endpoint": publisher.endpoint,
            "telemetry.spool.path": str(home / "telemetry"),
            **settings,
        }
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: ASYNC220 (short)
                [sys.executable, "-m", "proxy"], env=values, cwd=home, stdout=file, stderr=file, start_new_session=True
            )
        workers = int(settings.get("proxy.workers", "1"))
        made = Gateway(process, port, tls_port, pem, backend, publisher, log, workers)
        try:
            await _ready(made)
            yield made
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                await asyncio.to_thread(process.wait)
            await asyncio.to_thread(publisher.close)
            listener.close()


async def _ready(made: Gateway) -> None:
    """Every worker that one may meet has its configuration."""
    wanted = 1 if made.workers == 1 else SEVERAL
    async with asyncio.timeout(READY_WITHIN):
        while True:
            if made.process.poll() is not None:
                raise AssertionError(f"the sidecar ended: {made.log.read_text()}")
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
                writer.write(b"GET /status-0123456789abcdef HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
                wanted = wanted - 1 if answer.startswith(b"HTTP/1.1 200") else SEVERAL
                if wanted <= 0:
                    return
                if wanted < SEVERAL:
                    continue
            await asyncio.sleep(0.05)

"""An agent that says what a test tells it to: one ConfigSync stream at a time, on a unix socket, in threads."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from proto import config_sync_pb2, config_sync_pb2_grpc


def resource(id: str, body: bytes, digest: bytes | None = None) -> config_sync_pb2.Resource:
    return config_sync_pb2.Resource(id=id, body=body, digest=digest or hashlib.sha256(body).digest())


class ScriptedAgent(config_sync_pb2_grpc.ConfigSyncServicer):
    """`say` sends, `hear` waits for the next Hello, Ack or Nack; None ends the stream."""

    def __init__(self, path: str) -> None:
        self.endpoint = f"unix:{path}"
        self.heard: queue.Queue[config_sync_pb2.FromSidecar] = queue.Queue()
        self.statuses: list[config_sync_pb2.Status] = []
        self._outbox: queue.Queue[config_sync_pb2.FromAgent | None] = queue.Queue()
        self._server: grpc.Server | None = None

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8))
        config_sync_pb2_grpc.add_ConfigSyncServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self._server.add_insecure_port(self.endpoint)
        self._server.start()

    def stop(self) -> None:
        self._outbox.put(None)
        if self._server is not None:
            self._server.stop(0).wait(5)

    def say(self, **diff: Any) -> None:
        self._outbox.put(config_sync_pb2.FromAgent(diff=config_sync_pb2.Diff(**diff)))

    def stand(self, **standing: Any) -> None:
        self._outbox.put(config_sync_pb2.FromAgent(standing=config_sync_pb2.Standing(**standing)))

    def hang_up(self) -> None:
        self._outbox.put(None)

    def hear(self) -> config_sync_pb2.FromSidecar:
        return self.heard.get(timeout=5)

    def Stream(
        self, request_iterator: Iterator[config_sync_pb2.FromSidecar], context: grpc.ServicerContext
    ) -> Iterator[config_sync_pb2.FromAgent]:
        reader = ThreadPoolExecutor(1)
        reader.submit(self._read, request_iterator)
        while (message := self._outbox.get()) is not None:
            yield message
        reader.shutdown(wait=False)

    def _read(self, messages: Iterator[config_sync_pb2.FromSidecar]) -> None:
        for message in messages:
            if message.WhichOneof("message") == "status":
                self.statuses.append(message.status)
            else:
                self.heard.put(message)

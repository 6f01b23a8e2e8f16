"""A plane in a thread, and the wire to it, which can be cut: both do what a step of the model says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from tests.model.oracle import History, State
from tests.ports import free_port
from tests.syncagent.plane import FakePlane

FORWARD = "<backend><forward-request timeout='5' /></backend>"


def header(name: str, value: str) -> str:
    return f'<set-header name="{name}" exists-action="override"><value>{value}</value></set-header>'


def policy(inbound: str = "", outbound: str = "") -> dict[str, str]:
    text = f"<policies><inbound><base />{inbound}</inbound><backend><base /></backend>"
    return {"format": "rawxml", "value": f"{text}<outbound><base />{outbound}</outbound></policies>"}


def everywhere() -> dict[str, str]:
    inner = header("X-Second", "{{second}}")
    return {"format": "rawxml", "value": f"<policies><inbound />{FORWARD}<outbound>{inner}</outbound></policies>"}


class ModelPlane(FakePlane):
    """Every change is one version, noted in the history before anyone can ask for it. `fault` also knows `stale` (the
    snapshot that another replica had before) and `empty` (a store that was lost: a new dataset with nothing)."""

    def __init__(self, backend: str) -> None:
        super().__init__(complete=True)
        self.lock = threading.RLock()
        self.history = History()
        self.value, self.stamp, self.broken = 0, 0, False
        self.items: dict[int, int] = {}
        self.odds: tuple[str, ...] = ()
        self.datasets = 1
        self.earlier: bytes = b""
        for id, body in (
            ("/", {"id": "s", "name": "passerelle"}),
            ("/gateways/gw1", {"locationData": {"name": "here"}}),
            ("/policies/policy", everywhere()),
            ("/products/p", {"displayName": "p", "state": "published", "subscriptionRequired": False}),
        ):
            self.put(id, body)
        for name in ("shop", "odd", "calm"):
            self._api(name, backend)
        self.put("/apis/shop/policies/policy", policy(header("X-First", "{{first}}")))
        self._mend()
        self._values()
        self._note()

    # one method per change; `_note` ends the version

    def edit(self) -> None:
        with self.changing():
            self._values()

    def add(self, number: int) -> None:
        with self.changing():
            self.stamp += 1
            self._api(f"item-{number}", "http://127.0.0.1:1")
            inner = header("X-First", "{{first}}") + header("X-Stamp", str(self.stamp))
            answer = f'<return-response><set-status code="200" />{inner}</return-response>'
            self.put(f"/apis/item-{number}/policies/policy", policy(answer))
            self.items = {**self.items, number: self.stamp}

    def delete_item(self, number: int) -> None:
        with self.changing():
            for id in [id for id in self.resources if id.startswith(f"/apis/item-{number}")]:
                self.delete(id)
            self.items = {key: stamp for key, stamp in self.items.items() if key != number}

    def break_policy(self) -> None:
        with self.changing():
            self.put("/apis/odd/policies/policy", policy("\n<sett-header />"))
            self.broken = True

    def mend_policy(self) -> None:
        with self.changing():
            self._mend()

    def new_dataset(self) -> None:
        """The store was restored elsewhere: the same content under another id, numbered from the beginning."""
        with self.changing():
            self.datasets += 1
            self.dataset, self.cursor, self.log = f"d{self.datasets}", 1, []

    @contextlib.contextmanager
    def changing(self) -> Any:
        with self.lock:
            self.earlier = super().feed(None, -1)
            yield
            self._note()

    def _api(self, name: str, url: str) -> None:
        body = {"displayName": name, "path": name, "serviceUrl": url, "protocols": ["http"]}
        self.put(f"/apis/{name}", {**body, "subscriptionRequired": False})
        operation = {"displayName": "get", "method": "GET", "urlTemplate": "/*"}
        self.put(f"/apis/{name}/operations/get", operation)

    def _mend(self) -> None:
        self.stamp += 1
        self.odds, self.broken = (*self.odds, str(self.stamp)), False
        inner = header("X-First", "{{first}}") + header("X-Stamp", str(self.stamp))
        answer = f'<return-response><set-status code="200" />{inner}</return-response>'
        self.put("/apis/odd/policies/policy", policy(answer))

    def _values(self) -> None:
        self.value += 1
        for name in ("first", "second"):
            self.put(f"/namedValues/{name}", {"displayName": name, "value": str(self.value), "secret": False})

    def _note(self) -> None:
        state = State(self.dataset, self.cursor, self.value, dict(self.items), self.odds, self.broken)
        self.history.states.append(state)

    def feed(self, dataset: str | None, cursor: int) -> bytes:
        with self.lock:
            return super().feed(dataset, cursor)

    async def _misbehave(self, request: web.Request) -> web.StreamResponse:
        if self.fault == "stale" and self.earlier:
            return self._answer(self.earlier)
        if self.fault == "empty":
            lost = FakePlane(dataset="lost", complete=False)
            lost.put("/", {"id": "s", "name": "passerelle"})
            return self._answer(lost.feed(None, -1))
        if self.fault == "stale":
            return web.Response(status=503)
        return await super()._misbehave(request)


class Wire:
    """A relay on loopback. `refuse`: nobody listens; `hole`: bytes are taken and go nowhere until it is healed."""

    def __init__(self, target: int) -> None:
        self.port, self.target = free_port(), target
        self.state = "whole"
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port, reuse_address=True)

    async def cut(self, how: str) -> None:
        self.state = how
        if how == "hole":
            self._flows.clear()
        else:
            self._close()

    async def heal(self) -> None:
        if self.state == "refuse":
            await self.start()
        self.state = "whole"
        self._flows.set()

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        try:
            await asyncio.gather(self._pour(reader, back), self._pour(there, writer))
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pour(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.write_eof()


class Outside:
    """The loop of the plane and the wire, in a thread; `do` runs a coroutine there and waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="outside")
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any], seconds: float = 10) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def close(self) -> None:
        async def end() -> None:
            mine = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not mine]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.do(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

"""Somebody who looks on changes nothing: every row of every table comes out the same when its request is traced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from passerelle.cases import table
from passerelle.cases.world import World
from proxy.exchange import Exchange
from proxy.messages import Response
from proxy.pipeline.compile import CompiledDocument
from proxy.tracing.document import document
from proxy.tracing.mask import Mask
from proxy.tracing.ports import watched
from proxy.tracing.recorder import Recorder

TABLES = sorted(Path(__file__).parent.glob("*.yaml"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
async def test_a_traced_request_comes_out_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = World.serve
    traces: list[bytes] = []

    async def traced(world: World, exchange: Exchange, documents: str | Sequence[CompiledDocument]) -> Response:
        recorder = Recorder(Mask(frozenset({"a secret"})))
        exchange.watch, exchange.ports = recorder, watched(exchange.ports, recorder, exchange)
        response = await plain(world, exchange, documents)
        head = ("GET", str(exchange.request.original_url), [])
        traces.append(orjson.dumps(document("id", recorder, exchange, head, {"message": "sent"})))
        return response

    rows = table.rows(path)
    found = [await table.examine(row) for row in rows]
    monkeypatch.setattr(World, "serve", traced)
    assert [await table.examine(row) for row in rows] == found
    assert all(b"traceEntries" in trace for trace in traces)

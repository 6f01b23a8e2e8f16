"""Finished traces reach the agent: those that waited, the others at once, and again after a lost stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.sync import SyncThread
from proxy.tracing.live import Traces
from tests.proxy_sync.agent import ScriptedAgent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[ScriptedAgent]:
    agent = ScriptedAgent(str(tmp_path / "a.sock"))
    agent.start()
    yield agent
    agent.stop()


def test_traces_reach_the_agent(agent: ScriptedAgent) -> None:
    traces = Traces(2)
    thread = SyncThread(agent.endpoint, "s", "0", "", lambda *_: [], lambda: (0, 0, 0.0), traces=traces)
    for name in "abc":
        traces.append(name, b"{}")
    thread.start()
    try:
        assert agent.hear().hello.sidecar_id == "s"
        assert [agent.hear().trace.id for _ in range(2)] == ["b", "c"]
        began = time.monotonic()
        traces.append("d", b'{"x":1}')
        heard = agent.hear().trace
        assert (heard.id, heard.document) == ("d", b'{"x":1}')
        assert time.monotonic() - began < 2  # not with the next status
        agent.hang_up()
        assert agent.hear().hello.sidecar_id == "s"
        traces.append("e", b"{}")
        assert agent.hear().trace.id == "e"
    finally:
        thread.stop()

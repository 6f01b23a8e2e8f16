"""The list of attacks on expressions, patterns, JSON, XML, stylesheets and templates: what becomes of each, how long it
runs, how long it keeps other requests waiting, and how much memory it takes.

The outcome is asserted and the figures are printed (`-s`); their bounds are wide, since the machine may be busy.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from passerelle.cases.world import World, document, policies
from proxy.app import COLLECT_AFTER
from proxy.expressions.dotnet.text import to_text
from proxy.pipeline.compile import Environment, Scope, compile_document

ATTACKS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("attacks.yaml").read_text("utf-8"))
# A quiet machine needs a quarter of a second for a loop, and reads two megabytes of XML in a second.
LONGEST = 10.0
# A quiet machine lets others run after a few milliseconds.
LONGEST_HOLD = 1.0
MOST_MEMORY = 192  # MiB, of a tree of two megabytes of JSON


@pytest.fixture(scope="module", autouse=True)
def _collector() -> Iterator[None]:
    """Collects as a sidecar does, which leaves alone what was there at its start."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    gc.collect()
    gc.freeze()
    yield
    gc.set_threshold(*before)


def repeated(row: dict[str, Any], start: str) -> str:
    """`start`, the unit so often (N in it is the number), what closes it, the end."""
    unit, times = row.get("unit", ""), row.get("times", 0)
    middle = "".join(unit.replace("N", str(i)) for i in range(times)) if "N" in unit else unit * times
    return start + middle + row.get("then", "") + row.get("close", "") * times


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


class Others:
    """Another request, which wants to run all the time: `longest` is how long it had to wait."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.most = 0.0

    async def __aenter__(self) -> Others:
        self.task = asyncio.create_task(self.run())
        await asyncio.sleep(0.01)
        self.longest = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def run(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            self.most = max(self.most, resident())
            last = time.perf_counter()


@pytest.mark.parametrize("row", ATTACKS, ids=[row["attack"] for row in ATTACKS])
async def test_attack(row: dict[str, Any]) -> None:
    in_policy = "body" not in row and "type" not in row and ("refused" in row or "<" in row.get("then", ""))
    inbound = row.get("inbound", "")
    if "expression" in row:
        source = repeated(row, row["expression"]) if in_policy else row["expression"]
        inbound = f'<set-variable name="v" value="{source}" />'
    elif in_policy:
        inbound = repeated(row, inbound)
    body = "" if in_policy else repeated(row, row.get("body", ""))
    text = policies(inbound)
    gc.collect()
    before = resident()
    if "refused" in row:
        began = time.process_time()
        compiled = compile_document(text, Scope("api", "/apis/shop"), Environment())
        took = time.process_time() - began
        print(f"\n{row['attack']}: refused in {took * 1000:.0f} ms, {resident() - before:.0f} MiB")
        errors = [str(issue) for issue in compiled.issues if issue.severity == "error"]
        assert errors
        assert row["refused"] in errors[0]
        assert took < LONGEST
        return
    world = World()
    headers = {"Content-Type": row.get("type", "text/plain"), **row.get("headers", {})}
    exchange = world.exchange("POST", headers=headers, body=body)
    made = document(text)
    async with Others() as others:
        began = time.process_time()
        await asyncio.create_task(world.serve(exchange, [made]))
        took = time.process_time() - began
    grown = max(others.most, resident()) - before
    print(f"\n{row['attack']}: {took * 1000:.0f} ms, others waited {others.longest * 1000:.0f} ms, {grown:.0f} MiB")
    if "stopped" in row:
        assert exchange.last_error is not None
        assert row["stopped"] in exchange.last_error.message
        assert exchange.response is not None
        answer = (await exchange.response.body.read()).decode()
        assert exchange.response.status >= 400
        assert not any(each in answer for each in ("Traceback", "proxy.", "object at"))
    else:
        assert exchange.last_error is None, exchange.last_error
    if "gives" in row:
        assert to_text(exchange.variables["v"]) == row["gives"]
    if "sent" in row:
        assert world.transport.sent[-1].body.decode() == row["sent"]
    if "lacks" in row:
        assert row["lacks"] not in world.transport.sent[-1].body.decode()
    assert took < LONGEST
    assert others.longest < LONGEST_HOLD
    assert grown < MOST_MEMORY

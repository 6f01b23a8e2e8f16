"""What went wrong with Azure's self-hosted gateway, tried here."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import shutil
import socket
import time
from pathlib import Path

import pytest

from syncagent import log as agent_log
from syncagent.log import Log
from telemetry import log as process_log
from tests.outages.conftest import READY, NewAgent, NewCar, NewSidecar
from tests.syncagent.house import eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e
RELEASED = Path(__file__).parent / "released"


@pytest.mark.parametrize("release", sorted(path.name for path in RELEASED.iterdir()))
async def test_azure_418_the_backup_of_an_earlier_release_is_restored(
    release: str, plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar, tmp_path: Path
) -> None:
    """Issue 418: after an upgrade to 2.12 gateways no longer started from their backups, and crashed in a loop."""
    shutil.copytree(RELEASED / release, tmp_path / "backup")
    (tmp_path / "backup" / "backup.key").chmod(0o600)
    await plane.stop()
    agent = new_agent().start()
    sidecar = sidecars().connect(agent.listen)
    assert (await agent.until_ready())["source"] == "backup"
    await eventually(lambda: "/apis/orders" in sidecar.resources)


async def test_azure_287_without_a_configuration_nothing_succeeds(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """Issue 287: with an expired token the pod ran, and every call was answered with 200 and an empty body."""
    plane.fault = "401"
    agent = new_agent().start()
    car = new_car(agent)
    await agent.until_waiting()
    await asyncio.to_thread(car.until, READY, 503)
    for path in ("/", "/orders/x", "/stock", "/internal-status-0123456789abcdef", "/anything?x=1"):
        assert (await asyncio.to_thread(car.get, path))[0] == 503
    plane.fault = ""
    await asyncio.to_thread(car.until, "/orders/x", 200, "orders here")


async def test_azure_2_8_0_what_is_optional_is_away_at_the_start(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar, tmp_path: Path
) -> None:
    """Release notes 2.8.0: a start-up failed since quotas could not be initialised."""
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections and never answers
        away = f"127.0.0.1:{hole.getsockname()[1]}"
        (tmp_path / "file").touch()
        agent = new_agent().start()
        car = new_car(
            agent,
            telemetry__enabled="true",
            telemetry__spool__path=str(tmp_path / "file" / "spool"),
            observability__opentelemetry__enabled="true",
            observability__opentelemetry__collector__uri=f"http://{away}",
            telemetry__metrics__local="statsd",
            telemetry__metrics__local__statsd__endpoint="127.0.0.1:1",
            policy__cache__external__connection=f"redis://{away}",
        )
        await asyncio.to_thread(car.until, "/orders/x", 200, "orders here")
        await asyncio.to_thread(car.until, READY, 200)
        assert car.process is not None
        began = time.monotonic()
        car.process.terminate()
        assert await asyncio.to_thread(car.process.wait, 15) == 0
        print(f"\nended {time.monotonic() - began:.1f} s after SIGTERM with everything away (goal 2 s)")


def test_azure_2_3_a_complaint_that_repeats_costs_little() -> None:
    """Release notes 2.3: a scheduler's complaints took a processor; the log is capped per place, and says so."""
    stream = io.StringIO()
    handler = process_log.LineHandler(stream)
    handler.setFormatter(process_log.Formatter("text", "test"))
    began = time.monotonic()
    for number in range(20_000):
        handler.emit(logging.LogRecord("a", logging.WARNING, "x.py", 7, "missed a deadline by %d", (number,), None))
    took = time.monotonic() - began
    handler.emit(logging.LogRecord("a", logging.WARNING, "x.py", 8, "another", (), None))
    handler.close()
    seconds = 1 + took // 1
    assert stream.getvalue().count("missed") <= process_log.MOST_PER_SECOND * (seconds + 1)
    assert "LogLinesDropped" in stream.getvalue()
    assert "another" in stream.getvalue()
    stream = io.StringIO()
    log = Log("text", "info", False, "SyncAgent", stream)
    for _ in range(5_000):
        log.warn("Late", "missed a deadline")
    time.sleep(0.1)
    log.info("Other", "is told")
    log.close()
    assert stream.getvalue().count("[Late]") <= agent_log.MOST_PER_SECOND * 2
    assert "[LogLinesDropped]" in stream.getvalue()
    assert "[Other]" in stream.getvalue()


async def test_azure_2_3_how_long_a_fetch_may_take_is_a_setting(plane: FakePlane, new_agent: NewAgent) -> None:
    """Release notes 2.3: a configuration that took long to load timed out, and nothing could be set."""
    plane.fault = "hang"
    agent = new_agent(config_service_integration_timeout="0.3").start()
    await eventually(lambda: len(plane.requests) >= 3, what="two deadlines of 0.3 s")
    plane.fault = ""
    await agent.until_ready()


async def test_azure_september_2025_a_cache_that_is_away_is_a_miss(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """Release notes of September 2025: a long outage of the cache could take the gateway down."""
    inbound = "<cache-lookup vary-by-developer='false' vary-by-developer-groups='false' caching-type='external' />"
    text = plane.resources["/apis/orders/policies/policy"].decode().replace("<base />", f"<base />{inbound}", 1)
    plane.put("/apis/orders/policies/policy", json.loads(text))
    with socket.create_server(("127.0.0.1", 0)) as hole:
        agent = new_agent().start()
        car = new_car(agent, policy__cache__external__connection=f"redis://127.0.0.1:{hole.getsockname()[1]}")
        await asyncio.to_thread(car.until, "/orders/x", 200, "orders here")
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200
            slowest = max(slowest, time.monotonic() - began)
    print(f"\nslowest of 20 requests with a cache that never answers: {slowest * 1000:.0f} ms (goal 50 ms added)")
    assert slowest < 5

"""What went wrong with APISIX, linkerd, Tyk and with telemetry libraries, tried here."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.outages.conftest import NewAgent, NewCar, NewSidecar, says
from tests.outages.test_kong import codes, equal
from tests.syncagent.house import eventually
from tests.syncagent.plane import FakePlane

pytestmark = pytest.mark.e2e


async def test_apisix_2310_7535_11144_and_803_a_store_that_was_wiped_takes_nothing(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """apisix 2310, 7535, 11144, 803: etcd began anew, all routes were 404, nothing was logged, nothing came again."""
    agent = new_agent().start()
    car = new_car(agent)
    await asyncio.to_thread(car.until, "/orders/x", 200)
    await plane.stop()
    content = dict(plane.resources)
    plane.resources, plane.log, plane.cursor, plane.dataset = {}, [], 0, "wiped"
    plane.complete = False  # as our plane says it to who holds another dataset
    plane.put("/", {"id": "s", "name": "passerelle"})
    await plane.start()
    await eventually(lambda: "ConfigurationShrunk" in codes(plane), what="the alarm")
    assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200
    # its content is put back, by hand, with other numbers: that is taken without a word
    for id, body in content.items():
        plane.resources[id] = body
        plane.cursor += 1
    plane.put("/apis/orders/policies/policy", says("back again"))
    await asyncio.to_thread(car.until, "/orders/x", 200, "back again")
    await eventually(lambda: codes(plane) == set(), what="the end of the alarm")


async def test_linkerd_10200_and_7868_what_is_rarely_called_works_in_an_outage(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """linkerd2 10200, 7868: what had not been called for five seconds was forgotten, and failed in an outage."""
    agent = new_agent().start()
    car = new_car(agent)
    await asyncio.to_thread(car.until, "/status-0123456789abcdef", 200)
    await plane.stop()
    agent.kill()
    await asyncio.sleep(1)
    assert await asyncio.to_thread(car.get, "/people/x") == (200, "people here")  # for the first time
    assert (await asyncio.to_thread(car.get, "/status-0123456789abcdef"))[0] == 200


@pytest.mark.parametrize("step", ["hang", "half"])
async def test_tyk_7127_whatever_step_of_a_start_fails_the_backup_is_used(
    step: str, plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """tyk 7127: signing in went well, loading timed out, and it ran with no API, though it had a backup."""
    agent = new_agent(config_service_integration_timeout="0.5").start()
    await eventually(lambda: f"version {plane.cursor} is on disk" in agent.text())
    agent.kill()
    plane.fault = step
    agent.start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    asked = len(plane.requests)
    await eventually(lambda: len(plane.requests) > asked + 1)
    facts = await agent.until_ready()
    assert (facts["source"], facts["cursor"]) == ("backup", plane.cursor)
    assert facts["lastError"]


async def test_tyk_3428_a_backup_that_cannot_be_written_stops_nothing(
    plane: FakePlane, new_agent: NewAgent, sidecars: NewSidecar
) -> None:
    """tyk 3428: failing to save a good configuration, it did not load it either."""
    agent = new_agent()
    (agent.directory / "file").write_text("no folder")
    agent.settings |= {"config.backup.path": str(agent.directory / "file" / "backup"), "config.backup.key": "k"}
    agent.start()
    sidecar = sidecars().connect(agent.listen)
    await eventually(lambda: equal(sidecar, plane))
    plane.put("/apis/orders/policies/policy", says("newer"))
    await eventually(lambda: equal(sidecar, plane))
    await eventually(lambda: "BackupFailed" in codes(plane), what="the alarm")


async def test_opentelemetry_2024_4043_and_3309_a_collector_that_never_answers_holds_nobody_up(
    plane: FakePlane, new_agent: NewAgent, new_car: NewCar
) -> None:
    """opentelemetry-python 2024, 4043, 3309: an exporter held up the application, and above all its end."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        agent = new_agent().start()
        car = new_car(
            agent,
            telemetry__enabled="true",
            observability__opentelemetry__enabled="true",
            observability__opentelemetry__collector__uri=f"http://127.0.0.1:{hole.getsockname()[1]}",
            observability__opentelemetry__metrics__interval="1",
        )
        await asyncio.to_thread(car.until, "/orders/x", 200)
        hole.settimeout(20)
        (await asyncio.to_thread(hole.accept))[0].close()  # the child tries
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert (await asyncio.to_thread(car.get, "/orders/x"))[0] == 200
            slowest = max(slowest, time.monotonic() - began)
        assert car.process is not None
        began = time.monotonic()
        car.process.terminate()
        assert await asyncio.to_thread(car.process.wait, 15) == 0
        ended = time.monotonic() - began
    print(f"\nslowest of 50 requests {slowest * 1000:.0f} ms; ended {ended:.1f} s after SIGTERM (goal 2 s)")
    assert ended < 10

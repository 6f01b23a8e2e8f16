"""A sidecar dies, or comes before its agent."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.e2e.house import Process, request, wait_until
from tests.faults.place import STATUS, Place, versioned
from tests.faults.row import Figures, fault

MANY = 1_000


def _ready(place: Place, gateway: str, began: float) -> float:
    """Seconds since `began` until the sidecar is ready and answers right."""
    wait_until(lambda: request(gateway + STATUS, timeout=2).status == 200, 60, every=0.02, what="readiness")
    took = time.monotonic() - began
    reply = request(f"{gateway}/shop/x")
    assert reply.status == 200, reply
    return took


@fault(
    "F2",
    f"kill -9 of one of two sidecars, with {MANY} APIs",
    promise="the other is unaffected; the restarted one gets all",
    goal="0 failed on the other; ready <= 2 s after its start",
)
def killed(place: Place) -> Figures:
    figures = Figures()
    with place.another() as own:
        house = own.house
        _many(own)
        first, second = house.gateways
        own.arrived(own.publish())
        house.everywhere(f"/many{MANY - 1}/x", lambda reply: reply.status == 200, 60)
        with own.load([second]) as load:
            time.sleep(1)
            victim = own.sidecar(0)
            os.kill(victim.pid, signal.SIGKILL)
            wait_until(lambda: not victim.alive, what="its death")
            time.sleep(1)
            own.forgotten(first)
            began = time.monotonic()
            own.start_again(victim)
            took = _ready(own, first, began)
            spent = _processor(own.sidecar(0).pid)
            last = request(f"{first}/many{MANY - 1}/x").status
            time.sleep(1)
    figures.failed(load)
    figures.at_most("ready after", took, 2, "s", bound=30)
    figures.say(f"{spent:.1f} s of it its processor time")
    figures.true("has them all", last == 200, f"the last API answers {last}")
    return figures


def _many(place: Place) -> None:
    """A thousand more APIs in one change."""
    gateway, resources = place.house.gateway_id, []
    for number in range(MANY):
        name = f"many{number}"
        api = {"displayName": name, "path": name, "serviceUrl": place.echo, "protocols": ["http"]}
        operation = {"displayName": "get", "method": "GET", "urlTemplate": "/x"}
        resources += [
            {"id": f"/apis/{name}", "properties": {**api, "subscriptionRequired": False}},
            {"id": f"/apis/{name}/operations/get", "properties": operation},
            {"id": f"/apis/{name}/policies/policy", "properties": {"format": "rawxml", "value": versioned(1)}},
            {"id": f"/gateways/{gateway}/apis/{name}", "properties": {}},
        ]
    place.apply(resources)


@fault(
    "F18",
    "the sidecars start before their agent",
    promise="they wait, readiness 503",
    goal="no 2xx meanwhile; ready <= 2 s after the agent's start",
)
def first(place: Place) -> Figures:
    figures, house = Figures(), place.house
    agent: Process = house.kill("syncagent")[0]
    victims = house.kill("proxy")
    for victim, gateway in zip(victims, house.gateways, strict=True):
        place.forgotten(gateway)
        place.start_again(victim)
    statuses: set[int] = set()
    for gateway in house.gateways:
        wait_until(lambda gateway=gateway: request(gateway + STATUS).status == 503, 20, what="503 while it waits")
        statuses |= {request(gateway + path).status for path in ("/shop/x", "/nowhere", STATUS)}
    time.sleep(2)
    for gateway in house.gateways:
        statuses.add(request(f"{gateway}/shop/x").status)
    began = time.monotonic()
    place.start_again(agent)
    took = max(_ready(place, gateway, began) for gateway in house.gateways)
    figures.true(f"answers {sorted(statuses)} meanwhile", statuses == {503})
    figures.at_most("ready after", took, 2, "s", bound=30)
    return figures


def _processor(pid: int) -> float:
    """Seconds that a process has had of a processor."""
    fields = Path("/proc", str(pid), "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

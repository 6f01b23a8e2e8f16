"""A configuration as large as they come arrives while requests are served."""

from __future__ import annotations

import json
import time

from tests.e2e.house import request, wait_until
from tests.faults.cost import resident
from tests.faults.line import PASS, REFUSE
from tests.faults.place import Place
from tests.faults.row import Figures, fault

APIS, OPERATIONS = 100, 100
TEXT = "x" * 4_800  # of each operation, so that all of them are 50 MiB
REVISION = {"format": "openapi+json", "apiRevision": "1", "subscriptionRequired": False, "protocols": ["http"]}


@fault(
    "F11",
    "10,000 operations, 50 MiB, in one change",
    promise="applied off the request path",
    goal="0 failed; p99 <= 2x while it is applied; memory <= 3x",
)
def huge(place: Place) -> Figures:
    figures = Figures()
    with place.another() as big:
        house = big.house
        big.plane.set(REFUSE)
        for number in range(APIS):
            house.put(
                f"/apis/big-{number}", {**REVISION, "path": f"big-{number}", "value": _document(number, big.echo)}
            )
            house.link(f"big-{number}")
        before = [resident([big.sidecar(at).pid]) for at in range(len(house.gateways))]
        with big.load(clients=8, rate=100) as load:
            time.sleep(8)
            quiet = time.monotonic()
            version = big.publish()
            big.plane.set(PASS)
            began = time.monotonic()
            big.arrived(version, 240)
            for gateway in house.gateways:
                wait_until(
                    lambda gateway=gateway: request(f"{gateway}/big-{APIS - 1}/o-1", timeout=5).status == 200,
                    120,
                    what="an operation of the last API",
                )
            applied = time.monotonic()
            time.sleep(3)
        usual, busy = load.p99(until=quiet), load.p99(since=began, until=applied)
        worst = max(each.seconds for each in list(load.answers) if began <= each.at < applied) * 1000
        after = [resident([big.sidecar(at).pid]) for at in range(len(house.gateways))]
    figures.failed(load)
    figures.say(f"in force everywhere after {applied - began:.1f} s")
    figures.at_most(f"p99 {busy:.0f} ms while it is applied, {usual:.0f} ms before: times", busy / usual, 2, bound=20)
    figures.say(f"longest answer {worst:.0f} ms")
    grown = max(late / early for late, early in zip(after, before, strict=True))
    figures.at_most(f"memory of a sidecar {max(before):.0f} -> {max(after):.0f} MiB: times", grown, 3, bound=6)
    return figures


def _document(number: int, backend: str) -> str:
    operation = {"description": TEXT, "responses": {"200": {"description": "fine"}}}
    paths = {f"/o-{at}": {"get": {"operationId": f"o-{at}", **operation}} for at in range(OPERATIONS)}
    title = {"title": f"Big {number}", "version": "1"}
    return json.dumps({"openapi": "3.0.1", "info": title, "servers": [{"url": backend}], "paths": paths})

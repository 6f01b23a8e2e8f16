"""The clock jumps under agent and sidecars (libfaketime), forward and back."""

from __future__ import annotations

import glob
import time

from tests.e2e.house import request, wait_until
from tests.faults.place import Place, policies, token
from tests.faults.row import Figures, NotHere, fault

CALLS = 3
PERIOD = 3600  # seconds
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@fault(
    "F33",
    "the clock jumps an hour forward, two back, and is set right",
    promise="timers are monotonic, tokens are judged by the wall clock",
    goal="0 failed; no burst of polls; limits and quotas are not reset",
)
def jump(place: Place) -> Figures:
    library = next((path for pattern in LIBRARIES for path in glob.glob(pattern)), "")
    if not library:
        raise NotHere("libfaketime is not installed")
    figures, house = Figures(), place.house
    house.api("quota", place.echo)
    # each jump leads out of the period that it is now; it lasts for much longer than this row
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - PERIOD / 2))
    period = f'renewal-period="{PERIOD}" first-period-start="{began}"'
    quota = f'<quota-by-key calls="{CALLS}" {period} counter-key="clock" />'
    house.policy("/apis/quota", policies(inbound=quota))
    house.everywhere("/quota/x", lambda reply: reply.status in (200, 403), 60)
    setting = place.directory / "clock"
    setting.write_text("+0")
    faked = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    none = dict.fromkeys(faked, "")
    try:
        _again(place, faked)
        for gateway in house.gateways:
            wait_until(lambda gateway=gateway: request(f"{gateway}/quota/x").status == 403, 20, what="a used up quota")
        worst = 0.0
        with place.load(rate=100) as load:
            for shift in ("+3600", "-3600", "+0"):
                setting.write_text(shift)
                time.sleep(2.5)
                began, seconds = time.monotonic(), 5.0
                time.sleep(seconds)
                asked = place.plane.asked(began, "/events") / (seconds / place.options.poll)
                worst = max(worst, asked)
                statuses = {request(f"{gateway}/quota/x").status for gateway in house.gateways}
                figures.true(f"at {shift} s the quota is used up", statuses == {403}, f"at {shift}: quota {statuses}")
                brief = {"Authorization": f"Bearer {token(1800)}"}
                wanted = 401 if shift == "+3600" else 200
                got = {request(f"{gateway}/token/x", headers=brief).status for gateway in house.gateways}
                figures.true(f"a token of half an hour is {wanted}", got == {wanted}, f"at {shift}: token {got}")
                place.arrived(place.publish())
    finally:
        _again(place, none)
        house.delete("/apis/quota")
    figures.failed(load)
    figures.at_most("polls beside the usual", worst, 1.5, bound=2.5)
    return figures


def _again(place: Place, settings: dict[str, str]) -> None:
    """Agent and sidecars with these variables, in force."""
    house = place.house
    agent, sidecars = house.kill("syncagent")[0], house.kill("proxy")
    place.start_again(agent, **settings)
    for sidecar, gateway in zip(sidecars, house.gateways, strict=True):
        place.forgotten(gateway)
        place.start_again(sidecar, **settings)
    house.everywhere("/shop/x", lambda reply: reply.status == 200, 60)
    house.everywhere("/token/x", lambda reply: reply.status == 401, 60)

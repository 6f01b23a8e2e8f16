"""A plane that lost its store for good: what the agents hold stays until an operator says that the new one is meant."""

from __future__ import annotations

import time

from tests.e2e.house import request, wait_until
from tests.faults.place import Place
from tests.faults.row import Figures, fault
from tests.faults.rows.planes import STORE


@fault(
    "F10b",
    "the plane's store is lost for good and begun anew with one API",
    promise="nothing is lost until an operator accepts it",
    goal="0 failed before; ConfigurationShrunk in the heartbeat and the console; after acceptance in sync",
)
def accepted(place: Place) -> Figures:
    figures = Figures()
    with place.another() as own:
        house = own.house
        with own.load() as load:
            dead = house.kill("management")
            for file in house.data.rglob(f"{STORE}*"):
                file.unlink()
            house.again(dead)
            wait_until(lambda: house.arm("").status == 200, 60, what="the plane to return")
            name = own.agent.environment.get("gateway.name") or "local"
            house.put(f"/gateways/{name}", {"locationData": {"name": "here"}})
            house.api("new", own.echo)
            own.token_file.write_text(f"GatewayKey {own.token()}")
            told = wait_until(lambda: alarms(own), 60, what="the alarm in a heartbeat")
            time.sleep(own.options.poll)
        figures.failed(load)
        figures.say(f"told: {told[0][:90]}...")
        began = time.monotonic()
        reply = house.arm(f"/gateways/{house.gateway_id}/acceptConfiguration", "POST")
        figures.true("accepted", reply.status == 204, f"acceptConfiguration: {reply.status}")
        for gateway in house.gateways:
            for path, status in (("/new/x", 200), ("/shop/x", 404)):
                wait_until(
                    lambda url=gateway + path, status=status: request(url).status == status,
                    60,
                    what=f"{status} of {path} at {gateway}",
                )
        longest = 2 * own.options.poll  # an agent that is refused asks less often
        figures.at_most("in sync after", time.monotonic() - began, longest + 2, "s", bound=longest + 20)
        wait_until(lambda: not alarms(own), 60, what="the end of the alarm")
    return figures


def alarms(place: Place) -> list[str]:
    return [
        issue["message"]
        for beat in place.heartbeats()
        for issue in beat["issues"]
        if issue["code"] == "ConfigurationShrunk"
    ]

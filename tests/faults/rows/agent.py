"""The agent is killed, restarted, or does not move: sidecars serve from memory."""

from __future__ import annotations

import os
import signal
import time

from tests.e2e.house import wait_until
from tests.faults.place import Place
from tests.faults.row import Figures, fault


@fault(
    "F1",
    "kill -9 of the agent, away for a while, then back",
    promise="sidecars serve from memory",
    goal="0 failed; in sync <= 5 s after its start; nothing sent again when equal",
)
def killed(place: Place) -> Figures:
    figures = Figures()
    with place.load() as load:
        time.sleep(1)
        dead = place.house.kill("syncagent")[0]
        time.sleep(min(place.outage, 60 if place.options.full else 20))
        sent, began = place.log("syncagent").count("[SendingConfiguration]"), time.monotonic()
        place.start_again(dead)
        wait_until(lambda: place.ready().get("source") == "plane", 30, what="the agent to have asked the plane")
        wait_until(lambda: place.ready().get("sidecars") == len(place.house.gateways), 30, what="the sidecars")
        back = time.monotonic() - began
        time.sleep(2)
        again = place.log("syncagent").count("[SendingConfiguration]") - sent
    figures.failed(load)
    figures.at_most("back with both sidecars in", back, 5, "s", bound=15)
    figures.at_most("configurations sent again", again, 0)
    return figures


@fault(
    "F17",
    "the agent is restarted while sidecars serve, and something changed meanwhile",
    promise="the stream resumes from the version held",
    goal="0 failed; only the change is sent; in sync <= 5 s after its start",
)
def restarted(place: Place) -> Figures:
    figures = Figures()
    with place.load() as load:
        dead = place.house.kill("syncagent")[0]
        version = place.publish()
        sent, began = place.log("syncagent").count("[SendingConfiguration]"), time.monotonic()
        place.start_again(dead)
        place.arrived(version)
        synced = time.monotonic() - began
    news = [line for line in place.log("syncagent").splitlines() if "[SendingConfiguration]" in line][sent:]
    figures.failed(load)
    figures.at_most("in sync after", synced, 5, "s", bound=15)
    whole = [line for line in news if "full: True" in line or '"full": true' in line]
    figures.true(f"{len(news)} diffs, none of them whole", news and not whole, f"sent whole: {whole}")
    return figures


@fault(
    "F21",
    "the agent does not move (SIGSTOP)",
    promise="keep-alive detects it; sidecars serve",
    goal="0 failed; detected <= 15 s; in sync <= 5 s after SIGCONT",
)
def stalled(place: Place) -> Figures:
    figures = Figures()
    before, noticed = _noticed(place), 0.0
    with place.load() as load:
        agent = place.agent
        os.kill(agent.pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            wait_until(lambda: _noticed(place) >= before + len(place.house.gateways), 40, what="the sidecars to notice")
            noticed = time.monotonic() - began
            time.sleep(max(min(place.outage, 60) - noticed, 0) if place.options.full else 1)
            version = place.publish()
        finally:
            os.kill(agent.pid, signal.SIGCONT)
        began = time.monotonic()
        place.arrived(version)
        synced = time.monotonic() - began
    figures.failed(load)
    figures.at_most("detected after", noticed, 15, "s", bound=25)
    figures.at_most("in sync after", synced, 5 + place.options.poll, "s", bound=20)
    return figures


def _noticed(place: Place) -> int:
    return place.log("proxy").count("config-sync: no stream to the agent")

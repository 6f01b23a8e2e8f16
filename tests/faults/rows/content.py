"""What the plane says is wrong: a bad policy, a bad whole, a configuration that shrank, words of another release."""

from __future__ import annotations

import time

from tests.faults.imposter import SHOP, Imposter, imposter
from tests.faults.place import Place, policies, versioned
from tests.faults.row import Figures, fault

BAD = policies(inbound='<no-such-policy really="true" />')
CALM = 1.0  # seconds in which something wrong would show


def sent(place: Place) -> int:
    return place.log("syncagent").count("[SendingConfiguration]")


@fault(
    "F8",
    "an invalid policy in one API",
    promise="the last good one of that API stays, all else applies",
    goal="0 failed; in the next heartbeat; not sent again",
)
def bad_policy(place: Place) -> Figures:
    figures = Figures()
    with imposter(place) as plane, place.load() as load:
        plane.policy("/apis/token/policies/policy", BAD)
        place.arrived(plane.publish())
        beat = plane.told("no-such-policy")
        before = sent(place)
        plane.asked_again(3)
        again = sent(place) - before
        time.sleep(CALM)
    figures.failed(load)
    issues = [issue for sidecar in beat["sidecars"] for issue in sidecar["issues"]]
    named = {issue["resourceId"] for issue in issues}
    figures.true("told with resource, line and column", named == {"/apis/token/policies/policy"}, f"told: {issues}")
    figures.at_most("sent again", again, 0)
    return figures


@fault(
    "F9",
    "an invalid whole: the service's policy and its own resource",
    promise="the last good state of both stays",
    goal="0 failed",
)
def bad_whole(place: Place) -> Figures:
    figures = Figures()
    with imposter(place) as plane, place.load() as load:
        plane.policy("/policies/policy", BAD)
        plane.put("/", location=["not", "a", "text"], gatewayUrl={"nor": "this"})
        place.arrived(plane.publish())
        plane.told("no-such-policy")
        plane.plane.put("/policies/policy", ["no", "object"])
        plane.plane.put("/", "no object")
        place.arrived(plane.publish())
        plane.asked_again()
        time.sleep(CALM)
    figures.failed(load)
    return figures


@fault(
    "F10",
    "an empty configuration, and one that lost more than half",
    promise="refused unless marked as complete; deletions one by one apply",
    goal="0 failed; version unchanged; alarm in the next heartbeat",
)
def shrunken(place: Place) -> Figures:
    figures = Figures()
    with imposter(place) as plane, place.load() as load:
        resources = dict(plane.plane.resources)
        cursor = place.ready()["cursor"]
        for name, kept in (("empty", {}), ("a third", dict(list(resources.items())[: len(resources) // 3]))):
            for dataset in ("imposter", "another"):
                plane.feed = _snapshot(plane, dataset, kept)
                plane.asked_again()
                ready = place.ready()
                refused = ready["cursor"] == cursor and "not marked complete" in (ready["lastError"] or "")
                figures.true(f"{name} of {dataset} refused", refused, f"{name} of {dataset}: {ready}")
        plane.told("not marked complete")
        time.sleep(CALM)
        plane.feed = None
        place.arrived(plane.publish())
        plane.asked_again()
        ended = place.ready()["lastError"]
    figures.failed(load)
    figures.true("recovers", ended is None, f"still {ended}")
    return figures


def _snapshot(plane: Imposter, dataset: str, resources: dict[str, bytes]) -> bytes:
    from tests.syncagent.plane import FakePlane

    other = FakePlane(dataset=dataset, cursor=plane.plane.cursor + 1000, complete=False, resources=resources)
    return other.feed(None, -1)


@fault(
    "F39",
    "words of another release: unknown properties, resources, head fields and a policy",
    promise="unknown fields are ignored, an unknown policy is told and hits nothing else",
    goal="0 failed",
)
def another_release(place: Place) -> Figures:
    figures = Figures()
    with imposter(place) as plane, place.load() as load:
        for id in list(plane.plane.resources):
            plane.put(id, inventedLater={"deep": [1, None, {"er": "x"}]})
        plane.plane.put("/inventions/one", {"of": "a later release"})
        plane.plane.put("/apis/shop/inventions/two", {"of": "a later release"})
        plane.policy("/apis/limited/policies/policy", policies(inbound="<invented-later />"))
        version = plane.publish()
        place.arrived(version)
        plane.told("invented-later")
        plane.policy(SHOP, versioned(version, "<!-- a comment -->"))
        plane.asked_again()
        time.sleep(CALM)
    figures.failed(load)
    return figures

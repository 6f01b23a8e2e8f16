"""Promises that hold for any sequence: how long is waited, what is refused once, two planes, and who comes again."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from syncagent.agent import Agent
from syncagent.credential import Credential
from syncagent.feed import FeedError, FeedParser, WholeWanted, advance
from syncagent.hub import Hub, Version
from syncagent.log import Log
from syncagent.settings import Settings
from syncagent.snapshot import Resource, Snapshot, apply
from tests.syncagent.plane import TOKEN, FakePlane

INTERVAL, CEILING = 2.0, 60.0


def new_agent() -> Agent:
    values = {
        "config.service.endpoint": "http://127.0.0.1:1/configuration/s",
        "config.service.auth": TOKEN,
        "config.service.poll.interval": f"{INTERVAL:g}",
        "config.service.backoff.maximum": f"{CEILING:g}",
        "config.backup.path": "none",
    }
    log = Log("none", "info", False, "SyncAgent")
    return Agent(Settings.read(values), Credential(TOKEN, None), None, Hub(), log, lambda: "0")


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_wait_is_within_its_bounds_after_any_failures(answered: list[bool]) -> None:
    """Full jitter below a ceiling that doubles with each refusal in a row; who is away is asked as always."""
    agent, strained = new_agent(), 0
    for each in answered:
        wait = agent._backoff(each)
        strained = strained + 1 if each else 0
        assert min(INTERVAL, 1.0) <= wait <= min(CEILING, INTERVAL * 2**strained)


def test_waits_differ_over_the_whole_of_their_range() -> None:
    agent = new_agent()
    for _ in range(10):
        agent._backoff(True)
    waits = sorted(agent._backoff(True) for _ in range(400))
    assert waits[0] < CEILING * 0.1
    assert waits[-1] > CEILING * 0.9
    assert abs(waits[200] - CEILING / 2) < CEILING * 0.15


def resource(name: int, value: int) -> Resource:
    body = str(value).encode()
    return Resource(f"/apis/{name}", hashlib.sha256(body).digest(), body)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["edit", "offer", "ack", "nack", "again"]), max_size=60))
def test_nothing_that_was_refused_whole_is_sent_again(steps: list[str]) -> None:
    """A diff may be followed by the whole of the same version; after that there is silence until another version."""
    hub, held = Hub(confirmed=True), None
    current = apply(None, [resource(0, 0)], "d", 1)
    hub.publish(current)
    session, refused, offer = hub.connect("s", "1", None), set(), None
    for number, step in enumerate(steps):
        if step == "edit":
            current = apply(current, [resource(number % 5, number)], "d", current.cursor + 1)
            hub.publish(current)
        elif step == "offer":
            new = hub.next(session)
            if new is not None:
                assert new.target not in refused
                assert held is None or new.target.number > held.number or session.whole
                offer = new
        elif step == "again":  # the stream is lost, and opened anew with what is held
            hub.disconnect(session)
            session, offer = hub.connect("s", "1", held), None
        elif offer is not None:
            if step == "ack":
                held = offer.target
                hub.acknowledge(session, offer.nonce, ())
                assert hub.next(session) is None or current.cursor > held.number
                session.offer = None
            else:
                if offer.full:
                    refused.add(offer.target)
                hub.refuse(session, offer.nonce, held, "no")
            offer = None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["edit", "delete", "fresh", "stale"]), st.integers(0, 6)), max_size=40))
def test_a_second_plane_that_is_behind_changes_nothing(steps: list[tuple[str, int]]) -> None:
    """Whatever is asked of whom in whatever order: no version goes back, and the fresh plane is reached."""
    fresh = FakePlane()
    fresh.put("/", {"name": "s"})
    held: Snapshot | None = None
    old = fresh.feed(None, -1)

    def ask(text: bytes) -> None:
        nonlocal held
        parser = FeedParser()
        parser.write(text)
        try:
            new = advance(held, parser.close())
        except WholeWanted:
            ask(fresh.feed(None, -1))
            return
        except FeedError:
            return
        assert held is None or new.cursor >= held.cursor
        held = new

    ask(old)
    for action, name in steps:
        id = f"/apis/{name}"
        if action == "edit":
            fresh.put(id, {"path": str(fresh.cursor)})
        elif action == "delete" and id in fresh.resources:
            old = fresh.feed(None, -1)
            fresh.delete(id)
        elif action == "stale":
            ask(old)
        elif action == "fresh" and held is not None:
            ask(fresh.feed(held.dataset, held.cursor))
    assert held is not None
    ask(fresh.feed(held.dataset, held.cursor))
    assert {id: each.body for id, each in held.resources.items()} == fresh.resources


@settings(max_examples=100)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 6))
def test_who_comes_again_gets_what_changed_and_no_more(first: int, later: int, gone: int) -> None:
    """A reconnect says what is held: the answer is the difference, deletions included, or nothing."""
    hub = Hub(confirmed=True)
    current = apply(None, [resource(name, 0) for name in range(7)], "d", first)
    hub.publish(current)
    session = hub.connect("s", "1", Version("d", first))
    assert hub.next(session) is None
    hub.disconnect(session)
    touched = set()
    for number in range(later):
        name = number % 3
        touched.add(f"/apis/{name}")
        current = apply(current, [resource(name, number + 1)], "d", current.cursor + 1)
        hub.publish(current)
    current = apply(current, [f"/apis/{gone}"], "d", current.cursor + 1)
    hub.publish(current)
    offer = hub.next(hub.connect("s", "1", Version("d", first)))
    assert offer is not None
    assert (offer.full, offer.base, offer.removals) == (False, first, (f"/apis/{gone}",))
    assert {each.id for each in offer.upserts} == touched - {f"/apis/{gone}"}

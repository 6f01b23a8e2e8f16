"""What is sent to whom: any edits, cuts and restarts end in equality, nothing twice, nobody back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from syncagent import hub as hubs
from syncagent.hub import Hub, Issue, Offer, Sidecar, Version
from syncagent.snapshot import Resource, Snapshot, apply


def resource(name: int, value: int) -> Resource:
    body = str(value).encode()
    return Resource(f"/apis/{name}", hashlib.sha256(body).digest(), body)


@dataclass
class Peer:
    """A sidecar by the contract: applies what fits, refuses what does not start from what it holds."""

    id: str
    held: Version | None = None
    content: dict[str, bytes] = field(default_factory=dict)
    session: Sidecar | None = None
    offers: list[Offer] = field(default_factory=list)

    def exchange(self, hub: Hub) -> None:
        """Receive one offer, if there is one, and answer it."""
        assert self.session is not None
        offer = hub.next(self.session)
        if offer is None:
            return
        assert hub.next(self.session) is None, "one offer at a time"
        assert offer.target != self.held or self.session.whole, "an acknowledged version is not sent again"
        if self.held is not None and self.held.dataset == offer.target.dataset:
            assert offer.target.number >= self.held.number, "nobody goes back"
        self.offers.append(offer)
        if not offer.full and self.held != Version(offer.target.dataset, offer.base):
            hub.refuse(self.session, offer.nonce, self.held, "WRONG_BASE")
            return
        if offer.full:
            self.content.clear()
        for id in offer.removals:
            self.content.pop(id, None)
        self.content.update({each.id: each.body for each in offer.upserts})
        self.held = offer.target
        hub.acknowledge(self.session, offer.nonce, ())


actions = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(0, 6), st.integers(0, 3)),
        st.tuples(st.just("exchange"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("lose"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("reconnect"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("forget"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("restart-agent"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("new-dataset"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(actions)
def test_any_sequence_converges(steps: list[tuple[str, int, int]]) -> None:
    hub = Hub(confirmed=True)
    versions = [apply(None, [resource(0, 0)], "d0", 1)]
    hub.publish(versions[-1])
    peers = [Peer("a"), Peer("b")]
    for peer in peers:
        peer.session = hub.connect(peer.id, "1", None)
    for action, which, value in steps:
        newest = versions[-1]
        if action == "edit":
            operation = f"/apis/{which}" if value == 0 else resource(which, value)
            versions.append(apply(newest, [operation], newest.dataset, newest.cursor + 1))
            hub.publish(versions[-1])
        elif action == "new-dataset":
            versions.append(Snapshot(f"d{len(versions)}", 1, newest.resources, newest.fingerprint))
            hub.publish(versions[-1])
        elif action == "restart-agent":
            # It may come back from an older generation; the plane then tells it the newest.
            hub = Hub()
            hub.publish(versions[max(len(versions) - 1 - which, 0)])
            for peer in peers:
                peer.session = hub.connect(peer.id, "1", peer.held)
                before = peer.held
                peer.exchange(hub)
                assert before is None or peer.held == before or peer.held.dataset == before.dataset
            hub.confirmed = True
            hub.publish(versions[-1])
        else:
            peer = peers[which]
            assert peer.session is not None
            if action == "exchange":
                peer.exchange(hub)
            elif action == "lose":
                hub.next(peer.session)
                hub.disconnect(peer.session)
                peer.session = hub.connect(peer.id, "1", peer.held)
            elif action == "reconnect":
                peer.session = hub.connect(peer.id, "1", peer.held)
            elif action == "forget":
                peer.held, peer.content = None, {}
                peer.session = hub.connect(peer.id, "1", None)
    expected = {each.id: each.body for each in versions[-1].resources.values()}
    for peer in peers:
        for _ in range(3):
            peer.exchange(hub)
        assert peer.content == expected
        assert peer.session is not None
        assert hub.next(peer.session) is None


def published(count: int) -> tuple[Hub, list[Snapshot]]:
    hub = Hub(confirmed=True)
    versions = [apply(None, [resource(9, 9)], "d", 1)]
    hub.publish(versions[0])
    for number in range(2, count + 1):
        versions.append(apply(versions[-1], [resource(number, number)], "d", number))
        hub.publish(versions[-1])
    return hub, versions


def test_versions_between_are_skipped_and_only_what_was_touched_is_sent() -> None:
    hub, _ = published(50)
    offer = hub.next(hub.connect("a", "1", Version("d", 40)))
    assert offer is not None
    assert (offer.base, offer.target.number, offer.full) == (40, 50, False)
    assert {each.id for each in offer.upserts} == {f"/apis/{number}" for number in range(41, 51)}


def test_the_whole_is_sent_when_the_way_is_forgotten() -> None:
    hub, versions = published(3)
    hub._steps.popleft()
    offer = hub.next(hub.connect("a", "1", Version("d", 1)))
    assert offer is not None
    assert offer.full
    assert len(offer.upserts) == len(versions[-1].resources)


def test_what_is_remembered_is_bounded() -> None:
    hub = Hub()
    snapshot = None
    for number in range(1, 6):
        many = [resource(each, number) for each in range(30_000)]
        snapshot = apply(None, many, "d", number)
        hub.publish(snapshot)
    assert hub._remembered == sum(len(step.ids) for step in hub._steps) <= hubs.MAX_REMEMBERED_IDS


def test_the_way_is_remembered_for_as_long_as_somebody_may_go_it() -> None:
    hub, _ = published(300)
    assert len(hub._steps) == hubs.LAST_STEPS, "nobody is known: the last versions, for who comes"
    slow, quick = hub.connect("slow", "1", Version("d", 290)), hub.connect("quick", "1", Version("d", 300))
    hub.disconnect(slow)
    snapshot = hub.current
    for number in range(301, 801):
        snapshot = apply(snapshot, [resource(number % 7, number)], "d", number)
        hub.publish(snapshot)
        offer = hub.next(quick)
        assert offer is not None
        hub.acknowledge(quick, offer.nonce, ())
    assert hub._steps[0].start == 290
    offer = hub.next(again := hub.connect("slow", "1", Version("d", 290)))
    assert offer is not None
    assert not offer.full
    hub.acknowledge(again, offer.nonce, ())
    hub.publish(apply(snapshot, [resource(1, 801)], "d", 801))
    assert len(hub._steps) == hubs.LAST_STEPS
    assert hub._remembered == sum(len(step.ids) for step in hub._steps)


def test_a_refused_whole_waits_for_another_version() -> None:
    hub, versions = published(2)
    sidecar = hub.connect("a", "1", None)
    offer = hub.next(sidecar)
    assert offer is not None
    hub.refuse(sidecar, offer.nonce, None, "FAILED: a bug")
    assert hub.next(sidecar) is None
    assert "a bug" in sidecar.issues[0].message
    hub.publish(apply(versions[-1], [resource(1, 1)], "d", 3))
    again = hub.next(sidecar)
    assert again is not None
    assert again.full
    hub.acknowledge(sidecar, again.nonce, (Issue("/x", 1, 2, "e", "m"),))
    assert sidecar.issues == (Issue("/x", 1, 2, "e", "m"),)


def test_an_answer_to_an_older_offer_is_ignored() -> None:
    hub, _ = published(2)
    sidecar = hub.connect("a", "1", None)
    offer = hub.next(sidecar)
    assert offer is not None
    hub.acknowledge(sidecar, "other", ())
    hub.refuse(sidecar, "other", None, "")
    assert sidecar.held is None
    assert sidecar.offer is not None


def test_the_same_version_with_other_content_is_sent_again() -> None:
    hub, versions = published(2)
    sidecar = hub.connect("a", "1", Version("d", 2))
    assert hub.next(sidecar) is None
    hub.publish(apply(versions[-1], [resource(1, 1)], "d", 2))
    offer = hub.next(sidecar)
    assert offer is not None
    assert offer.full


def test_those_who_left_are_forgotten_in_the_end() -> None:
    hub = Hub()
    for number in range(200):
        hub.disconnect(hub.connect(str(number), "1", None))
    assert len(hub.sidecars) == hubs.MAX_GONE
    assert "199" in hub.sidecars


def test_a_revision_that_changes_nothing_is_reached_without_an_offer() -> None:
    hub, versions = published(2)
    sidecar = hub.connect("a", "1", Version("d", 2))
    hub.publish(apply(versions[-1], [], "d", 7))
    assert hub.next(sidecar) is None
    assert (hub.current and hub.current.cursor, hub.reached) == (2, 7)

"""Sets of resources: `apply` and `diff` are inverse, the fingerprint is that of the contract."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncagent import snapshot as snapshots
from syncagent.snapshot import Operation, Resource, Snapshot, apply, changes_of, diff, fingerprint
from tests.syncagent.plane import fingerprint as fingerprint_by_contract

ids = st.sampled_from([f"/apis/{name}" for name in "abcdefgh"])
bodies = st.sampled_from([b"{}", b'{"a":1}', '{"ü":"✓"}'.encode()])


def resource(id: str, body: bytes) -> Resource:
    return Resource(id, hashlib.sha256(body).digest(), body)


operations = st.lists(st.one_of(ids, st.builds(resource, ids, bodies)))


def held(steps: list[Operation]) -> Snapshot:
    return apply(None, steps, "d", 1)


@given(operations, operations)
def test_applying_a_diff_gives_the_other_set(before: list[Operation], after: list[Operation]) -> None:
    old, new = held(before), held(after)
    changes = diff(old, new)
    result = apply(old, [*changes.removals, *changes.upserts], "d", 2)
    assert dict(result.resources) == dict(new.resources)
    assert result.fingerprint == new.fingerprint
    assert not changes.ids.intersection(changes.removals) - set(changes.removals)
    assert diff(result, new) == ((), ())


@given(operations)
def test_the_fingerprint_kept_on_the_way_is_that_of_the_contract(steps: list[Operation]) -> None:
    snapshot = held(steps)
    assert snapshot.fingerprint == fingerprint(snapshot.resources.values())
    content = {resource.id: resource.body for resource in snapshot.resources.values()}
    assert f"{snapshot.fingerprint:064x}" == fingerprint_by_contract(content)


@given(operations, operations)
def test_a_snapshot_never_changes(before: list[Operation], more: list[Operation]) -> None:
    old = held(before)
    copy, total = dict(old.resources), old.fingerprint
    apply(old, more, "d", 2)
    assert dict(old.resources) == copy
    assert old.fingerprint == total


def test_unchanged_resources_are_shared() -> None:
    old = held([resource("/a", b"{}"), resource("/b", b"{}")])
    new = apply(old, [resource("/a", b'{"x":1}')], "d", 2)
    assert new.resources["/b"] is old.resources["/b"]


@given(st.lists(operations, min_size=1, max_size=6), st.integers(0, 5))
def test_the_way_that_is_remembered_leads_to_the_same_differences(steps: list[list[Operation]], start: int) -> None:
    versions = [held([])]
    for number, step in enumerate(steps):
        versions.append(apply(versions[-1], step, "d", number + 2))
    old, new = versions[min(start, len(steps))], versions[-1]
    ids = new.touched_since(old.content)
    changes = diff(old, new)
    forgetful = diff(old, Snapshot("d", new.cursor, new.resources, new.fingerprint))
    assert set(changes.upserts) == set(forgetful.upserts)
    assert set(changes.removals) == set(forgetful.removals)
    if ids is not None:
        told = changes_of(new, ids)
        assert dict(apply(old, [*told.removals, *told.upserts], "d", 99).resources) == dict(new.resources)


def test_a_long_way_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MOST_STAGES", 3)
    versions = [held([])]
    for number in range(6):
        versions.append(apply(versions[-1], [resource(f"/apis/{number}", b"{}")], "d", number + 2))
    ways = [versions[-1].touched_since(each.content) for each in versions[:-1]]
    assert [way and len(way) for way in ways] == [None, None, None, 3, 2, 1]

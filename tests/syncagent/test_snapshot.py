"""Sets of resources: `apply` and `diff` are inverse, the fingerprint is that of the contract."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from syncagent.snapshot import Operation, Resource, Snapshot, apply, diff, fingerprint
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

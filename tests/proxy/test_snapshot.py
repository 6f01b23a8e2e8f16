"""Sets of wire resources: what is laid over a large set reads as if it had been copied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import layers
from proxy.config.layers import Layered
from proxy.config.resources import Resource
from proxy.config.shelves import differences
from proxy.config.snapshot import apply

NAMES = st.sampled_from("abcdefgh")
RESOURCES = st.builds(lambda name, digest: Resource(name, digest, {}), NAMES, st.sampled_from("12"))
DIFFS = st.tuples(st.lists(RESOURCES, max_size=4), st.lists(NAMES, max_size=3))


@given(st.lists(DIFFS, max_size=8))
def test_laid_over_is_as_good_as_copied(diffs: list[tuple[list[Resource], list[str]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "LARGE", 0)
        patch.setattr(layers, "SHARE", 1)
        model: dict[str, Resource] = {}
        held = apply({}, [Resource(name, "0", {}) for name in "abcdef"], [], full=True)
        model.update(held)
        for upserts, removals in diffs:
            before, held = held, apply(held, upserts, removals, full=False)
            for name in removals:
                model.pop(name, None)
            for each in upserts:
                model[each.id] = each
            assert held == model
            assert len(held) == len(model) == len(list(held))
            assert all(held.get(name) == model.get(name) for name in "abcdefghi")
            assert all((name in held) == (name in model) for name in "abcdefghi")
            touched = [*removals, *(each.id for each in upserts)]
            known, compared = differences(before, held, touched), differences(before, held, None)
            for one, other in zip(known, compared, strict=True):
                assert {each.id: each for each in one} == {each.id: each for each in other}


def test_a_small_diff_does_not_copy_a_large_set() -> None:
    whole = apply({}, [Resource(f"/{n}", "1", {}) for n in range(10_000)], [], full=True)
    held = apply(whole, [Resource("/1", "2", {})], ["/2"], full=False)
    assert isinstance(held, Layered)
    assert held.base is whole
    held = apply(held, [Resource(f"/{n}", "2", {}) for n in range(1_000)], [], full=False)
    assert isinstance(held, dict)
    assert (len(held), held["/1"].digest, held["/2"].digest, held["/9999"].digest) == (10_000, "2", "2", "1")

"""The index of vectors: what is nearest, what is dropped, and what bytes from outside can do."""

from __future__ import annotations

import math
import random

import pytest

from proxy.pipeline.vectors import MAX_INDEX, MEASURED, added, nearest, vector


def test_an_index_is_bounded_and_forgets_the_oldest() -> None:
    source = random.Random(1)
    made = [vector([source.gauss(0, 1) for _ in range(1536)]) for _ in range(8)]
    index: bytes | None = None
    for count in range(400):
        new = made[count] if count < 8 else vector([source.gauss(0, 1) for _ in range(1536)])
        index, last = added(index, new, 1000.0 + count, 0.0)
    assert index is not None
    assert MAX_INDEX * 0.99 < len(index) <= MAX_INDEX
    assert last == 1399.0
    assert nearest(index, made[0], 0.1, 0.0) == []
    assert nearest(index, new, 0.1, 0.0) == [(0.0, new.name)]
    assert nearest(index, new, 0.1, 1399.0) == []


def test_the_nearest_is_among_those_that_are_measured() -> None:
    source = random.Random(2)
    index: bytes | None = None
    vectors = [[source.gauss(0, 1) for _ in range(256)] for _ in range(MEASURED * 6)]
    for numbers in vectors:
        index, _ = added(index, vector(numbers), 10.0, 0.0)
    for numbers in vectors[::20]:
        close = vector([number + source.gauss(0, 0.3) for number in numbers])
        found = nearest(index, close, 0.15, 0.0)
        assert found[0][1] == vector(numbers).name
        exact = 1 - sum(a * b for a, b in zip(vector(numbers).coordinates, close.coordinates, strict=True))
        assert math.isclose(found[0][0], exact, abs_tol=1e-3)


def test_what_is_expired_or_put_again_is_left_out() -> None:
    index, last = added(None, vector([1, 0]), 5.0, 0.0)
    index, last = added(index, vector([0, 1]), 20.0, 6.0)
    again, last = added(index, vector([0, 1]), 10.0, 7.0)
    assert (len(again), last) == (len(index), 10.0)
    assert [name for _, name in nearest(again, vector([1, 0]), 2.0, 0.0)] == [vector([0, 1]).name]


@pytest.mark.parametrize("index", [b"", b"PV1", b"PV1\0\0\2", b"PV1\0\0\2" + b"x" * 14, b"\xff" * 100])
def test_bytes_that_are_no_index_are_an_empty_one(index: bytes) -> None:
    assert nearest(index, vector([1, 0]), 2.0, 0.0) == []
    assert nearest(added(index, vector([1, 0]), 9.0, 0.0)[0], vector([1, 0]), 0.0, 0.0)


@pytest.mark.parametrize("numbers", [[], [0.0, 0.0], [math.inf], [math.nan, 1.0], [1.0] * 8193])
def test_numbers_without_a_direction_are_refused(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="vector"):
        vector(numbers)

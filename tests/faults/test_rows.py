"""The most telling rows, with short outages; `make faults` has all of them, and the figures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.place import Options, Place
from tests.faults.row import NotHere, chosen

pytestmark = pytest.mark.e2e
TELLING = ("F1", "F7a", "F8", "F10", "F17", "F18", "F22", "F31", "F39", "F40a")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    it = Place(tmp_path_factory.mktemp("f"), Options(outage=1, poll=0.25))
    try:
        yield it
    finally:
        it.stop()


@pytest.mark.parametrize("number", TELLING)
def test_the_row_holds(number: str, place: Place) -> None:
    [row] = chosen([number])
    try:
        figures = row.measure(place)
    except NotHere as reason:
        pytest.skip(str(reason))
    print(f"\n{row.fault}: {figures}")
    assert not figures.broken

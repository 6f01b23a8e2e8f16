"""No process keeps anything of a change, a request, a page or a connection. `make growth` does it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.growth import LEAST, Everything, Grown, Kept, grown, house

pytestmark = pytest.mark.e2e
CHANGES, WARM, LAPS = 250, 250, 4


def test_nothing_is_kept_of_what_happens_again_and_again(tmp_path: Path) -> None:
    """A cache that fills may show in one lap; what is kept of each change shows in all."""
    with house(tmp_path) as it:
        everything = Everything(it)
        everything.lap(WARM)
        everything.events.clear()
        grows: set[str] = set()
        told: list[str] = []
        before: dict[str, Kept] | None = None
        for _ in range(LAPS):
            found = grown(it, everything, CHANGES, before)
            before = {each.name: each.after for each in found}
            names = {each.name for each in found}
            grows = (grows if told else names) & {each.name for each in found if each.grows}
            told.append(", ".join(f"{each.name} {each.objects:+.2f} objects {each.bytes:+.0f} bytes" for each in found))
            if not grows:
                break
    assert not everything.failures
    assert all(everything.events[kind] >= LEAST for kind in ("requests", "pages", "sidecars")), everything.events
    assert {"management", "syncagent", "proxy-1", "proxy-2", "portal", "telemetry-1", "telemetry-2"} <= names
    print("of one change:", *told, sep="\n")
    assert not grows, told


@pytest.mark.parametrize(("objects", "size"), [(6, 0), (0, 600)])
def test_what_grows_is_seen(objects: int, size: int) -> None:
    before = Kept(400_000, 20_000_000)
    after = Kept(before.objects + objects * CHANGES, before.bytes + size * CHANGES)
    assert Grown("x", before, after, CHANGES).grows

"""How `make test` divides the tests between its workers: whole files, and what watches whole houses in one lane.

A file stays with one worker, so that what its tests share is made once. The end-to-end tests all go to the same worker,
one after the other: a house is several processes, and two houses at a time would keep each other waiting. They are
mostly waits, so the other worker has a core for everything else. What takes longest begins first, so that no worker
is left alone with it at the end. Without `-n` nothing of this happens, and tests run in the order in which they stand.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

HOUSES = ("tests/e2e/", "tests/docs/", "tests/faults/", "tests/cli/test_up.py", "tests/browser/")
LONG = ("tests/management/test_replay.py", "tests/management/test_fuzz.py")


def lane(nodeid: str) -> str:
    """The name of what is done by one worker."""
    return "houses" if nodeid.startswith(HOUSES) else nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (not item.nodeid.startswith(HOUSES), not item.nodeid.startswith(LONG)))


class Lanes(LoadScopeScheduling):
    """One lane after the other, in the order of the tests."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would put first what has most tests

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)

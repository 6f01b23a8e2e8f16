"""The table of docs/management.md is what is declared and tested."""

from __future__ import annotations

import pytest

from management.resources import TYPES
from tests.clients import table
from tests.management.specification import Specification
from tests.management.test_replay import USUAL, official


@pytest.mark.skipif(not USUAL, reason="the table is of the usual client and examples")
def test_the_table_is_true() -> None:
    page = table.PAGE.read_text()
    assert page == table.written(page), "run `python -m tests.clients.table`"


def test_every_operation_on_a_service_is_on_a_type() -> None:
    specification = Specification.read(official()[0])
    assert {kind for each in specification.operations if (kind := table.type_of(each)) is not None} <= {
        kind.path for kind in TYPES.values()
    }

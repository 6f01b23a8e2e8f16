"""A plane that is killed at random moments leaves nothing half and loses nothing; `make kills` does it 500 times."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from management import schema
from management.provision import DEFAULT_SERVICE, ensure_default
from management.store import Store
from management.vault import Vault
from tests.management.databases import store_url
from tests.management.journal import Journal
from tests.management.kills import run

KILLS = 20


def test_kills(tmp_path: Path) -> None:
    tally = run(tmp_path, store_url(tmp_path), KILLS, seed=7)
    assert tally.kills == KILLS
    assert tally.acknowledged.total() > KILLS
    assert (tally.lost.total(), tally.half.total()) == (0, 0), tally.text()


DAMAGES = {
    "a resource without its entry": delete(schema.resources).where(schema.resources.c.key == "/groups/guests"),
    "an entry that is gone": delete(schema.log).where(schema.log.c.key == "/groups/guests"),
    "a hole": update(schema.services).values(revision=schema.services.c.revision + 1),
    "a sum that was forgotten": delete(schema.sums),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_half_is_seen(tmp_path: Path, damage: str) -> None:
    store = Store.open(store_url(tmp_path), Vault.open(tmp_path / "store.key"))
    try:
        ensure_default(store, DEFAULT_SERVICE)
        Journal(store).check()
        with store.writing() as connection:
            connection.execute(DAMAGES[damage])
        with pytest.raises(AssertionError):
            Journal(store).check()
    finally:
        store.close()

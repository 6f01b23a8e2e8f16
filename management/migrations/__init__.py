"""The history of the tables: one file a step in `versions/`, applied in order when a store is opened.

A store keeps the number of its last step. A program brings a store up to its own last step and refuses one that is
further; a step that was released is never changed.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from management.vault import Vault

FOLDER = Path(__file__).parent


class StepUnknown(Exception):
    """The store was written by a later program; the text is the number of its last step."""


def upgrade(connection: Connection, vault: Vault) -> bool:
    """Bring the tables to this program's last step, within the transaction of `connection`; whether something of an
    earlier release was there. Raises StepUnknown."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    scripts, held = ScriptDirectory.from_config(config), MigrationContext.configure(connection).get_current_heads()
    known = {each.revision for each in scripts.walk_revisions()}
    for step in held:
        if step not in known:
            raise StepUnknown(step)
    config.attributes["connection"], config.attributes["vault"] = connection, vault
    command.upgrade(config, "head")
    return bool(held) and set(held) != set(scripts.get_heads())

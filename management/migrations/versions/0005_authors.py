"""Who made each revision, and what a resource was before it, found by the resource."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authors",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("client", sa.String, nullable=False),
        sa.Column("restored", sa.Integer),
    )
    op.create_index("former_by_key", "former", ["service", "key", "revision"])

"""Traces of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# keys are compared byte for byte on every database
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "traces",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("gateway", TEXT, nullable=False),
        sa.Column("received", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )

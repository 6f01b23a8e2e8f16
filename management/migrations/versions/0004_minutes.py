"""The last minutes of what gateways counted, and what single requests are looked for by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# keys are compared byte for byte on every database
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "minutes",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True),
        sa.Column("gateway", TEXT, primary_key=True),
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("status", sa.Integer, primary_key=True),
        sa.Column("source", TEXT, primary_key=True),
        sa.Column("reason", TEXT, primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("longest", sa.Float, nullable=False),
        sa.Column("backend_time", sa.Float, nullable=False),
        sa.Column("client_time", sa.Float, nullable=False),
    )
    for column in ("id", "gateway", "api"):
        op.add_column("requests", sa.Column(column, TEXT, nullable=False, server_default=""))
    op.add_column("requests", sa.Column("failed", sa.Integer, nullable=False, server_default="0"))
    op.create_index("requests_by_id", "requests", ["service", "id"])

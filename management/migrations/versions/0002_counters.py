"""What gateways count: figures of requests, the last requests, quota counters."""

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
        "figures",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True),
        sa.Column("gateway", TEXT, primary_key=True),
        sa.Column("api", TEXT, primary_key=True),
        sa.Column("operation", TEXT, primary_key=True),
        sa.Column("product", TEXT, primary_key=True),
        sa.Column("subscription", TEXT, primary_key=True),
        sa.Column("user", TEXT, primary_key=True),
        sa.Column("success", sa.BigInteger, nullable=False),
        sa.Column("blocked", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("other", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("misses", sa.BigInteger, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("shortest", sa.Float, nullable=False),
        sa.Column("longest", sa.Float, nullable=False),
        sa.Column("backend_calls", sa.BigInteger, nullable=False),
        sa.Column("backend_time", sa.Float, nullable=False),
        sa.Column("backend_shortest", sa.Float, nullable=False),
        sa.Column("backend_longest", sa.Float, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("gateway", TEXT, primary_key=True),
        sa.Column("instance", TEXT, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("received", sa.String, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("service", sa.Integer, nullable=False),
        sa.Column("received", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("requests_by_service", "requests", ["service", "number"])
    op.create_table(
        "quotas",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("gateway", TEXT, primary_key=True),
        sa.Column("instance", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("start", sa.Float, primary_key=True),
        sa.Column("period", sa.BigInteger, primary_key=True),
        sa.Column("window", sa.BigInteger, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("quotas_by_key", "quotas", ["service", "key"])

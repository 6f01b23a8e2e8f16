"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# keys are compared byte for byte on every database
TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "services",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", TEXT, nullable=False, unique=True),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "resources",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("lookup", TEXT),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("wire", sa.Text),
        sa.Column("digest", sa.String),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("resources_by_collection", "resources", ["service", "collection", "key"])
    op.create_index("resources_by_audience", "resources", ["service", "audience"])
    op.create_index("resources_by_lookup", "resources", ["service", "lookup"])
    op.create_index("resources_by_type", "resources", ["service", "type", "key"])
    op.create_table(
        "log",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("op", sa.String, nullable=False),
        sa.Column("time", sa.String, nullable=False),
    )
    op.create_table(
        "former",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("row", sa.Text),
        sa.Column("sealed", sa.LargeBinary),
    )
    op.create_table(
        "links",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("source", TEXT, primary_key=True),
        sa.Column("target", TEXT, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
    )
    op.create_index("links_by_target", "links", ["service", "target"])
    op.create_table(
        "sums",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("audience", TEXT, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "heartbeats",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("gateway", TEXT, primary_key=True),
        sa.Column("instance", TEXT, primary_key=True),
        sa.Column("received", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "traces",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("gateway", TEXT, nullable=False),
        sa.Column("received", sa.String, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )

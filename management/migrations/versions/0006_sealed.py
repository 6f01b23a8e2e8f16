"""Policies are sealed whole, which earlier releases do not read; no table changes."""

from __future__ import annotations

from alembic import context, op

from management.resealing import seal_whole

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    seal_whole(op.get_bind(), context.config.attributes["vault"])

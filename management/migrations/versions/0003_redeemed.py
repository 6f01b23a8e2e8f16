"""Links that signed somebody in: each does it once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redeemed",
        sa.Column("service", sa.Integer, primary_key=True),
        sa.Column("signature", sa.String, primary_key=True),
        sa.Column("ends", sa.String, nullable=False),
    )

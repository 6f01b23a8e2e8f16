"""What Alembic runs around the steps: they use the connection that `upgrade` was given, and its transaction."""

from __future__ import annotations

from alembic import context

from management.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

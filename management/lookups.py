"""Second names of resources, and how a named value is read."""

from __future__ import annotations

from management.store import Row


def named_value_lookup(display_name: str) -> str:
    return f"named-value:{display_name.lower()}"


def named_value_of(row: Row) -> str:
    """The value of a named value, secret or not."""
    clear = row.clear()
    return str(clear.get("secretValue", clear.get("value", "")))

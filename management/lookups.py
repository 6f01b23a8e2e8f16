"""Second names of resources, and how a named value is read."""

from __future__ import annotations

from management.store import Row


def named_value_lookup(display_name: str) -> str:
    return f"named-value:{display_name.lower()}"


def named_value_of(row: Row) -> str | None:
    """The value of a named value, secret or not; None when only a Key Vault has it."""
    clear = row.clear()
    value = clear.get("secretValue", clear.get("value"))
    return None if value is None else str(value)

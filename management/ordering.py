"""OData `$orderby`: `name desc, properties/displayName`.

Texts are ordered without case; what lacks the field comes first.
"""

from __future__ import annotations

import re
from typing import Any

from management.errors import bad_request
from management.filters import field_of

FIELD = re.compile(r"\s*(?P<field>[\w./@-]+)(?:\s+(?P<way>asc|desc))?\s*", re.IGNORECASE)
MOST = 5  # fields


def ordered(text: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`items` in the order that `text` asks for. Raises ArmError 400 for what is no order."""
    parts = text.split(",")
    fields = [FIELD.fullmatch(part) for part in parts]
    if len(parts) > MOST:
        raise bad_request("InvalidOrderBy", f"$orderby names more than {MOST} fields.")
    for match in reversed(fields):
        if match is None:
            raise bad_request("InvalidOrderBy", "$orderby is not understood: write 'name' or 'name desc'.")
        steps = match["field"].split("/")
        descending = (match["way"] or "").lower() == "desc"
        items = sorted(items, key=lambda item: _key(field_of(item, steps)), reverse=descending)
    return items


def _key(value: Any) -> tuple[int, float, str]:
    """Numbers before texts: they cannot be compared with each other."""
    if value is None:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, str(value)

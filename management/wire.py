"""What a gateway reads of a resource: the body of a line of the configuration feed."""

from __future__ import annotations

from typing import Any

from management.declare import ResourceType
from management.fingerprint import canonical, digest
from management.store import Row


def relative(value: Any, service_id: str) -> Any:
    """`value` with the ARM id of the service cut off from every text that starts with it."""
    if isinstance(value, str):
        size = len(service_id)
        if value[:size].lower() == service_id.lower() and value[size : size + 1] in ("", "/"):
            return value[size:] or "/"
        workspace = service_id[service_id.rfind("/workspaces/") :] if "/workspaces/" in service_id else ""
        if workspace and value.lower().startswith(f"{workspace.lower()}/"):
            return value[len(workspace) :]
        return value
    if isinstance(value, dict):
        return {key: relative(each, service_id) for key, each in value.items()}
    if isinstance(value, list):
        return [relative(each, service_id) for each in value]
    return value


def wire_text(type: ResourceType, row: Row, service_id: str) -> str:
    """Canonical JSON of the body, secrets in clear."""
    properties = row.clear()
    if type.wire:
        properties = type.wire(row, properties)
    # the one resource that tells its own full id
    return canonical(properties if row.key == "/" else relative(properties, service_id))


def complete(type: ResourceType, row: Row, service_id: str) -> Row:
    """Fill in `wire` and `digest`. The text is stored only where it holds no secret and differs from the body."""
    text = wire_text(type, row, service_id)
    row.digest = digest(text)
    row.wire = None if row.hidden or text == canonical(row.body) else text
    return row

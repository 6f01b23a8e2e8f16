"""The document that an API was imported from: `apis/{api}/specifications/specification`. Ours, not ARM's.

Rules
1. An import keeps its document as it came; what lies behind a link, as it was fetched. Nobody else writes it.
2. It tells of the API as long as its operations, and the schemas that came with them, are what the import made of
   them. When one was changed, added or removed since, `current` is false, and exports write a document of their own.
3. `options` are what else the client said of the import; with them the same document makes the same again. `schemas`
   are the names of those that came with it, `fills` the properties of the API that an import takes from the document
   where the client does not say them.
4. A GraphQL API needs none: its document is its schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from management.declare import Change, Properties, ResourceType, Writer
from management.errors import invalid
from management.fingerprint import canonical, digest
from management.store import Row
from management.transaction import Transaction

NAME = "specification"


def keep(tx: Transaction, write: Writer, api: str, document: Properties, schemas: Iterable[str]) -> None:
    """`document` (format, value, options, fills) made all operations of the API with this id, and these schemas."""
    names = sorted(schemas)
    document = {**document, "schemas": names, "made": _made(tx, api, names)}
    write.put(f"{api}/specifications/{NAME}", document, trusted=True)


def kept(tx: Transaction, api: str) -> Row | None:
    """The document of an API, if it still tells of it."""
    row = tx.get(f"{api}/specifications/{NAME}")
    return row if row is not None and row.body["made"] == _made(tx, api, row.body["schemas"]) else None


def _made(tx: Transaction, api: str, schemas: Iterable[str]) -> str:
    """A digest of what an import made, as it is now."""
    rows = [*tx.children(f"{api}/operations"), *(tx.get(f"{api}/schemas/{name}") for name in schemas)]
    return digest(canonical([[row.name, row.body] if row else None for row in rows]))


def _prepare(change: Change) -> None:
    if "made" not in change.properties:
        raise invalid("value", "This is what the API was imported from. PUT the API with format and value.")


def _shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> dict[str, Any]:
    api = row.id.split("/specifications/", 1)[0]
    return {**{key: value for key, value in properties.items() if key != "made"}, "current": kept(tx, api) is not None}


TYPES = (
    ResourceType(
        path="apis/specifications",
        title="Specification",
        audience="none",
        readonly=frozenset({"format", "value", "options", "fills", "schemas", "made"}),
        can_patch=False,
        prepare=_prepare,
        shape=_shape,
    ),
)

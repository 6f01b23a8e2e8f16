"""The specification of an API: its document in an artifact folder.

Rules
1. An API that was imported has the document that it came from, under the name of that format, until an operation is
   changed: then it has one that the plane writes, OpenAPI in YAML unless it came as JSON.
2. A GraphQL API has its schema; a WebSocket API has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from management.importers.types import SCHEMA_ID as IMPORTED
from passerelle.apiops.layout import GRAPHQL, SPECIFICATIONS
from passerelle.plane import Plane, PlaneError

Resource = dict[str, Any]


@dataclass(slots=True, frozen=True)
class Specification:
    """`file` is "" for an API that has none.

    `options` are what an import of it must be told besides, `fills` what it would take from the text where nothing else
    is said; `within` the schemas that come with it.
    """

    file: str = ""
    text: str = ""
    options: Resource = field(default_factory=dict)
    fills: tuple[str, ...] = ()
    within: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plane: Plane, id: str, api: Resource, operations: bool) -> Specification:
        """That of the API `id` with the properties `api`, which has operations or none. Raises PlaneError."""
        kind = api.get("type", "http")
        if kind == "graphql":
            schema = _found(plane, f"{id}/schemas/graphql")
            text = (schema.get("document") or {}).get("value")
            return cls(GRAPHQL, text, within=frozenset({"graphql"})) if isinstance(text, str) else cls()
        kept = _found(plane, f"{id}/specifications/specification")
        if kept.get("current"):
            options, schemas = dict(kept.get("options") or {}), frozenset(kept["schemas"])
            return cls(SPECIFICATIONS[kept["format"]], kept["value"], options, tuple(kept["fills"]), schemas)
        if not operations or kind not in ("http", "soap"):
            return cls()
        format = "openapi+json" if kept.get("format") == "openapi+json" else "openapi"
        link = plane.get(id, {"export": "true", "format": f"{format}-link"})["value"]["link"]
        text = plane.open(link)
        return cls(SPECIFICATIONS[format], text, {}, ("serviceUrl",), frozenset({IMPORTED}))


def _found(plane: Plane, id: str) -> Resource:
    """The properties of a resource; {} for none."""
    try:
        return dict(plane.get(id)["properties"])
    except PlaneError as error:
        if error.status == 404:
            return {}
        raise

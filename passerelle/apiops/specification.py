"""The specification of an API: its document in an artifact folder.

Rules
1. An API that was imported has the document that it came from, under the name of that format, until an operation is
   changed: then it has one that the plane writes, OpenAPI in YAML unless it came as JSON.
2. What such a document cannot say of an operation stands beside it, as operationInformation.json: imported and then
   put, the two give the operation back.
3. A GraphQL API has its schema; a WebSocket API has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from management.importers.imported import ImportRefused
from management.importers.openapi import import_document
from management.importers.types import SCHEMA_ID as IMPORTED
from passerelle.apiops.layout import GRAPHQL, SPECIFICATIONS
from passerelle.plane import Plane, PlaneError

Resource = dict[str, Any]
# what a plane adds to an operation that does not say it
DEFAULTS: Resource = {"templateParameters": [], "responses": []}


@dataclass(slots=True, frozen=True)
class Specification:
    """`file` is "" for an API that has none.

    `options` are what an import of it must be told besides, `fills` what it would take from the text where nothing else
    is said; `within` the schemas that come with it; `unsaid` the operations that an import would not give back.
    """

    file: str = ""
    text: str = ""
    options: Resource = field(default_factory=dict)
    fills: tuple[str, ...] = ()
    within: frozenset[str] = frozenset()
    unsaid: Sequence[Resource] = ()

    @classmethod
    def of(cls, plane: Plane, id: str, api: Resource, operations: Sequence[Resource]) -> Specification:
        """That of the API `id` with the properties `api`. Raises PlaneError."""
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
        unsaid = _unsaid(format, text, operations)
        return cls(SPECIFICATIONS[format], text, {}, ("serviceUrl",), frozenset({IMPORTED}), unsaid)


def _found(plane: Plane, id: str) -> Resource:
    """The properties of a resource; {} for none."""
    try:
        return dict(plane.get(id)["properties"])
    except PlaneError as error:
        if error.status == 404:
            return {}
        raise


def _unsaid(format: str, text: str, operations: Sequence[Resource]) -> list[Resource]:
    try:
        said = {each.id: DEFAULTS | dict(each.properties) for each in import_document(text, format).operations}
    except ImportRefused:
        said = {}
    return [each for each in operations if said.get(each["name"]) != each["properties"]]

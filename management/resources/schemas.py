"""Schemas of an API, which its operations name, and of the service, which validate-content names."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from management.declare import OBJECT, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.store import Row

GRAPHQL = "application/vnd.ms-azure-apim.graphql.schema"
# what requests need nothing of
KEPT_HERE = ("text/protobuf",)
LARGEST = 4 * 1024 * 1024  # characters; APIM documents the same
# bytes; what a large API description holds. The line of the feed that carries it may have 16 MiB
LARGEST_OF_API = 12 * 1024 * 1024


def of_api(change: Change) -> None:
    document = change.properties.get("document")
    if document is not None and len(json.dumps(document)) > LARGEST_OF_API:
        raise invalid("document", f"The schemas of an API must not be larger than {LARGEST_OF_API} bytes.")
    if document is not None and not document:
        raise invalid("document", "document must hold value, definitions or components.")
    if change.tx.strict and (problem := graphql_problem(change.properties)):
        raise invalid("document", problem)


def graphql_problem(properties: Mapping[str, Any]) -> str:
    """Why a GraphQL schema cannot be used; empty when it can, and for other schemas."""
    if not is_graphql(properties):
        return ""
    document = properties.get("document")
    text = document.get("value") if isinstance(document, Mapping) else None
    return _graphql_problem(text if isinstance(text, str) else "")


@functools.lru_cache(maxsize=2)  # a large one is asked about twice: before the store is asked, and there
def _graphql_problem(text: str) -> str:
    from proxy.check import check_graphql_schema

    return check_graphql_schema({"document": {"value": text}})


def wire(row: Row, properties: Properties) -> Properties:
    return {"contentType": properties["contentType"]} if properties["contentType"] in KEPT_HERE else properties


def is_graphql(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("contentType") or "").partition(";")[0].strip().lower() == GRAPHQL


def of_service(change: Change) -> None:
    """A schema that no policy could use is refused; its kind stays what it is."""
    properties = change.properties
    if change.old is not None and change.former["schemaType"] != properties["schemaType"]:
        raise invalid("schemaType", "The type of a schema cannot be changed. Make another schema.")
    _check_size(change)
    wanted = "value" if properties["schemaType"] == "xml" else "document"
    if properties.get("value") is None and properties.get("document") is None:
        raise invalid(wanted, f"A schema of type {properties['schemaType']} needs {wanted}.")
    if change.tx.strict:
        from proxy.check import check_schema

        others = {
            row.name: row.body
            for name in change.tx.names("/schemas")
            if (row := change.tx.get(f"/schemas/{name}")) is not None and row.key != change.key
        }
        if problem := check_schema(change.name, properties, others):
            raise invalid(wanted, problem)


def _check_size(change: Change) -> None:
    if len(str(change.properties.get("document") or "")) + len(str(change.properties.get("value") or "")) > LARGEST:
        raise invalid("document", f"A schema must not be larger than {LARGEST} characters.")


TYPES = (
    ResourceType(
        path="apis/schemas",
        title="Schema",
        audience="api",
        fields=(Field("contentType", required=True), Field("document", OBJECT)),
        can_patch=False,
        provisioned=True,
        prepare=of_api,
        wire=wire,
    ),
    ResourceType(
        path="schemas",
        title="Schema",
        name=re.compile(r"[^*#&+:<>?/\\%\x00-\x1f\x7f\s]+"),
        fields=(Field("schemaType", required=True, choices=("xml", "json")), Field("description", longest=1000)),
        can_patch=False,
        provisioned=True,
        prepare=of_service,
    ),
)

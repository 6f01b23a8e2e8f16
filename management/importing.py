"""Import of an API description into an API: `properties.format` and `properties.value` of a PUT.

An operation that is there already is matched by its name and keeps its policies; one that the document no longer has
goes. The document is kept, see `resources/specifications.py`; that of a GraphQL API is its schema.
"""

from __future__ import annotations

from typing import Any

from management.declare import Change
from management.errors import invalid
from management.importers.graphql import import_graphql
from management.importers.imported import ImportedApi, ImportRefused
from management.importers.openapi import import_document
from management.importers.types import SCHEMA_ID
from management.importers.wadl import import_wadl
from management.resources import schemas, specifications

FORMATS = ("openapi", "openapi+json", "swagger-json", "wadl-xml", "graphql")
# properties of a PUT that say how to import
OPTIONS = ("translateRequiredQueryParameters", "wsdlSelector")
# what is written alike
FAMILY = {"swagger-json": "openapi+json"}
LARGEST_DOCUMENT = 4 * 1024 * 1024
COMPONENTS = "application/vnd.oai.openapi.components+json"
DEFINITIONS = "application/vnd.ms-azure-apim.swagger.definitions+json"


def read(change: Change) -> None:
    """Take `format` and `value` out of the properties and complete them from the document."""
    format, value = change.properties.pop("format", None), change.properties.pop("value", None)
    options = {name: change.properties.pop(name, None) for name in OPTIONS}
    required_query = options["translateRequiredQueryParameters"] or "template"
    if required_query not in ("template", "query"):
        raise invalid("translateRequiredQueryParameters", "It must be template or query.")
    if format not in FORMATS:
        raise invalid(
            "format", f"Import of '{format}' is not supported. Use {', '.join(FORMATS)} with an inline value."
        )
    if not isinstance(value, str) or not value.strip():
        raise invalid("value", "value must be the document to import, as text.")
    if len(value.encode()) > LARGEST_DOCUMENT:
        raise invalid("value", f"The document is larger than {LARGEST_DOCUMENT} bytes.")
    try:
        if format == "wadl-xml":
            imported = import_wadl(value)
        elif format == "graphql":
            imported = import_graphql(value)
            change.properties["type"] = "graphql"
            change.properties["displayName"] = change.properties.get("displayName") or change.name
        else:
            imported = import_document(value, format, required_query=required_query)
    except ImportRefused as refused:
        raise invalid(refused.target, str(refused)) from None
    given = {name: option for name, option in options.items() if option not in (None, "template", {})}
    change.notes["import"] = imported
    change.notes["document"] = {"format": FAMILY.get(format, format), "value": value, "options": given}
    for name, found in (
        ("displayName", imported.display_name),
        ("description", imported.description),
        ("serviceUrl", imported.service_url),
    ):
        if found and not change.properties.get(name):
            change.properties[name] = found


def write(change: Change) -> None:
    """Store the operations and schemas that `read` found."""
    imported: ImportedApi = change.notes["import"]
    wanted = {operation.id.lower() for operation in imported.operations}
    for name in change.tx.names(f"{change.key}/operations"):
        if name.lower() not in wanted:
            change.write.delete(f"{change.id}/operations/{name}")
    place = f"{change.id}/schemas/{SCHEMA_ID}"
    if imported.schemas:
        named = imported.schemas
        document: dict[str, Any] = {"definitions": named} if imported.older else {"components": {"schemas": named}}
        kind = DEFINITIONS if imported.older else COMPONENTS
        change.write.put(place, {"contentType": kind, "document": document})
    else:
        change.write.delete(place)
    for operation in imported.operations:
        change.write.put(f"{change.id}/operations/{operation.id}", dict(operation.properties))
    if imported.graphql:
        document = {"value": imported.graphql}
        change.write.put(f"{change.id}/schemas/graphql", {"contentType": schemas.GRAPHQL, "document": document})
        change.write.delete(f"{change.id}/specifications/{specifications.NAME}")
    else:
        specifications.keep(change.tx, change.write, change.id, change.notes["document"])

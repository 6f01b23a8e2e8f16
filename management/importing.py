"""Import of an API description into an API: `properties.format` and `properties.value` of a PUT.

An operation that is there already is matched by its name and keeps its policies; one that the document no longer has
goes. A policy that an import wrote is written anew as long as nobody changed it. The document is kept, see
`resources/specifications.py`; that of a GraphQL API is its schema.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from management.declare import Change
from management.errors import invalid
from management.importers.imported import ImportedApi, ImportRefused
from management.importers.openapi import import_document
from management.importers.types import SCHEMA_ID
from management.importers.wadl import import_wadl
from management.resources import specifications
from management.resources.schemas import graphql_problem, is_graphql

FORMATS = ("openapi", "openapi+json", "swagger-json", "wadl-xml", "wsdl", "odata", "grpc", "graphql")
# properties of a PUT that say how to import
OPTIONS = ("translateRequiredQueryParameters", "wsdlSelector")
# what is written alike
FAMILY = {"swagger-json": "openapi+json"}
LARGEST_DOCUMENT = 16 * 1024 * 1024
COMPONENTS = "application/vnd.oai.openapi.components+json"
DEFINITIONS = "application/vnd.ms-azure-apim.swagger.definitions+json"
MARK = re.compile(r"\n  <!-- imported ([0-9a-f]{16}) -->")
# what an import calls its schemas
SCHEMAS = re.compile(r"components|schema(-\d+)?|odata|protobuf", re.IGNORECASE)
WORTH = 16 * 1024  # characters; what is shorter is read in no time

Question = tuple[str, str, tuple[str, ...]]
_found_ahead: dict[Question, ImportedApi | ImportRefused] = {}


class Ahead:
    """Reads the large document or GraphQL schema of a PUT before the store is asked, since there everybody would wait.

    One at a time: many of them cost the memory of one, and what was read lives no longer than its change.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def read(self, document: dict[str, Any]) -> AsyncIterator[None]:
        question = _asked(document.get("properties"))
        if question is None:
            yield
            return
        async with self._turn:
            try:
                _found_ahead[question] = await asyncio.to_thread(_look, question)
                yield
            finally:
                _found_ahead.pop(question, None)


def _asked(given: Any) -> Question | None:
    if not isinstance(given, dict):
        return None
    format, value, document = given.get("format"), given.get("value"), given.get("document")
    if is_graphql(given) and isinstance(document, dict):
        format, value = "graphql", document.get("value")
    if not isinstance(format, str) or format.lower() not in FORMATS or not isinstance(value, str):
        return None
    if not WORTH < len(value) <= LARGEST_DOCUMENT:
        return None
    return _question({"type": given.get("type") or given.get("apiType")}, format.lower(), value, given)


def _look(question: Question) -> ImportedApi | ImportRefused:
    try:
        found = _answer(question)
    except ImportRefused as refused:
        return refused
    for each in found.documents:
        graphql_problem({"contentType": each.content_type, "document": {"value": each.text}})
    return found


def read(change: Change) -> None:
    """Take `format` and `value` out of the properties and complete them from the document."""
    format, value = change.properties.pop("format", None), change.properties.pop("value", None)
    format = format.lower() if isinstance(format, str) else format
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
        question = _question(change.properties, format, value, options)
        imported = _found_ahead.get(question) or _answer(question)
        if isinstance(imported, ImportRefused):
            raise imported
    except ImportRefused as refused:
        raise invalid(refused.target, str(refused)) from None
    if imported.type:
        change.properties["type"] = imported.type
    given = {name: option for name, option in options.items() if option not in (None, "template", {})}
    change.notes["import"] = imported
    if not imported.display_name and not change.properties.get("displayName"):
        change.properties["displayName"] = change.name  # some documents have no title
    fills = []
    for name, found in (
        ("displayName", imported.display_name),
        ("description", imported.description),
        ("serviceUrl", imported.service_url),
    ):
        if found:
            fills.append(name)
            if change.properties.get(name) is None:
                change.properties[name] = found
    document = {"format": FAMILY.get(format, format), "value": value, "options": given, "fills": fills}
    change.notes["document"] = document


def _question(properties: Mapping[str, Any], format: str, value: str, options: Mapping[str, Any]) -> Question:
    """All that an answer depends on."""
    more: tuple[str, ...] = ()
    if format == "wsdl":
        selector = options.get("wsdlSelector")
        chosen = selector if isinstance(selector, dict) else {}
        names = (str(chosen.get(name) or "") for name in ("wsdlServiceName", "wsdlEndpointName"))
        more = ("soap" if properties.get("type") == "soap" else "http", *names)
    elif format not in ("wadl-xml", "odata", "grpc", "graphql"):
        more = (str(options.get("translateRequiredQueryParameters") or "template"),)
    return format, value, more


def _answer(question: Question) -> ImportedApi:
    """Libraries are loaded when they are needed. Raises ImportRefused."""
    format, text, more = question
    if format == "wadl-xml":
        return import_wadl(text)
    if format == "wsdl":
        from management.importers.wsdl import import_wsdl

        return import_wsdl(text, *more)
    if format == "odata":
        from management.importers.edmx import import_odata

        return import_odata(text)
    if format == "grpc":
        from management.importers.proto_text import import_proto

        return import_proto(text)
    if format == "graphql":
        from management.importers.graphql import import_graphql

        return import_graphql(text)
    return import_document(text, format, required_query=more[0])


def write(change: Change) -> None:
    """Store the operations, policies and schemas that `read` found."""
    imported: ImportedApi = change.notes["import"]
    wanted = {operation.id.lower() for operation in imported.operations}
    for name in change.tx.names(f"{change.key}/operations"):
        if name.lower() not in wanted:
            change.write.delete(f"{change.id}/operations/{name}")
    schemas: dict[str, dict[str, Any]] = {
        each.id: {"contentType": each.content_type, "document": {"value": each.text}} for each in imported.documents
    }
    if imported.schemas:
        named = imported.schemas
        document: dict[str, Any] = {"definitions": named} if imported.older else {"components": {"schemas": named}}
        schemas[SCHEMA_ID] = {"contentType": DEFINITIONS if imported.older else COMPONENTS, "document": document}
    for name in change.tx.names(f"{change.key}/schemas"):
        if name.lower() not in schemas and SCHEMAS.fullmatch(name):
            change.write.delete(f"{change.id}/schemas/{name}")
    for name, properties in schemas.items():
        change.write.put(f"{change.id}/schemas/{name}", properties)
    for operation in imported.operations:
        change.write.put(f"{change.id}/operations/{operation.id}", dict(operation.properties))
        if operation.policy:
            _write_policy(change, f"{change.id}/operations/{operation.id}/policies/policy", operation.policy)
    if imported.type == "graphql":
        change.write.delete(f"{change.id}/specifications/{specifications.NAME}")
    else:
        specifications.keep(change.tx, change.write, change.id, change.notes["document"], schemas)


def _write_policy(change: Change, id: str, policy: str) -> None:
    held = change.tx.get(id)
    if held is not None:
        text = str(held.body.get("value") or "")
        mark = MARK.search(text)
        if mark is None or mark[1] != _digest(MARK.sub("", text, count=1)):
            return
    marked = policy.replace("<policies>", f"<policies>\n  <!-- imported {_digest(policy)} -->", 1)
    change.write.put(id, {"format": "rawxml", "value": marked})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

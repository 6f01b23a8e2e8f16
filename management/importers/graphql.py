"""GraphQL: a schema as text, or as a server tells of it when it is asked for its types (introspection).

The library takes long to load and few services have such an API: it is loaded when the first one comes.
"""

from __future__ import annotations

import json
from typing import Any, cast

from management.importers.imported import ImportedApi, ImportedSchema, ImportRefused

CONTENT_TYPE = "application/vnd.ms-azure-apim.graphql.schema"


def question() -> str:
    """The JSON body of the query that asks a server for its schema."""
    from graphql import get_introspection_query

    # what every server knows: newer parts of the language would have older ones refuse the whole
    return json.dumps({"query": get_introspection_query(descriptions=True), "operationName": "IntrospectionQuery"})


def is_answer(text: str) -> bool:
    """Whether a text is what a server says to `question`, data or errors, and not a schema."""
    document = _document(text)
    return document is not None and ("__schema" in document or "data" in document or "errors" in document)


def import_graphql(text: str) -> ImportedApi:
    """`text` is a schema in the schema definition language, or an answer to `question`. Raises ImportRefused."""
    document = _document(text)
    schema = ImportedSchema("graphql", CONTENT_TYPE, text if document is None else _printed(document))
    return ImportedApi("", "", None, [], documents=[schema], type="graphql")


def _document(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _printed(document: dict[str, Any]) -> str:
    from graphql import build_client_schema, print_schema

    held = document.get("data", document)
    if not isinstance(held, dict) or "__schema" not in held:
        errors = document.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        told = str(first.get("message"))[:300] if isinstance(first, dict) else ""
        raise ImportRefused(f"The answer to the introspection query has no __schema{f': {told}' if told else ''}")
    try:
        schema = build_client_schema(cast("Any", held), assume_valid=True)
        return print_schema(schema) + "\n"
    except Exception as error:  # whatever a document nobody checked makes the library say
        raise ImportRefused(f"The answer to the introspection query is no schema: {str(error)[:300]}") from None

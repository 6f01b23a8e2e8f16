"""OpenAPI 2.0 -> the shape of 3.0, as far as the importer reads it. Schemas stay as they are, references and all.

Form parameters are not supported, as in APIM: the operation is imported without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management.importers.imported import ImportRefused
from management.importers.references import References

# What describes the value of a 2.0 parameter or header in place, and is a schema of its own in 3.0.
_SCHEMA_KEYS = (
    *("type", "format", "items", "enum", "default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "multipleOf", "x-nullable"),
)

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


def upgraded(document: Mapping[str, Any], references: References) -> dict[str, Any]:
    """`info`, `servers`, `paths` and `x-ms-paths` of `document` in the shape of 3.0. Raises ImportRefused."""
    api: dict[str, Any] = {"info": document.get("info", {}), "servers": _servers(document)}
    for collection in ("paths", "x-ms-paths"):
        paths = references.object(document.get(collection) or {}, f"#/{collection}")
        api[collection] = {
            path: _item(
                references.object(item, f"#/{collection}/{path}"), document, references, f"#/{collection}/{path}"
            )
            for path, item in paths.items()
            if path.startswith("/")
        }
    return api


def _servers(document: Mapping[str, Any]) -> list[Any]:
    written = document.get("x-servers")
    if isinstance(written, list) and written:
        return written
    host = document.get("host")
    if not host:
        return []
    schemes = document.get("schemes")
    base = str(document.get("basePath") or "")
    path = base if not base or base.startswith("/") else f"/{base}"
    return [
        {"url": f"{scheme}://{host}{path.rstrip('/')}"}
        for scheme in (schemes if isinstance(schemes, list) else ["https"])
    ]


def _item(item: Mapping[str, Any], document: Mapping[str, Any], references: References, target: str) -> dict[str, Any]:
    shared = [references.object(entry, target) for entry in _list(item, "parameters", target)]
    upgraded: dict[str, Any] = {}
    for method in _METHODS:
        if method not in item:
            continue
        operation = references.object(item[method], f"{target}/{method}")
        own = [references.object(entry, target) for entry in _list(operation, "parameters", target)]
        body = next((one for one in (*own, *shared) if one.get("in") == "body"), None)
        upgraded[method] = {
            **{key: operation[key] for key in ("operationId", "summary", "description") if key in operation},
            "parameters": [_parameter(one) for one in (*shared, *own) if one.get("in") in ("path", "query", "header")],
            "responses": {
                str(code): _response(references.object(entry, target), operation, document, target)
                for code, entry in references.object(operation.get("responses") or {}, target).items()
                if not str(code).startswith("x-")
            },
        }
        if body is not None:
            kinds = _kinds("consumes", operation, document, target)
            media = {key: value for key, value in (("schema", body.get("schema")),) if value}
            upgraded[method]["requestBody"] = {
                "description": body.get("description", ""),
                "content": dict.fromkeys(kinds or ["application/json"], media),
            }
    return upgraded


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: parameter[key] for key in ("name", "in", "description", "required") if key in parameter},
        "schema": {key: parameter[key] for key in _SCHEMA_KEYS if key in parameter},
    }


def _response(
    response: Mapping[str, Any], operation: Mapping[str, Any], document: Mapping[str, Any], target: str
) -> dict[str, Any]:
    written = response.get("examples")
    examples = written if isinstance(written, Mapping) else {}
    kinds = _kinds("produces", operation, document, target)
    if not kinds and "schema" in response:
        kinds = ["application/json"]
    content: dict[str, Any] = {}
    for kind in dict.fromkeys((*kinds, *examples)):
        content[kind] = {"schema": response["schema"]} if "schema" in response else {}
        if kind in examples:
            content[kind]["example"] = examples[kind]
    headers = response.get("headers")
    return {
        "description": response.get("description", ""),
        "headers": {
            name: _parameter(header)
            for name, header in (headers.items() if isinstance(headers, Mapping) else ())
            if isinstance(header, Mapping)
        },
        "content": content,
    }


def _kinds(key: str, operation: Mapping[str, Any], document: Mapping[str, Any], target: str) -> list[str]:
    """The content types of `consumes` or `produces`: the operation's own, else the document's."""
    holder = operation if key in operation else document
    return [str(kind) for kind in _list(holder, key, target)]


def _list(holder: Mapping[str, Any], key: str, target: str) -> list[Any]:
    value = holder.get(key) or []
    if not isinstance(value, list):
        raise ImportRefused(f'"{key}" is a list', target)
    return value

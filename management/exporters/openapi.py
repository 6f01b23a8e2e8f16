"""An API as an OpenAPI 3.0 or Swagger 2.0 document, by APIM's rules: operationId is the operation's name, summary its
display name. Pure: resources in, document out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]
WILDCARD = re.compile(r"\{\*([^{}]*)\}|\*")
METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def openapi(
    name: str, api: Document, operations: Iterable[tuple[str, Document]], schemas: Document, url: str
) -> Document:
    """`operations` are (name, properties); `schemas` the components by name; `url` where the gateway serves the API."""
    document: Document = {
        "openapi": "3.0.1",
        "info": _info(name, api),
        "servers": [{"url": url}],
        "paths": _paths(operations, _operation),
    }
    components: Document = {"schemas": schemas} if schemas else {}
    if api.get("subscriptionRequired"):
        keys = api["subscriptionKeyParameterNames"]
        components["securitySchemes"] = {
            "apiKeyHeader": {"type": "apiKey", "name": keys["header"], "in": "header"},
            "apiKeyQuery": {"type": "apiKey", "name": keys["query"], "in": "query"},
        }
        document["security"] = [{"apiKeyHeader": []}, {"apiKeyQuery": []}]
    if components:
        document["components"] = components
    return document


def swagger(
    name: str, api: Document, operations: Iterable[tuple[str, Document]], schemas: Document, url: str
) -> Document:
    scheme, _, rest = url.partition("://")
    host, _, base = rest.partition("/")
    document: Document = {
        "swagger": "2.0",
        "info": _info(name, api),
        "host": host,
        "basePath": f"/{base}",
        "schemes": api.get("protocols") or [scheme],
        "paths": _paths(operations, _swagger_operation),
    }
    if schemas:
        document["definitions"] = _moved(schemas)
    if api.get("subscriptionRequired"):
        keys = api["subscriptionKeyParameterNames"]
        document["securityDefinitions"] = {
            "apiKeyHeader": {"type": "apiKey", "name": keys["header"], "in": "header"},
            "apiKeyQuery": {"type": "apiKey", "name": keys["query"], "in": "query"},
        }
        document["security"] = [{"apiKeyHeader": []}, {"apiKeyQuery": []}]
    return document


def _info(name: str, api: Document) -> Document:
    info = {"title": api.get("displayName") or name, "version": api.get("apiVersion") or "1.0"}
    return info | ({"description": api["description"]} if api.get("description") else {})


def _paths(operations: Iterable[tuple[str, Document]], write: Any) -> Document:
    paths: dict[str, Document] = {}
    for name, operation in operations:
        method = operation["method"].lower()
        if method in METHODS:  # others have no place in a document
            path = WILDCARD.sub(lambda match: f"{{{match[1] or 'wildcard'}}}", operation["urlTemplate"].split("?")[0])
            paths.setdefault(path or "/", {})[method] = write(name, operation)
    return paths


def _parameters(operation: Document) -> Iterable[tuple[str, Document]]:
    """(where, parameter) of path, query and header."""
    query = operation["urlTemplate"].partition("?")[2]
    request = operation.get("request") or {}
    for each in operation.get("templateParameters") or []:
        yield ("query" if f"{{{each['name']}}}" in query else "path"), each
    for each in request.get("queryParameters") or []:
        yield "query", each
    for each in request.get("headers") or []:
        if each["name"].lower() not in ("content-type", "accept", "authorization"):
            yield "header", each


def _schema(parameter: Document) -> Document:
    schema: Document = {"type": "array", "items": {"type": "string"}} if parameter.get("type") == "array" else {}
    kind = str(parameter.get("type") or "string")
    schema = schema or {"type": kind if kind in ("string", "integer", "number", "boolean", "object") else "string"}
    if parameter.get("values"):
        schema["enum"] = list(parameter["values"])
    if parameter.get("defaultValue") is not None:
        schema["default"] = parameter["defaultValue"]
    return schema


def _head(name: str, operation: Document) -> Document:
    found = {"operationId": name, "summary": operation["displayName"]}
    return found | ({"description": operation["description"]} if operation.get("description") else {})


def _operation(name: str, operation: Document) -> Document:
    found = _head(name, operation)
    parameters = []
    for where, each in _parameters(operation):
        parameter: Document = {"name": each["name"], "in": where}
        if each.get("description"):
            parameter["description"] = each["description"]
        if each.get("required") or where == "path":
            parameter["required"] = True
        parameters.append(parameter | {"schema": _schema(each)})
    if parameters:
        found["parameters"] = parameters
    request = operation.get("request") or {}
    if request.get("representations"):
        body: Document = {"content": _content(request["representations"])}
        found["requestBody"] = body | ({"description": request["description"]} if request.get("description") else {})
    found["responses"] = {str(each["statusCode"]): _response(each) for each in operation.get("responses") or []} or {
        "200": {"description": ""}
    }
    return found


def _response(response: Document) -> Document:
    found: Document = {"description": response.get("description") or ""}
    if response.get("headers"):
        found["headers"] = {each["name"]: {"schema": _schema(each)} for each in response["headers"]}
    if response.get("representations"):
        found["content"] = _content(response["representations"])
    return found


def _content(representations: Iterable[Document]) -> Document:
    content: Document = {}
    for each in representations:
        media: Document = {}
        if each.get("typeName"):
            media["schema"] = {"$ref": f"#/components/schemas/{each['typeName']}"}
        elif each.get("formParameters"):
            properties = {field["name"]: _schema(field) for field in each["formParameters"]}
            media["schema"] = {"type": "object", "properties": properties}
        examples = {key: value for key, value in (each.get("examples") or {}).items() if isinstance(value, dict)}
        if examples:
            media["examples"] = examples
        content[each["contentType"]] = media
    return content


def _swagger_operation(name: str, operation: Document) -> Document:
    found = _head(name, operation)
    parameters: list[Document] = []
    for where, each in _parameters(operation):
        parameter: Document = {"name": each["name"], "in": where, **_schema(each)}
        if parameter["type"] == "object":
            parameter["type"] = "string"
        if each.get("description"):
            parameter["description"] = each["description"]
        if each.get("required") or where == "path":
            parameter["required"] = True
        parameters.append(parameter)
    representations = (operation.get("request") or {}).get("representations") or []
    if representations:
        found["consumes"] = [each["contentType"] for each in representations]
        typed = next((each["typeName"] for each in representations if each.get("typeName")), None)
        schema = {"$ref": f"#/definitions/{typed}"} if typed else {}
        parameters.append({"name": "body", "in": "body", "schema": schema})
    if parameters:
        found["parameters"] = parameters
    responses: Document = {}
    produces: dict[str, None] = {}
    for each in operation.get("responses") or []:
        answer: Document = {"description": each.get("description") or ""}
        for representation in each.get("representations") or []:
            produces[representation["contentType"]] = None
            if representation.get("typeName"):
                answer["schema"] = {"$ref": f"#/definitions/{representation['typeName']}"}
        responses[str(each["statusCode"])] = answer
    if produces:
        found["produces"] = list(produces)
    found["responses"] = responses or {"200": {"description": ""}}
    return found


def _moved(value: Any) -> Any:
    """References to components as references to definitions."""
    if isinstance(value, Mapping):
        return {
            key: each.replace("#/components/schemas/", "#/definitions/")
            if key == "$ref" and isinstance(each, str)
            else _moved(each)
            for key, each in value.items()
        }
    return [_moved(each) for each in value] if isinstance(value, list) else value

"""WADL (https://www.w3.org/submissions/wadl/) -> an API with operations.

Resources nest and their paths join; `{name}` segments are template parameters, `style="query"` and `header` parameters
of a method's request stay where they are. Matrix and plain parameters, resource types and grammars are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from management.importers.imported import ImportedApi, ImportedOperation, ImportRefused
from management.importers.naming import Names
from management.importers.xml_text import name_of as _name
from management.importers.xml_text import read_xml

TEMPLATE = re.compile(r"\{([^{}]+)\}")
TYPES = {"int": "integer", "integer": "integer", "long": "integer", "decimal": "number", "double": "number",
         "float": "number", "boolean": "boolean"}  # fmt: skip
DEEPEST = 50


def import_wadl(text: str) -> ImportedApi:
    """Raises ImportRefused."""
    root = read_xml(text)
    if _name(root) != "application":
        raise ImportRefused(f"The document is no WADL: its root is <{_name(root)}>, not <application>")
    bases = [each for each in root if _name(each) == "resources"]
    names = Names()
    methods = {each.get("id", ""): each for each in root if _name(each) == "method"}
    operations = [
        operation for base in bases for each in base for operation in _resource(each, "", [], names, methods, 0)
    ]
    return ImportedApi(
        display_name=_title(root) or (_title(bases[0]) if bases else ""),
        description=_text(root),
        service_url=(bases[0].get("base") or "").rstrip("/") or None if bases else None,
        operations=operations,
    )


def _resource(
    element: Any, path: str, above: list[Any], names: Names, methods: dict[str, Any], depth: int
) -> Iterator[ImportedOperation]:
    if _name(element) != "resource":
        return
    if depth > DEEPEST:
        raise ImportRefused(f"Resources are nested more than {DEEPEST} deep")
    own = (element.get("path") or "").strip("/")
    path = f"{path}/{own}" if own else path
    params = [*above, *(each for each in element if _name(each) == "param")]
    for each in element:
        if _name(each) == "method":
            reference = (each.get("href") or "").lstrip("#")
            yield _operation(methods.get(reference, each), path or "/", params, names)
        else:
            yield from _resource(each, path, params, names, methods, depth + 1)


def _operation(method: Any, path: str, params: list[Any], names: Names) -> ImportedOperation:
    verb = (method.get("name") or "").upper()
    if not verb:
        raise ImportRefused(f"A method of {path} has no name", "value", method.sourceline, 1)
    request = next((each for each in method if _name(each) == "request"), None)
    own = [each for each in request if _name(each) == "param"] if request is not None else []
    told = {each.get("name"): each for each in (*params, *own) if each.get("style") == "template"}
    properties: dict[str, Any] = {
        "displayName": (_title(method) or method.get("id") or f"{verb} {path}")[:300],
        "method": verb,
        "urlTemplate": path,
        "description": _text(method),
        "templateParameters": [
            _parameter(told.get(name), name, True) for name in dict.fromkeys(TEMPLATE.findall(path))
        ],
        # as an OpenAPI document says the same, so that an export that is imported again changes nothing
        "request": {
            "description": _text(request) if request is not None else "",
            "queryParameters": [_parameter(each, each.get("name")) for each in (*params, *own) if _is(each, "query")],
            "headers": [_parameter(each, each.get("name")) for each in (*params, *own) if _is(each, "header")],
            "representations": _representations(request) if request is not None else [],
        },
        "responses": [response for each in method if _name(each) == "response" for response in _responses(each)],
    }
    name = names.give(method.get("id") or "", verb, path, "value")
    return ImportedOperation(name, properties)


def _responses(response: Any) -> Iterator[dict[str, Any]]:
    for code in (response.get("status") or "200").split():
        if code.isdecimal():
            yield {
                "statusCode": int(code),
                "description": _text(response),
                "headers": [],
                "representations": _representations(response),
            }


def _representations(holder: Any) -> list[dict[str, Any]]:
    return [
        {"contentType": each.get("mediaType")}
        for each in holder
        if _name(each) == "representation" and each.get("mediaType")
    ]


def _parameter(element: Any, name: str, required: bool = False) -> dict[str, Any]:
    if element is None:
        return {"name": name, "description": "", "type": "string", "required": required, "values": []}
    kind = (element.get("type") or "string").rpartition(":")[2]
    found: dict[str, Any] = {
        "name": name,
        "description": _text(element),
        "type": TYPES.get(kind, "string"),
        "required": required or element.get("required") == "true",
        "values": [each.get("value") for each in element if _name(each) == "option" and each.get("value")],
    }
    return found | ({"defaultValue": element.get("default")} if element.get("default") else {})


def _is(param: Any, style: str) -> bool:
    return param.get("style") == style and bool(param.get("name"))


def _doc(element: Any) -> Any:
    return next((each for each in element if _name(each) == "doc"), None)


def _title(element: Any) -> str:
    doc = _doc(element)
    return (doc.get("title") or "").strip() if doc is not None else ""


def _text(element: Any) -> str:
    doc = _doc(element)
    return "".join(doc.itertext()).strip() if doc is not None else ""

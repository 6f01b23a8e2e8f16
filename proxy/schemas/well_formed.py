"""Whether a body can be read at all, for bodies without a schema."""

from __future__ import annotations

import orjson

from proxy.schemas.json_schema import Finding, json_finding
from proxy.schemas.xml_schema import parsed, soap_body


def json(content: bytes) -> list[Finding]:
    try:
        orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as problem:
        return [json_finding(problem)]
    return []


def xml(content: bytes) -> list[Finding]:
    root = parsed(content)
    return [root] if isinstance(root, Finding) else []


def soap(content: bytes) -> list[Finding]:
    body = soap_body(content)
    return [body] if isinstance(body, Finding) else []

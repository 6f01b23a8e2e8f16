"""What is sent to call an operation, before any language says it: method, address, headers, body. Pure.

Only what is required is in it, with the example, the default, the first choice, or the name of each parameter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from portal.model import Api, Operation, Parameter

KEY = "YOUR-SUBSCRIPTION-KEY"

_PLACEHOLDER = re.compile(r"\{(\*?)([^{}]+)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Versioning:
    """How a version is said: `scheme` is "", Segment, Query or Header; `name` is that of the query or header."""

    scheme: str = ""
    name: str = ""


@dataclass(frozen=True)
class Call:
    """`body` is None for none. Names of headers and method are HTTP tokens; values have no control characters."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None


def address(gateway: str, api: Api, versioning: Versioning) -> str:
    """The base URL of an API at a gateway."""
    version = api.version if versioning.scheme == "Segment" else ""
    return "/".join([gateway, *(quote(part, safe="/{}:@") for part in (api.path, version) if part)])


def call(gateway: str, api: Api, operation: Operation, versioning: Versioning) -> Call:
    values = {parameter.name: _value(parameter) for parameter in operation.parameters}

    def fill(match: re.Match[str]) -> str:
        return quote(values.get(match[2], match[2]), safe="/" if match[1] else "")

    path, _, query = operation.template.partition("?")
    path = re.sub(r"/\*$", "/", path)  # the rest of a path, without a name
    url = address(gateway, api, versioning) + "/" + _PLACEHOLDER.sub(fill, path).lstrip("/")
    pairs = [_PLACEHOLDER.sub(fill, query)] if query else []
    pairs += [f"{quote(one.name)}={quote(values[one.name], safe='')}" for one in _required(operation, "query", query)]
    if versioning.scheme == "Query" and api.version:
        pairs.append(f"{quote(versioning.name)}={quote(api.version, safe='')}")
    headers = [(api.key_header, KEY)] if api.subscription_required else []
    if versioning.scheme == "Header" and api.version:
        headers.append((versioning.name, api.version))
    headers += [(one.name, values[one.name]) for one in _required(operation, "header", "")]
    body = next((one for one in operation.bodies if one.example is not None), None)
    if body is not None:
        headers.append(("Content-Type", body.content_type))
    return Call(
        _token(operation.method),
        url + ("?" + "&".join(pairs) if pairs else ""),
        tuple((_token(name), _CONTROL.sub(" ", value).strip()) for name, value in dict(headers).items()),
        body.example if body is not None else None,
    )


def _token(name: str) -> str:
    return re.sub(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]", "-", name) or "-"


def _required(operation: Operation, place: str, template_query: str) -> list[Parameter]:
    """Required parameters of a place that the template does not carry itself."""
    return [
        one
        for one in operation.parameters
        if one.place == place and one.required and f"{{{one.name}}}" not in template_query
    ]


def _value(parameter: Parameter) -> str:
    """What stands for a parameter: its example, its default, its first choice, a number, or its own name."""
    offered = parameter.example or parameter.default or next(iter(parameter.values), "")
    return offered or ("1" if parameter.type in ("integer", "number") else parameter.name)

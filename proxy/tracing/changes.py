"""What a request and its response look like at one moment, and the difference between two moments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet.convert import to_text
from proxy.expressions.dotnet.json_tokens import JArray, JObject, JValue
from proxy.expressions.dotnet.values import name_of
from proxy.expressions.dotnet.xml_tree import XContainer, XText
from proxy.messages import Body, Headers, Response
from proxy.tracing.mask import Mask

if TYPE_CHECKING:
    from proxy.exchange import Exchange

LONGEST = 200  # characters of a value
MARGIN = 4096  # characters behind it that are masked too, so that no secret is cut in two
MOST_VALUES = 500  # of a JSON or XML tree that is written out to be shown; long texts count for more
LONG_TEXT = 50  # characters that count as one value
STREAM = "(a stream, not read yet)"


@dataclass(slots=True, frozen=True)
class Change:
    """`before` None: it was not there; `after` None: it is gone."""

    what: str
    before: str | None
    after: str | None


@dataclass(slots=True, frozen=True)
class State:
    """`texts` and `headers` are whole. `variables` are (whether it is a string, and the string or else the shown text).
    `bodies` are kept beside their texts, since reading one is no change."""

    texts: dict[str, str]
    headers: dict[tuple[str, str], str]
    variables: dict[str, tuple[bool, str]]
    bodies: dict[str, tuple[Body, str]]


def state_of(exchange: Exchange) -> State:
    """Everything that a policy may change and a person may want to see."""
    request, response = exchange.request, exchange.response
    target = request.backend_url()
    texts = {
        "method": request.method,
        "path": f"{request.path}?{request.query}" if request.query else request.path,
        "backend": target.authority if target else "",
        "cache": "" if exchange.cache == "none" else exchange.cache,
    }
    bodies = {"request body": (request.body, _body(request.body))}
    headers = _headers("request", request.headers)
    if response is not None:
        texts["status"] = f"{response.status} {response.reason}".rstrip()
        headers |= _headers("response", response.headers)
        bodies["response body"] = (response.body, _body(response.body))
    return State(texts, headers, {name: _variable(value) for name, value in exchange.variables.items()}, bodies)


def changes(before: State, after: State, mask: Mask, longest: int = LONGEST) -> Iterator[Change]:
    """In the order of `after`, then what is gone."""

    def named(name: str, text: str | None) -> str | None:
        return None if text is None else cut(mask.value(name, text[: longest + MARGIN]), longest)

    for what, text in after.texts.items():
        if (old := before.texts.get(what, "")) != text:
            show = mask.url if what == "path" else mask.code
            yield Change(what, cut(show(old), longest) if old else None, cut(show(text), longest) if text else None)
    for key, text in after.headers.items():
        if (former := before.headers.get(key)) != text:
            yield Change(f"{key[0]} header {key[1]}", named(key[1], former), named(key[1], text))
    for name, value in after.variables.items():
        if (known := before.variables.get(name)) != value:
            yield Change(f"variable {name}", named(name, _shown(known)), named(name, _shown(value)))
    for key, text in before.headers.items():
        if key not in after.headers:
            yield Change(f"{key[0]} header {key[1]}", named(key[1], text), None)
    for name, value in before.variables.items():
        if name not in after.variables:
            yield Change(f"variable {name}", named(name, _shown(value)), None)
    for what, (body, text) in after.bodies.items():
        earlier = before.bodies.get(what)
        if earlier is None:
            if text:
                yield Change(what, None, cut(mask.text(text), longest))
        elif earlier[1] != text and (earlier[0] is not body or STREAM not in (earlier[1], text)):
            yield Change(what, _told(earlier[1], mask, longest), _told(text, mask, longest))


def _told(text: str, mask: Mask, longest: int) -> str | None:
    return cut(mask.text(text), longest) if text else None


def _variable(value: Any) -> tuple[bool, str]:
    """A string is only written out where it changed: there may be many, and they may be long."""
    return (True, value) if isinstance(value, str) else (False, shown(value))


def _shown(variable: tuple[bool, str] | None) -> str | None:
    return None if variable is None else shown(variable[1]) if variable[0] else variable[1]


def shown(value: Any) -> str:
    """A value for a person: strings in quotes, others as .NET writes them; not masked, and with a margin to cut."""
    if isinstance(value, str):
        return json.dumps(value[: LONGEST + MARGIN], ensure_ascii=False)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Response):
        return f"a response, {value.status} {value.reason}".rstrip()
    if large(value):
        return f"a large {name_of(value)}"
    try:
        return to_text(value)[: LONGEST + MARGIN]
    except Exception:  # whatever has no text still has a type
        return f"a {type(value).__name__}"


def large(value: Any) -> bool:
    """Whether writing the value out would take long enough for other requests to notice."""
    stack, left = [value], MOST_VALUES
    while stack:
        each = stack.pop()
        inner: Any = ()
        if isinstance(each, JObject):
            inner = each.items.values()
        elif isinstance(each, JArray):
            inner = each.items
        elif isinstance(each, XContainer):
            inner = each.nodes
        elif isinstance(each, list | tuple | dict):
            inner = each
        elif isinstance(each, str):
            left -= len(each) // LONG_TEXT
        elif isinstance(each, JValue | XText):
            inner = (each.value,)
        left -= 1 + len(inner)
        if left < 0:
            return True
        stack.extend(inner)
    return False


def cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _headers(of: str, headers: Headers) -> dict[tuple[str, str], str]:
    return {(of, name): ", ".join(headers.getall(name)) for name in dict.fromkeys(headers)}


def _body(body: Body) -> str:
    if not body.buffered:
        return STREAM
    content = body.content()
    if not content:
        return ""
    text = shown(content[: LONGEST + MARGIN].decode("utf-8", "replace"))
    return text if len(content) <= LONGEST else f"{len(content)} bytes: {text}"

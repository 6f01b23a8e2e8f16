"""What a request and its response look like at one moment, and the difference between two moments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.expressions.dotnet.convert import to_text
from proxy.messages import Body, Headers, Response

if TYPE_CHECKING:
    from proxy.exchange import Exchange

LONGEST = 200  # characters of a value
STREAM = "(a stream, not read yet)"


@dataclass(slots=True, frozen=True)
class Change:
    """`before` None: it was not there; `after` None: it is gone."""

    what: str
    before: str | None
    after: str | None


@dataclass(slots=True, frozen=True)
class State:
    """`bodies` are kept beside the texts, since reading one is no change."""

    texts: dict[str, str]
    bodies: dict[str, tuple[Body, str]]


def state_of(exchange: Exchange) -> State:
    """Everything that a policy may change and a person may want to see."""
    request, response = exchange.request, exchange.response
    target = request.backend_url()
    texts = {
        "method": request.method,
        "path": f"{request.path}?{request.query}" if request.query else request.path,
        "backend": target.authority if target else "",
    }
    bodies = {"request body": (request.body, _body(request.body))}
    texts |= _headers("request", request.headers)
    if response is not None:
        texts["status"] = f"{response.status} {response.reason}".rstrip()
        texts |= _headers("response", response.headers)
        bodies["response body"] = (response.body, _body(response.body))
    texts |= {f"variable {name}": shown(value) for name, value in exchange.variables.items()}
    for index, (source, severity, message, _) in enumerate(exchange.traces, 1):
        texts[f"trace {index}"] = f"{source} {severity}: {message}"
    return State(texts, bodies)


def changes(before: State, after: State) -> Iterator[Change]:
    """In the order of `after`, then what is gone."""
    for what, text in after.texts.items():
        if before.texts.get(what) != text:
            yield Change(what, before.texts.get(what), text)
    for what, text in before.texts.items():
        if what not in after.texts:
            yield Change(what, text, None)
    for what, (body, text) in after.bodies.items():
        old = before.bodies.get(what)
        if old is None:
            if text:
                yield Change(what, None, text)
        elif (old[0] is not body and old[1] != text) or (old[1] != text and old[1] != STREAM and text != STREAM):
            yield Change(what, old[1] or None, text or None)


def shown(value: Any) -> str:
    """A value for a person: strings in quotes, others as .NET writes them."""
    if isinstance(value, str):
        return cut(json.dumps(value, ensure_ascii=False))
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Response):
        return f"a response, {value.status} {value.reason}".rstrip()
    try:
        return cut(to_text(value))
    except Exception:  # whatever has no text still has a type
        return f"a {type(value).__name__}"


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _headers(of: str, headers: Headers) -> dict[str, str]:
    return {f"{of} header {name}": cut(", ".join(headers.getall(name))) for name in dict.fromkeys(headers)}


def _body(body: Body) -> str:
    if not body.buffered:
        return STREAM
    content = body.content()
    return shown(content.decode("utf-8", "replace")) if content else ""

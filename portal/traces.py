"""A trace as the plane tells it (docs/tracing.md), read tolerantly into what the page draws. Pure.

Times are milliseconds; `left` and `width` of bars are parts of 100 of the whole, so that a sheet decides their length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.activity import milliseconds, text
from portal.model import mappings

Told = Mapping[str, Any]
Header = tuple[str, str]

SECTIONS = {"inbound": "Inbound", "backend": "Backend", "outbound": "Outbound", "on-error": "On error"}
THIN = 0.4  # of 100; what takes no time is still to be seen


@dataclass(frozen=True)
class Expression:
    code: str
    place: str
    value: str
    failed: bool


@dataclass(frozen=True)
class Change:
    """None where it is not there."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Message:
    """A request or a response: its first line, its headers, how long it took."""

    line: str
    headers: tuple[Header, ...]
    took: str


@dataclass(frozen=True)
class Step:
    """`policy` is the element's name, or a part of the gateway ("request" as it came, "routing" what it matched).
    `document` is the resource whose policy it stands in, "" for the service and "-" for none; `failed`: the request
    went wrong here; `facts` are pairs of words."""

    policy: str
    at: str
    took: str
    left: float
    width: float
    depth: int
    scope: str
    place: str
    document: str
    line: int
    words: tuple[str, ...]
    expressions: tuple[Expression, ...]
    reads: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    facts: tuple[tuple[str, str], ...]
    request: Message | None
    response: Message | None
    failed: bool
    errors: tuple[tuple[str, str], ...]
    more: str

    @property
    def quiet(self) -> bool:
        """It ran and there is nothing to tell of it."""
        told = (self.words, self.expressions, self.reads, self.changes, self.facts, self.errors, self.more)
        return not any(told) and self.request is None and self.response is None


@dataclass(frozen=True)
class Section:
    id: str
    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Trace:
    id: str
    gateway: str
    instance: str
    total: str
    sections: tuple[Section, ...]
    api: str
    operation: str
    failed: Step | None  # where it went wrong


def read(told: Told) -> Trace:
    sections = told.get("traceEntries")
    sections = sections if isinstance(sections, Mapping) else {}
    entries = {str(name): mappings(value) for name, value in sections.items()}
    whole = max((_ends(each) for rows in entries.values() for each in rows), default=0.0)
    found = tuple(
        Section(name, SECTIONS.get(name, name), tuple(_step(each, name, whole) for each in rows))
        for name, rows in entries.items()
        if rows
    )
    configuration: Told = next(
        (each["data"]["configuration"] for rows in entries.values() for each in rows if _has(each, "configuration")), {}
    )
    api, operation = configuration.get("api"), configuration.get("operation")
    return Trace(
        id=text(told.get("traceId")),
        gateway=text(told.get("gatewayId")),
        instance=text(told.get("instanceId")),
        total=milliseconds(whole),
        sections=found,
        api=text(api.get("id")) if isinstance(api, Mapping) else "",
        operation=text(operation.get("id")) if isinstance(operation, Mapping) else "",
        failed=next((step for section in found for step in section.steps if step.failed), None),
    )


def _has(entry: Told, name: str) -> bool:
    data = entry.get("data")
    return isinstance(data, Mapping) and isinstance(data.get(name), Mapping)


def _step(entry: Told, section: str, whole: float) -> Step:
    data = entry.get("data")
    data = dict(data) if isinstance(data, Mapping) else {"message": data}
    start, length = time(entry.get("elapsed")), time(data.get("duration"))
    # an entry without a place of its own is about a call that another one makes; it is noted when the call has ended
    response = _message(data.pop("response", None), data.get("duration"))
    if response is not None:
        start -= length
    errors = tuple((name, text(data.pop(name))) for name in ("error", "reason", "detail") if data.get(name))
    words = data.pop("message", None)
    source = text(entry.get("source"))
    if source == "api-inspector":
        source = "routing" if "configuration" in data else "request"
    document = text(data.pop("document", None))
    line = data.pop("line", None)
    configuration = data.pop("configuration", None)
    changes = tuple(_change(each) for each in mappings(data.pop("changes", None)))
    said = tuple(map(text, words)) if isinstance(words, list) else (text(words),) if words else ()
    facts = _facts(configuration) if isinstance(configuration, Mapping) else ()
    if text(entry.get("source")) == "transfer-response":
        facts = tuple((name, text(data.pop(key))) for key, name in SENT if key in data)
    depth = data.pop("depth", 0)
    data.pop("path", None)
    if not document and source != "request" and ("request" in data or response is not None):
        depth = 1  # a call that the policy above makes
    return Step(
        policy=source,
        at=milliseconds(start),
        took=milliseconds(length) if data.pop("duration", None) is not None else "",
        left=round(100 * start / whole, 2) if whole else 0.0,
        width=round(max(100 * length / whole, THIN), 2) if whole else THIN,
        depth=depth if isinstance(depth, int) else 0,
        scope=text(data.pop("scope", None)),
        place=f"{document}, line {line}" if line else document,
        document=document_id(document),
        line=line if isinstance(line, int) else 0,
        # what changed is told with before and after; the same in words would be said twice
        words=() if changes else said,
        expressions=tuple(_expression(each) for each in mappings(data.pop("expressions", None))),
        reads=tuple((text(each.get("asked")), text(each.get("answer"))) for each in mappings(data.pop("reads", None))),
        changes=changes,
        facts=facts,
        request=_message(data.pop("request", None), None),
        response=response,
        failed=bool(errors),
        errors=errors,
        # whatever else was told; the arguments above have taken what they show
        more=json.dumps(data, indent=2, ensure_ascii=False) if data else "",
    )


SENT = {"status": "Status", "requestBytes": "Request bytes", "responseBytes": "Response bytes"}.items()


def _facts(configuration: Told) -> tuple[tuple[str, str], ...]:
    api, operation = configuration.get("api"), configuration.get("operation")
    api = api if isinstance(api, Mapping) else {}
    to = api.get("to")
    to = to if isinstance(to, Mapping) else {}
    target = (
        f"{text(to.get('scheme'))}://{text(to.get('host'))}:{text(to.get('port'))}{text(to.get('path'))}" if to else ""
    )
    revision, version = text(api.get("revision")), text(api.get("version"))
    shown = [
        ("API", f"{text(api.get('name'))} ({text(api.get('id'))}) at {text(api.get('from'))}"),
        ("Revision", f"{revision}{f', version {version}' if version else ''}"),
        ("Backend", target),
    ]
    if isinstance(operation, Mapping):
        template = f"{text(operation.get('method'))} {text(operation.get('uriTemplate'))}"
        shown.append(("Operation", f"{text(operation.get('id'))}: {template}"))
        parameters = operation.get("parameters")
        if isinstance(parameters, Mapping) and parameters:
            shown.append(("Parameters", ", ".join(f"{name} = {value}" for name, value in parameters.items())))
    shown += [(name.capitalize(), text(configuration.get(name))) for name in ("product", "subscription", "user")]
    return tuple((name, words) for name, words in shown if words and words != "-")


def document_id(document: str) -> str:
    """The id that "the policy of /apis/shop" names, for a link: "/apis/shop", "" for the service's; "-" for none."""
    words = document.rsplit("the policy of ", 1)
    if len(words) < 2 or "fragment " in words[0]:
        name = document.split("'")
        return f"/policyFragments/{name[1]}" if document.startswith("fragment '") and len(name) > 2 else "-"
    return words[1] if words[1].startswith("/") else ""


def _expression(told: Told) -> Expression:
    failed = "error" in told
    line, column = told.get("line"), told.get("column")
    return Expression(
        code=text(told.get("expression")),
        place=f"line {line}, column {column}" if line else "",
        value=text(told.get("error") if failed else told.get("value")),
        failed=failed,
    )


def _change(told: Told) -> Change:
    before, after = told.get("before"), told.get("after")
    return Change(
        text(told.get("what")), None if before is None else text(before), None if after is None else text(after)
    )


def _message(told: Any, took: Any) -> Message | None:
    if not isinstance(told, Mapping):
        return None
    status = told.get("status")
    if isinstance(status, Mapping):
        line = f"{text(status.get('code'))} {text(status.get('reason'))}".strip()
    else:
        line = f"{text(told.get('method'))} {text(told.get('url'))}"
    headers = tuple((text(each.get("name")), text(each.get("value"))) for each in mappings(told.get("headers")))
    return Message(line, headers, milliseconds(time(took)) if took is not None else "")


def _ends(entry: Told) -> float:
    data = entry.get("data")
    own = isinstance(data, Mapping) and "response" not in data
    return time(entry.get("elapsed")) + (time(data.get("duration")) if own and isinstance(data, Mapping) else 0.0)


def time(value: Any) -> float:
    """hh:mm:ss.fffffff as milliseconds; 0 for what is none."""
    try:
        hours, minutes, seconds = text(value).split(":")
        return (int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000
    except ValueError:
        return 0.0

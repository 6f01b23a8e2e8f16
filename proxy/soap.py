"""SOAP pass-through: which operation of a SOAP API a request is for. Pure; nothing of it concerns other APIs.

Rules
1. An operation says its SOAP action in its template: `POST /?soapAction=ACTION`. The action of a request is that of the
   SOAPAction header, else of the Content-Type (SOAP 1.2), else of the query parameter soapAction.
2. `POST /?soapMethod=NAME` takes what has NAME as the first element of its body. The beginning of the body is looked at
   only where the API has such an operation and the action has not decided.
3. `POST /?soapAction={any}` takes all SOAP requests that are left.
Actions and names compare without case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from multidict import MultiMapping

from proxy.config.resources import Operation
from proxy.messages import Body
from proxy.templates import Found, query_values

LOOKED_AT = 64 * 1024  # bytes of a body
_TEMPLATE = re.compile(r"/?\??(soapaction|soapmethod)=(.*)", re.IGNORECASE | re.DOTALL)
_ACTION = re.compile(r""";\s*action\s*=\s*(?:"([^"]*)"|([^\s;"]+))""", re.IGNORECASE)
_NAME = re.compile(rb"(/?)(?:[^\s<>/:'\"=]+:)?([^\s<>/:'\"=]+)")
_STOP = re.compile(rb"""[>"']""")
_SKIPPED = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<![CDATA[", b"]]>"))


class BodyNeeded(Exception):
    """The beginning of the body decides which operation it is."""


@dataclass(slots=True, frozen=True)
class SoapOperations:
    """The operations of one SOAP API by action and by first element, and the one for the rest with its parameter."""

    actions: Mapping[str, Operation] = field(default_factory=dict)
    elements: Mapping[str, Operation] = field(default_factory=dict)
    rest: tuple[Operation, str] | None = None

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> SoapOperations:
        actions: dict[str, Operation] = {}
        elements: dict[str, Operation] = {}
        rest = None
        for operation in operations:
            found = _TEMPLATE.fullmatch(operation.url_template)
            if found is None or operation.method != "POST":
                continue
            kind, value = found[1].lower(), found[2]
            if value.startswith("{") and value.endswith("}"):
                rest = (operation, value[1:-1].lstrip("*"))
            else:
                table = actions if kind == "soapaction" else elements
                table.setdefault(value.lower(), operation)
                table.setdefault(unquote(value).lower(), operation)
        return cls(actions, elements, rest)

    @property
    def first(self) -> Operation | None:
        """Any of them: a preflight does not say which one it is about."""
        return next(iter((*self.actions.values(), *self.elements.values())), self.rest[0] if self.rest else None)

    def find(self, query: str, headers: MultiMapping[str], element: str | None) -> Found | None:
        """`element` is what `first_element` says of the body, None before it was asked. Raises BodyNeeded."""
        given = query_values(query) if query else {}
        action = action_of(headers) or given.get("soapaction", "").strip()
        if action and (found := self.actions.get(action.lower())) is not None:
            return Found(found, {})
        if self.elements:
            element = given.get("soapmethod", element)
            if element is None:
                raise BodyNeeded
            if (found := self.elements.get(element.lower())) is not None:
                return Found(found, {})
        return Found(self.rest[0], {self.rest[1]: action}) if self.rest is not None else None


def action_of(headers: MultiMapping[str]) -> str:
    """The SOAP action that a request names; empty for none."""
    action = headers.get("SOAPAction", "").strip().strip('"').strip()
    if action:
        return action
    found = _ACTION.search(headers.get("Content-Type", ""))
    return (found[1] or found[2] or "").strip() if found else ""


async def first_element(body: Body) -> str:
    """The local name of the first element in the body of an envelope; empty when there is none near the beginning."""
    return element_in(await body.beginning(LOOKED_AT, lambda content: bool(element_in(content))))


def element_in(content: bytes) -> str:
    """As `first_element`, of the beginning of a message. Costs its length once."""
    depth, inside = 0, False
    for name, ends, empty in _tags(content[:LOOKED_AT]):
        if inside:
            return "" if ends else name.decode("utf-8", "replace")
        if ends:
            depth -= 1
            continue
        if depth == 0 and name != b"Envelope":
            return ""
        inside = depth == 1 and name == b"Body" and not empty
        depth += not empty
    return ""


def _tags(content: bytes) -> Iterator[tuple[bytes, bool, bool]]:
    """(local name, is it an end, is it empty) of each tag that is there to its end."""
    place = content.find(b"<")
    while place >= 0:
        end = -1
        for opening, closing in _SKIPPED:
            if content.startswith(opening, place):
                end = content.find(closing, place + len(opening))
                break
        else:
            found = _NAME.match(content, place + 1)
            stop = _STOP.search(content, place + 1)
            while stop is not None and stop[0] != b">":
                quote = content.find(stop[0], stop.end())
                stop = _STOP.search(content, quote + 1) if quote >= 0 else None
            if stop is None or found is None:
                return
            end = stop.start()
            yield found[2], bool(found[1]), content[end - 1 : end] == b"/"
        if end < 0:
            return
        place = content.find(b"<", end)

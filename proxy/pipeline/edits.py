"""Edits of headers, status and body, shared by the set-* policies and by the policies that have them as children.

Rules
1. Several values of a header become one comma-separated line, except for the headers in REPEATED.
2. IMMUTABLE headers are the transport's and are refused.
3. A header name is a token; a value holds no CR, LF or NUL. A literal that breaks this is an issue, a value that an
   expression makes is a 500. A literal that goes on in the next line, indented, is one line.
"""

from __future__ import annotations

import http
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from multidict import istr

from proxy.errors import ExpressionFailed
from proxy.messages import Body, Headers, Request, Response
from proxy.pipeline.element import Element
from proxy.pipeline.source import unresolved
from proxy.pipeline.values import Value

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.liquid_edit import LiquidEdit

EXISTS_ACTIONS = ("override", "skip", "append", "delete")
IMMUTABLE = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
# https://learn.microsoft.com/azure/api-management/set-header-policy#usage-notes
REPEATED = frozenset(
    {
        *("user-agent", "www-authenticate", "proxy-authenticate", "cookie", "set-cookie", "warning", "date", "expires"),
        *("if-modified-since", "if-unmodified-since", "last-modified", "retry-after"),
    }
)

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN = re.compile(r"[\r\n\0]")
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")

Apply = Callable[["Exchange", Headers], None]
ResponseEdit = Callable[["Exchange", Response], None]


class HeaderEdit(NamedTuple):
    """What a <set-header> does: `apply(exchange, headers)` edits the header called `name`."""

    name: Value[str]
    apply: Apply


def header_problem(name: str) -> str | None:
    """Why this header may not be set; None when it may."""
    if name.lower() in IMMUTABLE:
        return f"Header '{name}' cannot be changed: the transport sets it. Remove the policy."
    if not _TOKEN.fullmatch(name):
        return f"{name!r} is not a header name. Use letters, digits and hyphens."
    return None


def value_problem(name: str, value: str) -> str | None:
    if _FORBIDDEN.search(value):
        return f"The value of header '{name}' contains a line break or NUL. Remove it."
    return None


def header_edit(element: Element) -> HeaderEdit:
    """The edit that a <set-header> element describes."""
    name = element.string("name")
    action = element.choice("exists-action", *EXISTS_ACTIONS, default="override")
    values = [_unfolded(child.content()) for child in element.children("value")]
    if name.constant and name.value and not unresolved(name.value) and (problem := header_problem(name.value)):
        element.issue(problem, "invalid-header")
    for value in values:
        if name.constant and value.constant and (problem := value_problem(name.value, value.value)):
            element.issue(problem, "invalid-header")
    if not values and action.constant and action.value != "delete":
        message = f"exists-action '{action.value}' has no <value>, so nothing is set."
        element.issue(message, "missing-element", severity="warning")
    if name.constant and action.constant and action.value == "override" and all(each.constant for each in values):
        return HeaderEdit(name, _constant_override(name.value, [each.value for each in values]))
    if name.constant and action.constant:
        return HeaderEdit(name, _edit_for(name.value, action.value, values))

    def edit(exchange: Exchange, headers: Headers) -> None:
        header = name.get(exchange)
        if problem := header_problem(header):
            raise ExpressionFailed(problem)
        _edit_for(header, action.get(exchange), values)(exchange, headers)

    return HeaderEdit(name, edit)


def _unfolded(value: Value[str]) -> Value[str]:
    """A literal that goes on in the next line, indented, is one line, as header fields were once folded."""
    return Value.of(_FOLD.sub(" ", value.value)) if value.constant and "\n" in value.value else value


def _constant_override(name: str, values: list[str]) -> Apply:
    key = istr(name)
    if not values or (key.lower() in REPEATED and len(values) > 1):

        def override_lines(exchange: Exchange, headers: Headers) -> None:
            headers.popall(key, None)
            headers.extend((key, value) for value in values)

        return override_lines
    line = ",".join(values)

    def override(exchange: Exchange, headers: Headers) -> None:
        headers[key] = line

    return override


def _edit_for(name: str, action: str, values: list[Value[str]]) -> Apply:
    key = istr(name)
    repeated = key.lower() in REPEATED

    def delete(exchange: Exchange, headers: Headers) -> None:
        headers.popall(key, None)

    def override(exchange: Exchange, headers: Headers) -> None:
        lines = [_checked(name, value.get(exchange)) for value in values]
        if not lines or (repeated and len(lines) > 1):
            headers.popall(key, None)
            headers.extend((key, line) for line in lines)
        else:
            headers[key] = ",".join(lines)

    def append(exchange: Exchange, headers: Headers) -> None:
        lines = [_checked(name, value.get(exchange)) for value in values]
        if repeated:
            headers.extend((key, line) for line in lines)
        elif lines:
            headers[key] = ",".join([*headers.getall(key, ()), *lines])

    def skip(exchange: Exchange, headers: Headers) -> None:
        if key not in headers:
            override(exchange, headers)

    return {"delete": delete, "override": override, "append": append, "skip": skip}[action]


def _checked(name: str, value: str) -> str:
    if problem := value_problem(name, value):
        raise ExpressionFailed(problem)
    return value


def status_edit(element: Element) -> ResponseEdit:
    """The edit that a <set-status> element describes; without `reason` the status has its usual phrase."""
    code = element.integer("code", minimum=200, maximum=999)  # with 1xx the client would wait for another answer
    reason = element.string("reason", None)
    if reason and reason.constant and _FORBIDDEN.search(reason.value):
        element.issue("The reason contains a line break or NUL. Remove it.", "invalid-attribute")

    def edit(exchange: Exchange, response: Response) -> None:
        response.status = code.get(exchange)
        text = phrase(response.status) if reason is None else reason.get(exchange)
        if _FORBIDDEN.search(text):
            raise ExpressionFailed("The reason of a status contains a line break or NUL.")
        response.reason = text

    return edit


def body_edit(element: Element) -> Callable[[Exchange, Request | Response], None]:
    """The edit that a <set-body> element describes; a `LiquidEdit` for a template, see `is_template`."""
    template = element.literal_choice("template", "none", "liquid", default="none")
    nil = element.literal_choice("xsi-nil", "blank", "null", default="blank")
    dates = element.literal_boolean("parse-date", True)
    if template == "liquid":
        # Late, because most processes never meet a template and its library takes long to load.
        from proxy.pipeline.liquid_edit import liquid_edit

        return liquid_edit(element, nil == "null", dates)
    inner = element.child("value")
    text = (inner or element).body_content()
    if text.constant:
        content = text.value

        def edit_constant(exchange: Exchange, message: Request | Response) -> None:
            replace_body(message, content)

        return edit_constant

    def edit(exchange: Exchange, message: Request | Response) -> None:
        replace_body(message, text.get(exchange))

    return edit


def replace_body(message: Request | Response, content: bytes) -> None:
    """Put other content in a message. What described the old one goes with it: a text is no longer compressed."""
    headers = message.headers
    headers.popall("Content-Length", None)
    if "Content-Encoding" in headers and _is_text(content):
        headers.popall("Content-Encoding")
    message.body = Body(content)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_template(edit: Callable[[Exchange, Request | Response], None]) -> TypeGuard[LiquidEdit]:
    return hasattr(edit, "template")


def phrase(status: int) -> str:
    """The usual reason phrase of a status; empty for one that nobody defined."""
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""

"""`validate-content`: refuses or reports a body that is too large, of an unexpected type, or not as its schema says.

The schema is the one that `schema-id` names, else the operation's own for this content type. Where neither is there,
the body must at least be well-formed.
https://learn.microsoft.com/azure/api-management/validate-content-policy
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import BodyTooLarge
from proxy.messages import Response
from proxy.pipeline.content import charset, media_type
from proxy.pipeline.described import Described, Lookup, Need, described, matches, media_of
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, IGNORE, LARGEST_BODY, SMALL_BODY, Findings, Problem, whole
from proxy.schemas.flatten import Reading

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.messages import Headers, Request
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value
    from proxy.schemas.json_schema import Finding

BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})

Map = Callable[["Exchange", str], str]


@dataclass(slots=True, frozen=True)
class Content:
    """One <content>. `media` is empty for any; `lookup` is there when it names a schema."""

    media: str
    engine: str
    action: Value[str]
    need: Need
    lookup: Lookup | None


@policy("validate-content", sections={INBOUND, OUTBOUND, ON_ERROR})
def validate_content(element: Element, compiler: Compiler) -> Handler:
    """Refuse or report a body that is too large, of an unexpected type, or not as its schema says."""
    section = compiler.section
    unspecified = element.choice("unspecified-content-type-action", *ACTIONS)
    max_size = element.integer("max-size", minimum=0)
    size_exceeded = element.choice("size-exceeded-action", *ACTIONS)
    variable = element.literal("errors-variable-name", "")
    if max_size.constant and max_size.value > LARGEST_BODY:
        message = f"Bodies of more than {LARGEST_BODY} bytes are not validated, whatever max-size says."
        element.issue(message, "invalid-attribute", severity="warning")
    map_type = _content_type_map(element)
    contents = [_content(child, compiler) for child in element.children("content")]
    whose, part = ("Request", "request") if section == INBOUND else ("Response", "response")

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        given = media_type(message.headers)
        media = map_type(exchange, given)
        if not _has_body(exchange, message, given or media):
            return
        findings = Findings(variable, section)
        operation = described(exchange, section)
        known = operation.describes(media) or any(each.media and matches(each.media, media) for each in contents)
        due = [
            (each, action)
            for each in (_due(contents, media) if known else ())
            if (action := each.action.get(exchange)) != IGNORE
        ]
        limit, too_large = max_size.get(exchange), size_exceeded.get(exchange)
        size = None if "Content-Encoding" in message.headers else message.body.length
        if size is not None and size > limit:
            findings.add(_too_large(whose, size, limit), too_large)
            findings.settle(exchange)
        content = b""
        if due or (size is None and too_large != IGNORE):
            try:
                content = await whole(message.body, message.headers)
            except (BodyTooLarge, ValueError) as problem:
                if size is None and isinstance(problem, BodyTooLarge):
                    findings.add(_too_large(whose, LARGEST_BODY + 1, limit), too_large)
                for _, action in due:
                    findings.add(_exception(whose, part, media, str(problem)), action)
                findings.settle(exchange)
                if not message.body.buffered and message.body.length is None:
                    raise  # a part of the stream is gone
                return
            if size is None and len(content) > limit:
                findings.add(_too_large(whose, len(content), limit), too_large)
                findings.settle(exchange)
        if not known:
            text = f"Unspecified content type {given or media} is not allowed."
            findings.add(Problem(given or media, f"{whose}Body", "Unspecified", text, text), unspecified.get(exchange))
        for each, action in due:
            for found in await _problems(each, operation, media, content, message.headers, whose, part):
                findings.add(found, action)
        findings.settle(exchange)

    return handle


def _content_type_map(element: Element) -> Map:
    child = element.child("content-type-map")
    if child is None:
        return lambda exchange, media: media
    any_type = media_of(child.literal("any-content-type-value", ""))
    missing = media_of(child.literal("missing-content-type-value", ""))
    rules: list[tuple[str, Value[bool] | None, str]] = []
    for rule in child.children("type"):
        if rule.has("from") == rule.has("when"):
            rule.issue("<type> needs either 'from' or 'when'.", "invalid-attribute")
        source = media_of(rule.literal("from", ""))
        condition = rule.boolean("when", False) if rule.has("when") else None
        rules.append((source, condition, media_of(rule.literal("to"))))

    def map_type(exchange: Exchange, media: str) -> str:
        for source, condition, target in rules:
            if condition.get(exchange) if condition is not None else source == media:
                return target
        return missing if missing and not media else any_type or media

    return map_type


def _content(element: Element, compiler: Compiler) -> Content:
    media = media_of(element.literal("type", ""))
    engine = element.literal_choice("validate-as", "json", "xml", "soap")
    action = element.choice("action", *ACTIONS)
    name = element.literal("schema-id", "")
    reference = element.literal("schema-ref", "")
    additional = element.literal_boolean("allow-additional-properties", False)
    reading = Reading(
        request=compiler.section == INBOUND,
        additional=additional if element.has("allow-additional-properties") else None,
        fold=element.literal_boolean("case-insensitive-property-names", False),
    )
    need = Need("request" if compiler.section == INBOUND else "response", engine, reading)
    if reference and not name:
        element.issue("'schema-ref' needs 'schema-id', whose schema it points into. Add it.", "missing-attribute")
    if reference and engine != "json":
        element.issue("'schema-ref' goes with validate-as=\"json\" only. Remove it.", "invalid-attribute")
    if not name:
        compiler.needs(need)
        return Content(media, engine, action, need, None)
    return Content(media, engine, action, need, compiler.schema(element, name, reference, need))


def _has_body(exchange: Exchange, message: Request | Response, media: str) -> bool:
    """Whether there is something to validate: an empty body counts only where a content type promises one."""
    if not message.body.empty or not media:
        return not message.body.empty
    if isinstance(message, Response):
        return exchange.request.method != "HEAD" and message.status not in (204, 304)
    return message.method not in BODILESS


def _due(contents: list[Content], media: str) -> list[Content]:
    """The <content> elements that are about this type: those that name it, else those that name none."""
    named = [each for each in contents if each.media and matches(each.media, media)]
    return named or [each for each in contents if not each.media]


async def _problems(
    content: Content, operation: Described, media: str, body: bytes, headers: Headers, whose: str, part: str
) -> list[Problem]:
    lookup = content.lookup or operation.lookup(media, content.need)
    kind = f"{whose}Body"
    if lookup.problem:
        type, rule = ("ApiSchema", "") if not lookup.missing else (kind, "MissingDefinition")
        details = lookup.problem
        if lookup.missing:
            details = f"{details}, which is associated with the content type {media}."
        return [Problem(media if lookup.missing else "", type, rule, details)]
    if content.engine == "json" and (coding := charset(headers)) not in ("utf-8", "ascii"):
        body = body.decode(coding, "replace").encode()
    try:
        if len(body) <= SMALL_BODY and not lookup.busy:
            found = lookup.check(body)
        else:
            found = await asyncio.to_thread(functools.partial(lookup.check, body))
    except (ValueError, RecursionError) as problem:
        return [_exception(whose, part, media, str(problem))]
    return [_incorrect(each, kind, part, media, lookup.name) for each in found]


def _incorrect(found: Finding, kind: str, part: str, media: str, name: str) -> Problem:
    definition = f"the definition {name}, which is" if name else "the definition which is"
    text = f"Body of the {part} does not conform to {definition} associated with the content type {media}. {found}"
    return Problem(media, kind, "IncorrectMessage", text, text)


def _too_large(whose: str, size: int, limit: int) -> Problem:
    details = f"{whose}'s body is {size} bytes long and it exceeds the configured limit of {limit} bytes."
    public = f"{whose}'s body is {size} bytes long and it exceeds the limit of {limit} bytes."
    return Problem("", f"{whose}Body", "SizeLimit", details, public)


def _exception(whose: str, part: str, media: str, reason: str) -> Problem:
    details = f"Body of the {part} cannot be validated for the content type {media}. {reason}"
    return Problem("", f"{whose}Body", "ValidationException", details)

"""`validate-content`: refuses or reports a body that is too large, of an unexpected type, or not as its schema says.

The schema is the one that `schema-id` names, else the operation's own for this content type. Where neither is there,
the body must at least be well-formed.
https://learn.microsoft.com/azure/api-management/validate-content-policy
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import BodyTooLarge
from proxy.messages import Response
from proxy.pipeline.content import charset, is_json, is_xml, media_type
from proxy.pipeline.described import Described, Lookup, Need, described, matches, media_of
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, IGNORE, LARGEST_BODY, PREVENT, SMALL_BODY, Findings, Problem, whole
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


@dataclass(slots=True, frozen=True)
class Side:
    """Whose body it is, and the documented errors in its words."""

    whose: str
    part: str

    def too_large(self, size: int, limit: int) -> Problem:
        text = f"{self.whose}'s body is {size} bytes long and it exceeds the {{}}limit of {limit} bytes."
        return Problem("", f"{self.whose}Body", "SizeLimit", text.format("configured "), text.format(""))

    def unspecified(self, media: str) -> Problem:
        text = f"Unspecified content type {media} is not allowed."
        return Problem(media, f"{self.whose}Body", "Unspecified", text, text)

    def unreadable(self, media: str, reason: str) -> Problem:
        details = f"Body of the {self.part} cannot be validated for the content type {media}. {reason}"
        return Problem("", f"{self.whose}Body", "ValidationException", details)

    def unusable(self, media: str, lookup: Lookup) -> Problem:
        if not lookup.missing:
            return Problem("", "ApiSchema", "", lookup.problem)
        details = f"{lookup.problem}, which is associated with the content type {media}."
        return Problem(media, f"{self.whose}Body", "MissingDefinition", details)

    def incorrect(self, media: str, name: str, found: Finding) -> Problem:
        definition = f"definition {name}, which is" if name else "definition which is"
        wrong = f"Body of the {self.part} does not conform to the {definition} associated with the content type"
        text = f"{wrong} {media}. {found}"
        return Problem(media, f"{self.whose}Body", "IncorrectMessage", text, text)


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
    side = Side("Request", "request") if section == INBOUND else Side("Response", "response")

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        given = media_type(message.headers)
        media = map_type(exchange, given)
        if not _has_body(exchange, message, given or media):
            return
        findings = Findings(variable, section)
        operation = described(exchange, section)
        known = operation.describes(media) or any(_covers(each, operation, media) for each in contents)
        due = [
            (each, action)
            for each in (_due(contents, media) if known else ())
            if (action := each.action.get(exchange)) != IGNORE
        ]
        limit, too_large = max_size.get(exchange), size_exceeded.get(exchange)
        size = None if "Content-Encoding" in message.headers else message.body.length
        if size is not None and size > limit:
            findings.add(side.too_large(size, limit), too_large)
            findings.settle(exchange)
        body = b""
        if due or (size is None and too_large != IGNORE):
            # who cannot look inside cannot say that it is small enough
            found = await _read(message, side, media, [action for _, action in due] or [too_large], findings)
            if found is None:
                findings.settle(exchange)
                return
            body = found
            if size is None and len(body) > limit:
                findings.add(side.too_large(len(body), limit), too_large)
                findings.settle(exchange)
        if not known:
            findings.add(side.unspecified(given or media), unspecified.get(exchange))
        for content, action in due:
            for problem in await _problems(content, operation, side, media, body, message.headers):
                findings.add(problem, action)
        findings.settle(exchange)

    return handle


async def _read(
    message: Request | Response, side: Side, media: str, actions: list[str], findings: Findings
) -> bytes | None:
    """The body, decompressed; None with findings when that cannot be had. Raises BodyTooLarge when nothing prevents
    that the rest of it goes on without its beginning."""
    try:
        return await whole(message.body, message.headers)
    except (BodyTooLarge, ValueError) as problem:
        for action in actions:
            findings.add(side.unreadable(media, str(problem)), action)
        consumed = not message.body.buffered and message.body.length is None
        if consumed and PREVENT not in actions:
            raise
    return None


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
    if isinstance(message, Response):
        if exchange.request.method == "HEAD" or message.status in (204, 304):
            return False
        return bool(media) or not message.body.empty
    return not message.body.empty or (bool(media) and message.method not in BODILESS)


def _covers(content: Content, operation: Described, media: str) -> bool:
    """Whether a <content> makes a type known that the operation does not describe: by naming it, or by naming a schema
    where the operation describes no body at all."""
    if content.media or content.lookup is None or operation.representations:
        return bool(content.media) and matches(content.media, media)
    return is_json(media) if content.engine == "json" else is_xml(media)


def _due(contents: list[Content], media: str) -> list[Content]:
    """The <content> elements that are about this type: those that name it, else those that name none."""
    named = [each for each in contents if each.media and matches(each.media, media)]
    return named or [each for each in contents if not each.media]


async def _problems(
    content: Content, operation: Described, side: Side, media: str, body: bytes, headers: Headers
) -> list[Problem]:
    lookup = content.lookup or operation.lookup(media, content.need)
    if lookup.problem:
        return [side.unusable(media, lookup)]
    if content.engine == "json" and (coding := charset(headers)) not in ("utf-8", "ascii"):
        body = body.decode(coding, "replace").encode()
    try:
        if len(body) <= SMALL_BODY and not lookup.busy:
            found = lookup.check(body)
        else:
            found = await asyncio.to_thread(lookup.check, body)
    except (ValueError, RecursionError) as problem:
        return [side.unreadable(media, str(problem))]
    return [side.incorrect(media, lookup.name, each) for each in found]

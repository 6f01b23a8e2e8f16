"""`validate-parameters`: refuses or reports headers, query and path parameters that are not as the operation says.

Headers that any HTTP client or proxy sends by itself, and the subscription key and version of the API, are never
unspecified: an API description does not name them.
https://learn.microsoft.com/azure/api-management/validate-parameters-policy
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from proxy.pipeline.described import Need, checked
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, IGNORE, Findings, Problem, problem_of

if TYPE_CHECKING:
    from proxy.config.resources import Operation, Parameter
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value

ANYBODY = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "expect"),
        *("host", "keep-alive", "te", "trailer", "traceparent", "tracestate", "transfer-encoding", "upgrade"),
        *("user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    }
)


@dataclass(slots=True, frozen=True)
class Place:
    """Actions for the parameters of one place; `named` by name in lower case."""

    type: str
    words: str
    specified: Value[str]
    unspecified: Value[str]
    named: dict[str, Value[str]]

    def action(self, exchange: Exchange, name: str, specified: bool) -> str:
        own = self.named.get(name.lower())
        return (own or (self.specified if specified else self.unspecified)).get(exchange)


@policy("validate-parameters", sections={INBOUND})
def validate_parameters(element: Element, compiler: Compiler) -> Handler:
    """Refuse or report headers, query and path parameters that are not as the operation says."""
    specified = element.choice("specified-parameter-action", *ACTIONS)
    unspecified = element.choice("unspecified-parameter-action", *ACTIONS)
    variable = element.literal("errors-variable-name", "")
    headers = _place(element, "headers", "RequestHeader", "header", specified, unspecified)
    query = _place(element, "query", "QueryParameter", "query parameter", specified, unspecified)
    path = _place(element, "path", "PathParameter", "path parameter", specified, unspecified)
    compiler.needs(Need("parameters"))

    def handle(exchange: Exchange) -> None:
        operation = exchange.operation
        if operation is None:
            return
        findings = Findings(variable, INBOUND)
        request = exchange.request
        in_path, in_query = _of_template(operation)
        given = {name.lower(): (name, request.headers.getall(name)) for name in request.headers}
        _examine(exchange, headers, operation.headers, given, ANYBODY | _own(exchange, True), findings)
        asked = {name.lower(): (name, values) for name, values in request.url.query_values().items()}
        own = _own(exchange, False) | {name for name, parameter in in_query if parameter is None}
        described = [*(parameter for _, parameter in in_query if parameter is not None), *operation.query_parameters]
        _examine(exchange, query, described, asked, own, findings)
        matched = {name.lower(): (name, [value]) for name, value in exchange.matched_parameters.items()}
        _examine(exchange, path, in_path, matched, matched.keys(), findings)
        findings.settle(exchange)

    return handle


def _place(element: Element, name: str, type: str, words: str, specified: Value[str], unspecified: Value[str]) -> Place:
    child = element.child(name)
    if child is None:
        return Place(type, words, specified, unspecified, {})
    if child.has("specified-parameter-action"):
        specified = child.choice("specified-parameter-action", *ACTIONS)
    if name != "path" and child.has("unspecified-parameter-action"):
        unspecified = child.choice("unspecified-parameter-action", *ACTIONS)
    named = {each.literal("name").lower(): each.choice("action", *ACTIONS) for each in child.children("parameter")}
    return Place(type, words, specified, unspecified, named)


def _of_template(operation: Operation) -> tuple[list[Parameter], list[tuple[str, Parameter | None]]]:
    """The parameters of the URL template's path, and of its query by their name there; None for a fixed value."""
    _, _, query = operation.url_template.partition("?")
    if not query:
        return list(operation.template_parameters), []
    declared = {each.name.lower(): each for each in operation.template_parameters}
    in_query: list[tuple[str, Parameter | None]] = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        in_query.append((unquote(name).lower(), declared.pop(value.strip("{}").lower(), None)))
    return list(declared.values()), in_query


def _own(exchange: Exchange, header: bool) -> frozenset[str]:
    """What carries the subscription key and the version: the gateway's own."""
    api = exchange.api
    if api is None:
        return frozenset()
    names = [api.key_header if header else api.key_query]
    if api.version_set is not None:
        names.append(api.version_set.header_name if header else api.version_set.query_name)
    return frozenset(name.lower() for name in names)


def _examine(
    exchange: Exchange,
    place: Place,
    described: Sequence[Parameter],
    given: dict[str, tuple[str, list[str]]],
    own: Set[str],
    findings: Findings,
) -> None:
    assert exchange.api is not None
    library = exchange.api.schemas
    known = set()
    for parameter in described:
        name = parameter.name.lstrip("*")
        known.add(name.lower())
        action = place.action(exchange, name, True)
        if action == IGNORE:
            continue
        values = given.get(name.lower(), (name, []))[1]
        problem = problem_of(name, place.type, place.words, parameter, values, checked(library, parameter))
        if problem is not None:
            findings.add(problem, action)
    for folded, (name, _) in given.items():
        if folded in known or (folded in own and folded not in place.named):
            continue
        action = place.action(exchange, name, False)
        if action != IGNORE:
            text = f"Unspecified {place.words} {name} is not allowed."
            findings.add(Problem(name, place.type, "Unspecified", text, text), action)

"""`validate-parameters`: refuses or reports headers, query and path parameters that are not as the operation says.

Headers that any HTTP client or proxy sends by itself, and the subscription key and version of the API, are never
unspecified: an API description does not name them.
https://learn.microsoft.com/azure/api-management/validate-parameters-policy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.pipeline.described import Need, parameters_of
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, IGNORE, Findings, Problem, problem_of

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.described import Checked
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value

ANYBODY = frozenset(
    {
        *("accept", "accept-encoding", "apim-debug-authorization", "authorization", "connection", "content-length"),
        *("content-type", "expect"),
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
        api, operation, request = exchange.api, exchange.operation, exchange.request
        if api is None or operation is None:
            return
        plan = parameters_of(api, operation)
        findings = Findings(variable, INBOUND)
        given = {name.lower(): name for name in request.headers}
        present = {folded: request.headers.getall(folded) for each in plan.headers if (folded := each.folded) in given}
        _specified(exchange, headers, plan.headers, present, findings)
        _unspecified(exchange, headers, plan.headers, given, ANYBODY | plan.own_headers, findings)
        if request.query or plan.query:
            values = {name.lower(): (name, listed) for name, listed in request.url.query_values().items()}
            present = {folded: listed for folded, (_, listed) in values.items()}
            _specified(exchange, query, plan.query, present, findings)
            given = {folded: name for folded, (name, _) in values.items()}
            _unspecified(exchange, query, plan.query, given, plan.own_query, findings)
        if plan.path:
            present = {name.lower(): [value] for name, value in exchange.matched_parameters.items()}
            _specified(exchange, path, plan.path, present, findings)
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


def _specified(
    exchange: Exchange,
    place: Place,
    described: Sequence[Checked],
    present: Mapping[str, list[str]],
    findings: Findings,
) -> None:
    for each in described:
        action = place.named.get(each.folded, place.specified).get(exchange)
        if action == IGNORE:
            continue
        texts = present.get(each.folded, [])
        problem = problem_of(each.name, place.type, place.words, each.parameter, texts, each.check)
        if problem is not None:
            findings.add(problem, action)


def _unspecified(
    exchange: Exchange,
    place: Place,
    described: Sequence[Checked],
    given: Mapping[str, str],
    own: Set[str],
    findings: Findings,
) -> None:
    """`given` are names by their lower case."""
    left = given.keys() - {each.folded for each in described}
    for folded in [each for each in given if each in left and (each not in own or each in place.named)]:
        action = place.named.get(folded, place.unspecified).get(exchange)
        if action != IGNORE:
            text = f"Unspecified {place.words} {given[folded]} is not allowed."
            findings.add(Problem(given[folded], place.type, "Unspecified", text, text), action)

"""`validate-graphql-request`: refuses a GraphQL request that is too large, too deep, unsound or not allowed.

https://learn.microsoft.com/azure/api-management/validate-graphql-request-policy
Rules
1. A request that is refused gets a block of `errors` and no `data`, with 400.
2. `remove` takes a field out of the query before anyone answers it, and adds an error with its path to the response.
   Where nothing would be left of an object, its `__typename` is asked for.
3. Errors are in the variables GraphQLErrors and `error-variable-name`.
4. At a scope above APIs it looks at requests of GraphQL APIs only. The handshake of a subscription has no query.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from proxy.errors import BodyTooLarge, GatewayError
from proxy.expressions.dotnet.json_reader import wrap
from proxy.expressions.dotnet.json_tokens import JArray
from proxy.messages import Body
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.source import unresolved

if TYPE_CHECKING:
    from graphql import FieldNode

    from proxy.exchange import Exchange
    from proxy.graphql.query import Error, Query, Reader
    from proxy.graphql.rules import Verdict
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value

LARGEST = 102_400  # bytes, as documented
MOST_FIELDS = 250
ACTIONS = ("allow", "remove", "reject", "ignore")
VARIABLE = "GraphQLErrors"


@policy("validate-graphql-request", sections={INBOUND}, scopes=frozenset({"global", "workspace", "product", "api"}))
def validate_graphql_request(element: Element, compiler: Compiler) -> Handler:
    """Refuse a GraphQL request that is too large, too deep, unsound or not allowed."""
    variable = element.string("error-variable-name", "")
    max_size = element.integer("max-size", minimum=0, maximum=LARGEST)
    max_depth = element.integer("max-depth", 6, minimum=1)
    authorize = element.child("authorize")
    rules = [_rule(each) for each in authorize.children("rule")] if authorize else []
    anywhere = compiler.scope == "api"

    async def handle(exchange: Exchange) -> None:
        from proxy.graphql.query import QueryRefused, Reader

        graph, operation = exchange.graph, exchange.operation
        if (graph is None and not anywhere) or (operation is not None and operation.id == "onHandshake"):
            return
        try:
            await _check_size(exchange, max_size.get(exchange))
            reader = graph.reader if graph is not None else Reader(None)
            if graph is not None and graph.problem and graph.schema is None:
                raise GatewayError("The GraphQL schema of this API cannot be used.", detail=graph.problem)
            query = await reader.query(exchange.request)
            _check_shape(query, max_depth.get(exchange))
            removed = _judged(exchange, reader, query, rules)
        except QueryRefused as problem:
            _tell(exchange, variable.get(exchange), problem.errors)
            raise
        if removed:
            _tell(exchange, variable.get(exchange), removed)

    return handle


def _rule(element: Element) -> tuple[str, Value[str]]:
    path = element.literal("path")
    if path and not path.startswith("/") and not unresolved(path):
        element.issue("Attribute 'path' is written /type/field, such as /Query/users.", "invalid-attribute")
    return path, element.choice("action", *ACTIONS, default="allow")


async def _check_size(exchange: Exchange, limit: int) -> None:
    from proxy.graphql.query import refused

    request = exchange.request
    if request.method == "GET":
        size = len(request.query)
    else:
        try:
            size = len(await request.body.read(limit))
        except BodyTooLarge:
            size = limit + 1
    if size > limit:
        raise refused(f"The request is larger than {limit} bytes.")


def _check_shape(query: Query, limit: int) -> None:
    from proxy.graphql.measure import measure
    from proxy.graphql.query import refused

    try:
        size = measure(query.document, query.operation)
    except (ValueError, RecursionError) as problem:
        raise refused(str(problem)) from None
    if size.depth > limit:
        raise refused(f"The query is too nested to execute, its depth is more than {limit}")
    if size.fields > MOST_FIELDS:
        raise refused(f"The query asks for more than {MOST_FIELDS} fields.")


def _judged(exchange: Exchange, reader: Reader, query: Query, given: list[tuple[str, Value[str]]]) -> list[Error]:
    """Hold the rules; the errors of what was removed. Raises QueryRefused for what is rejected."""
    from proxy.graphql.query import QueryRefused
    from proxy.graphql.rules import REJECT, Rule, judge

    if not given:
        return []
    rules = [Rule(path, _once(action, exchange)) for path, action in given]
    if reader.schema is None and any(rule.below_root for rule in rules):
        raise GatewayError("The rules need the GraphQL schema of this API.", reason="SchemaNotFound")
    verdicts = judge(query.document, query.operation, reader.schema, rules)
    errors = [_error(each) for each in verdicts]
    if rejected := [error for error, each in zip(errors, verdicts, strict=True) if each.action == REJECT]:
        raise QueryRefused(rejected)
    if verdicts:
        _remove(exchange, reader, query, verdicts)
        exchange.before_outbound = [*(exchange.before_outbound or ()), _adding(errors)]
    return errors


def _once(action: Value[str], exchange: Exchange) -> Callable[[], str]:
    return cache(lambda: action.get(exchange))


def _error(verdict: Verdict) -> Error:
    node: FieldNode = verdict.node
    error: Error = {"message": f"Access to the field '{verdict.type}.{node.name.value}' is not allowed."}
    if node.loc is not None:
        start = node.loc.start_token
        error["locations"] = [{"line": start.line, "column": start.column}]
    return {**error, "path": list(verdict.path)}


def _remove(exchange: Exchange, reader: Reader, query: Query, verdicts: list[Verdict]) -> None:
    from graphql import get_operation_ast

    from proxy.graphql.edits import text_of, without
    from proxy.graphql.query import rewrite

    gone = {id(each.node) for each in verdicts}
    document = without(query.document, reader.schema, lambda _, node: id(node) not in gone)
    operation = get_operation_ast(document, query.asked.operation)
    assert operation is not None
    rewrite(exchange.request, query.asked, *text_of(document, operation))
    exchange.request.headers.popall("Accept-Encoding", None)  # the answer has to be read


def _adding(errors: list[Error]) -> Callable[[Exchange], Any]:
    async def add(exchange: Exchange) -> None:
        response = exchange.response
        if response is None:
            return
        content = await response.body.read()
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            return
        if isinstance(answer, dict):
            answer["errors"] = [*(answer.get("errors") or ()), *errors]
            response.headers.popall("Content-Length", None)
            response.body = Body(json.dumps(answer, ensure_ascii=False).encode())

    return add


def _tell(exchange: Exchange, variable: str, errors: list[Error]) -> None:
    """Rule 3; errors of an earlier policy stay."""
    known, made = exchange.variables.get(VARIABLE), wrap(errors)
    if isinstance(known, JArray):
        for each in errors:
            known.append(wrap(each))
    else:
        exchange.variables[VARIABLE] = made
    if variable:
        exchange.variables[variable] = made

"""Answering a query: fields that have resolvers by these, the others by the API's own backend or from their parents.

Rules
1. A resolver runs for one field of one type, with the field's arguments and its parent. Those of siblings run at once.
2. Fields of the root without a resolver are asked of the API's backend in one request, where it has one. A query none
   of whose fields has a resolver goes to it untouched.
3. What goes wrong with one field is an error in the answer, with its path; the rest of the data is there. Clients read
   what they may know of it; the cause is in the log and in the trace.
4. Subscriptions are the backend's: its WebSocket is passed through.
5. A request may run MOST_CALLS resolvers, at most AT_ONCE at a time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute,
    get_operation_ast,
    is_leaf_type,
    visit,
)
from graphql.type import GraphQLString, get_named_type

from proxy.errors import GatewayError
from proxy.exchange import Exchange
from proxy.expressions.slices import GivingWay
from proxy.graphql.edits import text_of, with_types, without
from proxy.graphql.query import Error, Query, QueryRefused, Reader, refused, shown
from proxy.graphql.schema import has_field, root_types
from proxy.messages import Body, Headers, Response
from proxy.pipeline.resolution import Inherited, Resolution, inherited
from proxy.pipeline.steps import Step, run_steps

log = logging.getLogger("proxy.graphql")

MOST_CALLS = 1000
AT_ONCE = 32
NO_SOCKET = "Subscriptions are served where the API has a backend that serves them over a WebSocket."
UNTOLD = "The field could not be resolved."


@dataclass(slots=True, frozen=True)
class Resolver:
    """The steps that resolve one field; `problem` says why there are none. `lasting`: see Pipeline."""

    steps: tuple[Step, ...]
    lasting: bool = False
    problem: str = ""


Info = GraphQLResolveInfo[Any]
Resolvers = Mapping[tuple[str, str], Resolver]


class Fetched(dict[str, Any]):
    """An object of the backend's answer: its keys are those of the query, aliases and all."""


@dataclass(slots=True)
class Graph:
    """What there is of one GraphQL API. `forward` asks its backend. `problem` says what is wrong with the schema."""

    schema: GraphQLSchema | None
    resolvers: Resolvers
    forward: tuple[Step, ...]
    problem: str = ""
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.schema)
        if self.schema is not None:
            names = root_types(self.schema)
            self.resolvers = {(names.get(type, type), name): each for (type, name), each in self.resolvers.items()}

    def lacks(self, type: str, name: str) -> bool:
        """Whether there is a schema, without this field that a resolver is for."""
        return self.schema is not None and not has_field(self.schema, type, name)

    async def answer(self, exchange: Exchange) -> bool:
        """Answer the request; False leaves it to the backend. Raises QueryRefused."""
        backend = exchange.request.base is not None
        if exchange.operation is not None and exchange.operation.id == "onHandshake":
            if backend:
                return False
            raise refused(NO_SOCKET)
        if self.schema is None or (backend and not self.resolvers):
            if not backend:
                raise unusable(self.problem)
            return False
        query = await self.reader.query(exchange.request)
        if backend and not self._concerns(query):
            return False
        if query.operation.operation is OperationType.SUBSCRIPTION:
            if backend:
                return False
            raise refused(NO_SOCKET)
        run = Run(self, exchange, query)
        root, errors = await run.fetch() if backend else ({}, [])
        exchange.response = _response(await run.result(root), errors)
        return True

    def _concerns(self, query: Query) -> bool:
        """Whether any field of the query has a resolver."""
        assert self.schema is not None
        types, found = TypeInfo(self.schema), False

        class Finder(Visitor):
            def enter_field(_, node: FieldNode, *__: Any) -> Any:
                nonlocal found
                parent = types.get_parent_type()
                found = found or (parent is not None and (parent.name, node.name.value) in self.resolvers)

        visit(query.document, TypeInfoVisitor(types, Finder()))
        return found


def unusable(problem: str) -> GatewayError:
    """The failure of a request that needs the schema."""
    detail = problem or "The API has no GraphQL schema."
    return GatewayError("The GraphQL schema of this API cannot be used.", reason="SchemaNotFound", detail=detail)


class Run:
    """One query on its way."""

    def __init__(self, graph: Graph, exchange: Exchange, query: Query) -> None:
        assert graph.schema is not None
        self.graph, self.exchange, self.query, self.schema = graph, exchange, query, graph.schema
        self._calls = 0
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def result(self, root: Mapping[str, Any]) -> ExecutionResult:
        asked = self.query.asked
        made = execute(
            self.schema,
            self.query.document,
            root_value=root,
            context_value=self,
            variable_values=dict(asked.variables),
            operation_name=asked.operation,
            hide_suggestions=True,
            field_resolver=_field,
            type_resolver=_type,
        )
        result = await made if _waits(made) else made
        assert isinstance(result, ExecutionResult)
        return result

    async def resolve(self, resolver: Resolver, source: Any, info: Info, arguments: Mapping[str, Any]) -> Any:
        """The value of one field. Raises GraphQLError."""
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise GraphQLError(f"The query needs more than {MOST_CALLS} calls of resolvers.")
        if resolver.problem:
            self._tell(GatewayError(resolver.problem, reason="ResolverFailed"), info)
            raise GraphQLError(UNTOLD)
        async with self._turn:
            try:
                return await self._value(resolver, source, info, arguments)
            except GatewayError as problem:
                self._tell(problem, info)
                raise GraphQLError(problem.public or UNTOLD) from None

    def _tell(self, problem: GatewayError, info: Info) -> None:
        self.exchange.errors.append(problem.last_error(self.exchange.elapsed_ms()))
        log.info("field %s.%s: %s %s", info.parent_type.name, info.field_name, problem.message, problem.detail)

    async def _value(self, resolver: Resolver, source: Any, info: Info, arguments: Mapping[str, Any]) -> Any:
        exchange = self.exchange
        asked = {"query": self.query.asked.text, "variables": dict(self.query.asked.variables)}
        content = json.dumps({**asked, "arguments": dict(arguments)}, ensure_ascii=False).encode()
        headers = inherited(exchange.request.headers)
        headers["Content-Type"] = headers["Accept"] = Inherited("application/json")
        original = exchange.request
        own = exchange.copy().having(
            request=replace(original, method="GET", headers=headers, body=Body(content), base=None, keep_host=False),
            response=None,
            backend=None,
            backend_scope="",
            fabric=None,
            identity=None,
            graph=None,
            resolution=Resolution(dict(arguments), _parent(source), original.base),
            after_outbound=[],
            before_outbound=None,
        )
        work = run_steps(resolver.steps, own)
        try:
            await (GivingWay(work) if resolver.lasting else work)
            return await _read(own.response, info)
        finally:
            exchange.backend_method, exchange.backend_url = own.backend_method, own.backend_url
            exchange.backend_status = own.backend_status
            exchange.backend_ms = max(exchange.backend_ms, own.backend_ms)
            if own.response is not None:
                await own.response.body.discard()

    async def fetch(self) -> tuple[Mapping[str, Any], list[Error]]:
        """What the backend says of the fields of the root that have no resolver."""
        roots, resolvers = set(root_types(self.schema).values()), self.graph.resolvers
        asked = self.query.asked

        wanted = False

        def keep(parent: str, node: FieldNode) -> bool:
            nonlocal wanted
            name = node.name.value
            if parent not in roots:
                return True
            kept = (parent, name) not in resolvers and not name.startswith("__")
            wanted = wanted or kept
            return kept

        document = with_types(without(self.query.document, self.schema, keep), self.schema)
        operation = get_operation_ast(document, asked.operation)
        if not wanted or operation is None:
            return {}, []
        text, used = text_of(document, operation)
        payload = {
            "query": text,
            "variables": {name: value for name, value in asked.variables.items() if name in used},
            "operationName": asked.operation,
        }
        original = self.exchange.request
        headers = Headers(original.headers)
        for name in ("Content-Length", "Accept-Encoding", "Content-Encoding"):
            headers.popall(name, None)
        headers["Content-Type"] = "application/json"
        body = Body(json.dumps(payload, ensure_ascii=False).encode())
        request = replace(original, method="POST", query="", headers=headers, body=body)
        own = self.exchange.copy().having(request=request, response=None, graph=None, before_outbound=None)
        try:
            await run_steps(self.graph.forward, own)
        finally:
            exchange = self.exchange
            exchange.backend_method, exchange.backend_url = own.backend_method, own.backend_url
            exchange.backend_status, exchange.backend_ms = own.backend_status, own.backend_ms
        assert own.response is not None
        try:
            answer = json.loads(await own.response.body.read(), object_hook=Fetched)
            data, errors = answer.get("data"), answer.get("errors")
        except (ValueError, AttributeError, RecursionError):
            status = own.response.status
            return {}, [{"message": f"The backend answered with status {status} and no GraphQL response."}]
        return data if isinstance(data, dict) else {}, errors if isinstance(errors, list) else []


def _waits(value: Any) -> TypeGuard[Awaitable[Any]]:
    return hasattr(value, "__await__")


def _field(source: Any, info: Info, /, **arguments: Any) -> Any:
    run: Run = info.context
    name = info.field_name
    resolver = run.graph.resolvers.get((info.parent_type.name, name))
    if resolver is not None:
        return run.resolve(resolver, source, info, arguments)
    if isinstance(source, Fetched):
        return source.get(str(info.path.key), source.get(name))
    return source.get(name) if isinstance(source, dict) else None


def _type(value: Any, info: Info, abstract: GraphQLAbstractType) -> str | None:
    named = value.get("__typename") if isinstance(value, dict) else None
    if isinstance(named, str):
        return named
    possible = info.schema.get_possible_types(abstract)
    return possible[0].name if len(possible) == 1 else None


def _parent(source: Any) -> dict[str, Any]:
    """The parent as plain data; nothing for a field of the root."""
    if isinstance(source, Fetched):
        return dict(json.loads(json.dumps(source)))
    return source if isinstance(source, dict) else {}


async def _read(response: Response | None, info: Info) -> Any:
    """The data in a resolver's response: JSON, or for a scalar the text as it is."""
    if response is None:
        return None
    content = await response.body.read()
    kind = get_named_type(info.return_type)
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        if not is_leaf_type(kind):
            raise GatewayError("The data source did not answer with JSON.", reason="ResolverFailed") from None
        return content.decode(errors="replace")
    return text if kind is GraphQLString and isinstance(value, dict) else value


def _response(result: ExecutionResult, errors: list[Error]) -> Response:
    found = [shown(each) for each in result.errors or ()]
    if result.data is None and found and not any("path" in each for each in found):
        raise QueryRefused(found)
    answer: dict[str, Any] = {"data": result.data}
    if listed := [*found, *errors]:
        answer["errors"] = listed
    body = json.dumps(answer, ensure_ascii=False, default=str).encode()
    return Response(200, "OK", Headers({"Content-Type": "application/json"}), Body(body))

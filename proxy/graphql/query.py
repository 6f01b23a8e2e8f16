"""A GraphQL request over HTTP: found in the HTTP request, parsed, and held against the schema.

Rules (https://graphql.github.io/graphql-over-http/draft/)
1. POST carries JSON (`query`, `variables`, `operationName`) or, as application/graphql, the query alone; GET has the
   same three in its URL. A list of queries is refused.
2. What is wrong with the request itself is a 400 with an `errors` block and no `data`.
3. A text is parsed and validated once; the last few are remembered. A large one is looked at beside the event loop.
   Messages suggest no names: they would tell of a schema whose introspection may be refused.
4. Tokens are counted before anything is made of them, and nesting ends where Python's does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)

from proxy.errors import PolicyRefused
from proxy.messages import Body, Request
from proxy.pipeline.content import media_type

MOST_TOKENS = 20_000
MOST_ERRORS = 20
REMEMBERED = 256
SMALL = 4096  # characters of a text that is parsed on the event loop, and of one that is remembered
GRAPHQL = "application/graphql"

Error = dict[str, Any]


class QueryRefused(PolicyRefused):
    """The request is refused with a block of GraphQL errors."""

    def __init__(
        self,
        errors: Sequence[Error],
        status: int = 400,
        phrase: str = "Bad Request",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(status, phrase, "Bad request", str(errors[0]["message"]), headers)
        self.errors = list(errors)

    def body(self, activity_id: str) -> bytes:
        return json.dumps({"errors": self.errors}, ensure_ascii=False).encode()


def refused(message: str, status: int = 400, phrase: str = "Bad Request") -> QueryRefused:
    return QueryRefused([{"message": message}], status, phrase)


@dataclass(slots=True, frozen=True)
class Asked:
    """What the client sent. `form` says how: json, graphql or get."""

    text: str
    variables: Mapping[str, Any]
    operation: str | None
    form: str
    payload: Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Query:
    """A request that can be answered: `document` is valid and `operation` the one of it that is meant."""

    asked: Asked
    document: DocumentNode
    operation: OperationDefinitionNode


async def read_request(request: Request) -> Asked:
    """What the request asks for. Raises QueryRefused, and BodyTooLarge."""
    if request.method == "GET":
        values = request.url.query_values()
        given: dict[str, Any] = {name: found[0] for name, found in values.items()}
        if isinstance(given.get("variables"), str):
            given["variables"] = _json(given["variables"] or "null", "The variables are")
        return _asked(given, "get")
    if request.method != "POST":
        raise QueryRefused(
            [{"message": "A GraphQL request is a POST or a GET."}], 405, "Method Not Allowed", (("Allow", "GET, POST"),)
        )
    media = media_type(request.headers)
    content = await request.body.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused("The body is not UTF-8 text.") from None
    if media == GRAPHQL:
        values = request.url.query_values()
        name = values.get("operationName", [None])[0]
        return _asked({"query": text, "operationName": name}, "graphql")
    if media and not media.endswith(("/json", "+json")):
        raise refused(
            f"The content type '{media[:60]}' is not supported. Send application/json.", 415, "Unsupported Media Type"
        )
    payload = _json(text, "The body is")
    if isinstance(payload, list):
        raise refused("Several queries in one request are not supported. Send one.")
    if not isinstance(payload, dict):
        raise refused("The body must be a JSON object with a 'query'.")
    return _asked(payload, "json")


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise refused(f"{what} not JSON.") from None


def _asked(given: Mapping[str, Any], form: str) -> Asked:
    text, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    if not isinstance(text, str) or not text.strip():
        raise refused("The request has no 'query'.")
    if variables is not None and not isinstance(variables, dict):
        raise refused("The 'variables' must be an object.")
    if name is not None and not isinstance(name, str):
        raise refused("The 'operationName' must be a string.")
    return Asked(text, variables or {}, name or None, form, given)


def rewrite(request: Request, asked: Asked, text: str, used: frozenset[str]) -> None:
    """Have the request ask for another text, which uses these variables."""
    payload = {**asked.payload, "query": text}
    if asked.variables:
        payload["variables"] = {name: value for name, value in asked.variables.items() if name in used}
    if asked.form == "get":
        if asked.variables:
            payload["variables"] = json.dumps(payload["variables"])
        request.query = urlencode(payload)
        return
    content = text if asked.form == "graphql" else json.dumps(payload, ensure_ascii=False)
    request.headers.popall("Content-Length", None)
    request.body = Body(content.encode())


@dataclass(slots=True)
class Reader:
    """Parses queries for one schema; without one, only their grammar is checked."""

    schema: GraphQLSchema | None
    _known: dict[str, DocumentNode] = field(default_factory=dict, repr=False)

    async def query(self, request: Request) -> Query:
        """The request's query. Raises QueryRefused."""
        asked = await read_request(request)
        document = self._known.get(asked.text)
        if document is None:
            small = len(asked.text) <= SMALL
            document = self._checked(asked.text) if small else await asyncio.to_thread(self._checked, asked.text)
            if small:
                if len(self._known) >= REMEMBERED:
                    self._known.pop(next(iter(self._known)))
                self._known[asked.text] = document
        operation = get_operation_ast(document, asked.operation)
        if operation is None:
            raise refused(
                f"The query has no operation '{asked.operation[:100]}'."
                if asked.operation
                else "The query has several operations: name one in 'operationName'."
            )
        if request.method == "GET" and operation.operation is not OperationType.QUERY:
            message = "With GET only queries are allowed. Send a POST."
            raise QueryRefused([{"message": message}], 405, "Method Not Allowed", (("Allow", "POST"),))
        return Query(asked, document, operation)

    def _checked(self, text: str) -> DocumentNode:
        try:
            document = parse(text, max_tokens=MOST_TOKENS, allow_empty_selection_sets=False)
            problems = []
            if self.schema is not None:
                problems = validate(self.schema, document, max_errors=MOST_ERRORS, hide_suggestions=True)
        except GraphQLError as problem:
            raise QueryRefused([shown(problem)]) from None
        except RecursionError:
            raise refused("The query is too nested to be read.") from None
        if problems:
            raise QueryRefused([shown(each) for each in problems])
        return document


def shown(problem: GraphQLError) -> Error:
    """An error as clients read it: message, locations, path."""
    return dict(problem.formatted)

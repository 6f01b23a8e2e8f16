"""The schema of a GraphQL API: its text in the schema definition language, made once, when configuration is applied."""

from __future__ import annotations

from graphql import GraphQLError, GraphQLSchema, build_schema, validate_schema
from graphql.type import GraphQLObjectType

LARGEST = 4 * 1024 * 1024  # characters
MOST_TOKENS = 500_000
ROOTS = ("Query", "Mutation", "Subscription")


def read_schema(text: str) -> GraphQLSchema:
    """A sound schema. Directives that it uses without defining them are left alone. Raises ValueError."""
    if len(text) > LARGEST:
        raise ValueError(f"the schema is larger than {LARGEST} characters")
    try:
        schema = build_schema(text, assume_valid_sdl=True, max_tokens=MOST_TOKENS)
        problems = validate_schema(schema)
    except GraphQLError as problem:
        raise ValueError(located(problem)) from None
    except (TypeError, RecursionError) as problem:
        raise ValueError(str(problem)) from None
    if problems:
        raise ValueError(located(problems[0]))
    return schema


def located(problem: GraphQLError) -> str:
    """The message and, where it is known, the place in the text."""
    if not problem.locations:
        return problem.message
    first = problem.locations[0]
    return f"line {first.line}, column {first.column}: {problem.message}"


def root_types(schema: GraphQLSchema) -> dict[str, str]:
    """The names of the root types by what they are the root of: "Query" -> "RootQuery"."""
    types: tuple[GraphQLObjectType | None, ...] = (schema.query_type, schema.mutation_type, schema.subscription_type)
    return {root: each.name for root, each in zip(ROOTS, types, strict=True) if each is not None}

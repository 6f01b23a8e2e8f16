"""The schema of a GraphQL API: its text in the schema definition language, made once, when configuration is applied."""

from __future__ import annotations

from graphql import (
    DefinitionNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    TypeDefinitionNode,
    TypeExtensionNode,
    build_ast_schema,
    parse,
    validate_schema,
)
from graphql.language import ast
from graphql.type import GraphQLObjectType
from graphql.validation.rules.known_directives import KnownDirectivesRule
from graphql.validation.specified_rules import specified_sdl_rules
from graphql.validation.validate import validate_sdl

LARGEST = 4 * 1024 * 1024  # characters
MOST_TOKENS = 500_000
ROOTS = ("Query", "Mutation", "Subscription")
# directives are often those of the server that the schema comes from, and defined there
RULES = [rule for rule in specified_sdl_rules if rule is not KnownDirectivesRule]


def read_schema(text: str) -> GraphQLSchema:
    """A sound schema. Raises ValueError.

    Directives that it uses without defining them are left alone; `extend type` of a type that is defined elsewhere, as
    in a subgraph of a federation, defines it.
    """
    if len(text) > LARGEST:
        raise ValueError(f"the schema is larger than {LARGEST} characters")
    try:
        document = _whole(parse(text, max_tokens=MOST_TOKENS))
        problems = validate_sdl(document, None, RULES)
        if not problems:
            schema = build_ast_schema(document, assume_valid_sdl=True)
            problems = validate_schema(schema)
    except GraphQLError as problem:
        raise ValueError(located(problem)) from None
    except (TypeError, RecursionError) as problem:
        raise ValueError(str(problem)) from None
    if problems:
        raise ValueError(located(problems[0]))
    return schema


def _whole(document: DocumentNode) -> DocumentNode:
    """The document with a definition of each type that it only extends."""
    defined = {each.name.value for each in document.definitions if isinstance(each, TypeDefinitionNode)}
    made: list[DefinitionNode] = []
    for each in document.definitions:
        if isinstance(each, TypeExtensionNode) and each.name.value not in defined:
            defined.add(each.name.value)
            kind = getattr(ast, type(each).__name__.replace("Extension", "Definition"))
            made.append(kind(**{key: getattr(each, key, None) for key in each.keys}))
        else:
            made.append(each)
    return DocumentNode(definitions=tuple(made), loc=document.loc)


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

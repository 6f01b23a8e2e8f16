"""The schema of a GraphQL API: its text in the schema definition language, made once, when configuration is applied."""

from __future__ import annotations

from typing import Any

from graphql import (
    DefinitionNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    TypeDefinitionNode,
    TypeExtensionNode,
    build_ast_schema,
    parse,
    print_ast,
    validate_schema,
)
from graphql.language import ParallelVisitor, ast, visit
from graphql.type import GraphQLObjectType
from graphql.validation.rules.known_directives import KnownDirectivesRule
from graphql.validation.specified_rules import specified_sdl_rules
from graphql.validation.validation_context import SDLValidationContext

LARGEST = 4 * 1024 * 1024  # characters
MOST_TOKENS = 500_000
ROOTS = ("Query", "Mutation", "Subscription")
# directives are often those of the server that the schema comes from, and defined there
RULES = [rule for rule in specified_sdl_rules if rule is not KnownDirectivesRule]


def read_schema(text: str) -> GraphQLSchema:
    """A sound schema. Raises ValueError.

    Directives that it uses without defining them are left alone; `extend type` of a type that is defined elsewhere, as
    in a subgraph of a federation, defines it; a field that stands twice, with one type, is one; what may be deprecated
    is the business of its author. Large public schemas have all of these.
    """
    if len(text) > LARGEST:
        raise ValueError(f"the schema is larger than {LARGEST} characters")
    try:
        document = _whole(parse(text, max_tokens=MOST_TOKENS))
        _validate(document)
        schema = build_ast_schema(document, assume_valid_sdl=True)
        found = validate_schema(schema)
        problems = [each for each in found if "deprecated" not in each.message]
        if found and not problems:  # the library remembers what it found, and would refuse every query
            schema = build_ast_schema(document, assume_valid=True)
    except GraphQLError as problem:
        raise ValueError(located(problem)) from None
    except (TypeError, RecursionError) as problem:
        raise ValueError(str(problem)) from None
    if problems:
        raise ValueError(located(problems[0]))
    return schema


def _validate(document: DocumentNode) -> None:
    """Raises the first problem as GraphQLError. The library would go on, and look for what each of thousands of
    unknown names might have meant among thousands of others."""

    def refuse(problem: GraphQLError) -> None:
        raise problem

    context = SDLValidationContext(document, None, refuse)
    visit(document, ParallelVisitor([rule(context) for rule in RULES]))


def _whole(document: DocumentNode) -> DocumentNode:
    """The document with a definition of each type that it only extends, and no field twice with one type."""
    defined = {each.name.value for each in document.definitions if isinstance(each, TypeDefinitionNode)}
    made: list[DefinitionNode] = []
    for each in document.definitions:
        parts: dict[str, Any] = {}
        kind = type(each)
        if isinstance(each, TypeExtensionNode) and each.name.value not in defined:
            defined.add(each.name.value)
            kind = getattr(ast, kind.__name__.replace("Extension", "Definition"))
        fields = getattr(each, "fields", None) or ()
        if len({field.name.value for field in fields}) < len(fields):
            parts["fields"] = tuple({_signature(field): field for field in fields}.values())
        if parts or kind is not type(each):
            each = kind(**{key: getattr(each, key, None) for key in kind.keys} | parts)
        made.append(each)
    return DocumentNode(definitions=tuple(made), loc=document.loc)


def _signature(field: Any) -> tuple[str, ...]:
    """Its name and type, and those of its arguments."""
    each = (field, *(getattr(field, "arguments", None) or ()))
    return tuple(text for part in each for text in (part.name.value, print_ast(part.type)))


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


def has_field(schema: GraphQLSchema, type: str, name: str) -> bool:
    """Whether a type, or the root that "Query" and its like stand for, has a field that a resolver can be for."""
    kind = schema.get_type(root_types(schema).get(type, type))
    return isinstance(kind, GraphQLObjectType) and name in kind.fields

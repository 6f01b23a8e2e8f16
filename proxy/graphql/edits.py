"""Queries made from queries: without some fields, with the types of abstract values, as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_named_type,
    is_abstract_type,
    print_ast,
    visit,
)

# asks whether a field stays: (name of its parent type, the field)
Keep = Callable[[str, FieldNode], bool]


def without(document: DocumentNode, schema: GraphQLSchema | None, keep: Keep) -> DocumentNode:
    """The document without the fields that are not kept; what would be empty then asks for its type alone. Without a
    schema all types are "".
    """
    types = TypeInfo(schema) if schema is not None else None

    class Remover(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> Any:
            parent = types.get_parent_type() if types is not None else None
            return None if keep(parent.name if parent is not None else "", node) else REMOVE

        def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
            return None if node.selections else SelectionSetNode(selections=(_typename(),))

    made: DocumentNode = visit(document, Remover() if types is None else TypeInfoVisitor(types, Remover()))
    return made


def with_types(document: DocumentNode, schema: GraphQLSchema) -> DocumentNode:
    """The document, asking for the type wherever a value may be of several."""
    types = TypeInfo(schema)

    class Asker(Visitor):
        def leave_field(self, node: FieldNode, *_: Any) -> Any:
            kind = types.get_type()
            if kind is None or node.selection_set is None or not is_abstract_type(get_named_type(kind)):
                return None
            selections = SelectionSetNode(selections=(_typename(), *node.selection_set.selections))
            return _copy(node, selection_set=selections)

    made: DocumentNode = visit(document, TypeInfoVisitor(types, Asker()))
    return made


def text_of(document: DocumentNode, operation: OperationDefinitionNode) -> tuple[str, frozenset[str]]:
    """One operation as text, with the fragments and variables that it uses and no others; and those variables."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    spread: dict[str, FragmentDefinitionNode] = {}
    variables: set[str] = set()

    class Collector(Visitor):
        def enter_variable_definition(self, *_: Any) -> Any:
            return False

        def enter_variable(self, node: VariableNode, *_: Any) -> Any:
            variables.add(node.name.value)

        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> Any:
            name = node.name.value
            if name in fragments and name not in spread:
                spread[name] = fragments[name]
                visit(fragments[name], Collector())

    visit(operation, Collector())
    used = tuple(each for each in operation.variable_definitions or () if each.variable.name.value in variables)
    trimmed = _copy(operation, variable_definitions=used)
    return print_ast(DocumentNode(definitions=(trimmed, *spread.values()))), frozenset(variables)


def _typename() -> FieldNode:
    return FieldNode(name=NameNode(value="__typename"), alias=None, arguments=(), directives=(), selection_set=None)


def _copy(node: Any, **changes: Any) -> Any:
    return type(node)(**{key: getattr(node, key, None) for key in node.keys} | changes)

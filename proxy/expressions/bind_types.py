"""Type syntax to types of the table."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import Binder
from proxy.expressions.dotnet.value_tuples import MOST
from proxy.expressions.errors import unsupported_type
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.types import Type, array_of, find, generic, matrix_of, nullable_of, tuple_of


def bind_type(b: Binder, node: Node) -> Type:
    """The type that `node` names; raises when the table has no such type."""
    kind = node.type
    if kind in ("identifier", "predefined_type"):
        return _simple(b, node, text_of(node))
    if kind == "nullable_type":
        inner = bind_type(b, named(node)[0])
        return nullable_of(inner) if inner.is_value and not inner.is_nullable else inner
    if kind == "array_type":
        element, ranks = array_parts(node)
        result = bind_type(b, element)
        for rank in reversed(ranks):
            result = array_type(b, result, rank)
        return result
    if kind == "tuple_type":
        parts = [child for child in named(node) if child.type == "tuple_element"]
        names = [part.child_by_field_name("name") for part in parts]
        args = tuple(bind_type(b, field_of(part, "type")) for part in parts)
        return tuple_type(b, node, args, tuple(text_of(name) if name else "" for name in names))
    if kind == "generic_name":
        return _generic(b, node, text_of(node.named_children[0]))
    if kind == "qualified_name":
        *_, last = named(node)
        prefix = text_of(node)[: last.start_byte - node.start_byte]
        prefix = "".join(prefix.split()).removeprefix("global::")
        if last.type == "generic_name":
            return _generic(b, last, prefix + text_of(last.named_children[0]))
        return _simple(b, node, prefix + text_of(last))
    if kind == "alias_qualified_name":
        return bind_type(b, field_of(node, "name"))
    raise unsupported_type(text_of(node), b.place(node))


def array_parts(node: Node) -> tuple[Node, list[Node]]:
    """The element type and the rank specifiers, as written: `int[2][,]` is an array of two of `int[,]`."""
    ranks: list[Node] = []
    while node.type == "array_type":
        ranks.insert(0, field_of(node, "rank"))
        node = field_of(node, "type")
    return node, ranks


def array_type(b: Binder, element: Type, rank: Node) -> Type:
    dimensions = 1 + sum(child.type == "," for child in rank.children)
    if dimensions > 3:
        raise b.error(rank, "Arrays of more than three dimensions are not supported within expressions")
    return array_of(element) if dimensions == 1 else matrix_of(element, dimensions)


def tuple_type(b: Binder, node: Node, args: tuple[Type, ...], labels: tuple[str, ...]) -> Type:
    if len(args) > MOST:
        raise b.error(node, f"Tuples of more than {MOST} elements are not supported within expressions")
    given = [label for label in labels if label]
    if len(set(given)) != len(given):
        raise b.error(node, "Tuple element names must be unique")
    return tuple_of(args, labels)


def _simple(b: Binder, node: Node, name: str) -> Type:
    if name in b.type_names:
        return b.type_names[name]
    found = find(name)
    if found is None:
        raise unsupported_type(name, b.place(node))
    return generic(found.name)


def _generic(b: Binder, node: Node, name: str) -> Type:
    args = type_arguments(b, node)
    found = find(name, len(args))
    if found is None:
        raise unsupported_type(f"{name}`{len(args)}", b.place(node))
    if found.name == "Nullable":
        return nullable_of(args[0])
    return generic(found.name, *args)


def type_arguments(b: Binder, node: Node) -> tuple[Type, ...]:
    """The arguments of a `generic_name`."""
    for child in named(node):
        if child.type == "type_argument_list":
            return tuple(bind_type(b, argument) for argument in named(child))
    return ()

"""Type syntax to types of the table."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import Binder
from proxy.expressions.errors import unsupported_type
from proxy.expressions.parse import named, text_of
from proxy.expressions.types import Type, array_of, find, generic, nullable_of


def bind_type(b: Binder, node: Node) -> Type:
    """The type that `node` names; raises when the table has no such type."""
    kind = node.type
    if kind in ("identifier", "predefined_type"):
        return _simple(b, node, text_of(node))
    if kind == "nullable_type":
        inner = bind_type(b, named(node)[0])
        return nullable_of(inner) if inner.is_value and not inner.is_nullable else inner
    if kind == "array_type":
        element = named(node)[0]
        ranks = [child for child in named(node)[1:] if child.type == "array_rank_specifier"]
        result = bind_type(b, element)
        for rank in ranks:
            if any(child.type == "," for child in rank.children):
                raise b.error(node, "Arrays of more than one dimension are not supported within expressions")
            result = array_of(result)
        return result
    if kind == "generic_name":
        return _generic(b, node, text_of(node.named_children[0]))
    if kind == "qualified_name":
        *_, last = named(node)
        prefix = text_of(node)[: last.start_byte - node.start_byte]
        prefix = "".join(prefix.split())
        if last.type == "generic_name":
            return _generic(b, last, prefix + text_of(last.named_children[0]))
        return _simple(b, node, prefix + text_of(last))
    if kind == "alias_qualified_name":
        return _simple(b, node, text_of(node).split("::")[-1])
    raise unsupported_type(text_of(node), b.place(node))


def _simple(b: Binder, node: Node, name: str) -> Type:
    if not name.isascii():
        raise b.error(node, f"The name '{name}' has characters outside ASCII, which expressions do not allow")
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

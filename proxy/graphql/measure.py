"""How deep a query goes and how many fields it asks for, fragments counted wherever they are spread.

The introspection system (`__schema`, `__type`, `__typename`) does not count: its depth says nothing of the data.
"""

from __future__ import annotations

from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


class Size(NamedTuple):
    """`depth` of `{ a { b } }` is 2."""

    depth: int
    fields: int


def measure(document: DocumentNode, operation: OperationDefinitionNode) -> Size:
    """The size of one operation. Raises ValueError for fragments that spread each other in a circle."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    known: dict[str, Size] = {}
    open_: set[str] = set()

    def spread(name: str) -> Size:
        if name in open_:
            raise ValueError(f"Fragment '{name}' spreads itself.")
        if name not in known:
            fragment = fragments.get(name)
            open_.add(name)
            known[name] = of(fragment.selection_set) if fragment is not None else Size(0, 0)
            open_.discard(name)
        return known[name]

    def of(selections: SelectionSetNode | None) -> Size:
        depth = fields = 0
        for each in selections.selections if selections is not None else ():
            if isinstance(each, FieldNode):
                if each.name.value.startswith("__"):
                    continue
                inner = of(each.selection_set)
                found = Size(inner.depth + 1, inner.fields + 1)
            elif isinstance(each, FragmentSpreadNode):
                found = spread(each.name.value)
            else:
                assert isinstance(each, InlineFragmentNode)
                found = of(each.selection_set)
            depth, fields = max(depth, found.depth), fields + found.fields
        return Size(depth, fields)

    return of(operation.selection_set)

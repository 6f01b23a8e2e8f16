"""Repairs one misreading of the grammar: in `(T)a.B<U>("x")["c"]` it takes `<` and `>` for comparisons.

C# reads type arguments there, since `(` follows the `>`; and no comparison can be meant, since there is no order of
bools. The same happens behind another comparison, `1 < a.B<U>("x").C`. The chain is put into parentheses, which the
grammar reads well, and the places of these are remembered.
"""

from __future__ import annotations

from tree_sitter import Node, Parser, Tree

_CHAIN = frozenset({
    "identifier", "generic_name", "member_access_expression", "invocation_expression", "element_access_expression",
    "conditional_access_expression", "parenthesized_expression", "this_expression", "predefined_type",
})  # fmt: skip
MOST = 50  # repairs in one expression


def parse_chains(parser: Parser, data: bytes) -> tuple[Tree, bytes, list[int]]:
    """The tree as C# has it, its text, and where in that each added parenthesis stands."""
    added: list[int] = []
    tree = parser.parse(data)
    while len(added) < 2 * MOST and b">(" in data and (found := _misread(tree.root_node)):
        first, start = found
        # without what stands before it the chain is read well
        blank = b"".join(b"\n" if byte == 10 else b" " for byte in data[first:start])
        end = _chain_end(parser.parse(data[:first] + blank + data[start:]).root_node, start)
        if end <= start:
            break
        data = data[:start] + b"(" + data[start:end] + b")" + data[end:]
        tree = parser.parse(data)
        added = [at + (at >= start) + (at + (at >= start) > end) for at in added] + [start, end + 1]
    return tree, data, added


def _misread(root: Node) -> tuple[int, int] | None:
    """Where the left side of a misread comparison begins, and where in it the chain does."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "binary_expression" and (found := _of(node)):
            return found
        stack.extend(node.children)
    return None


def _of(node: Node) -> tuple[int, int] | None:
    less, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if _operator(node) != b">" or less is None or less.type != "binary_expression" or _operator(less) != b"<":
        return None
    left, argument = less.child_by_field_name("left"), less.child_by_field_name("right")
    if left is None or right is None or argument is None or (right.text or b"")[:1] != b"(":
        return None
    if argument.type not in ("identifier", "member_access_expression", "predefined_type"):
        return None
    chain = left
    while chain.type in ("cast_expression", "binary_expression", "prefix_unary_expression"):
        inner = chain.child_by_field_name("right" if chain.type == "binary_expression" else "value")
        chain = inner or chain.named_children[-1]
    return (left.start_byte, chain.start_byte) if chain is not left and chain.type in _CHAIN else None


def _operator(node: Node) -> bytes:
    found = node.child_by_field_name("operator")
    return (found.text or b"") if found is not None else b""


def _chain_end(root: Node, start: int) -> int:
    """The end of the longest chain that begins at `start`."""
    node = root.descendant_for_byte_range(start, start + 1)
    end = start
    while node is not None and node.start_byte == start:
        if node.type in _CHAIN:
            end = max(end, node.end_byte)
        node = node.parent
    return end


def point(data: bytes, at: int) -> tuple[int, int]:
    """(row, column)."""
    return data.count(b"\n", 0, at), at - (data.rfind(b"\n", 0, at) + 1)

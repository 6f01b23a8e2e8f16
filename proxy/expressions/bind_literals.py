"""Literals and interpolated strings."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from tree_sitter import Node

from proxy.expressions.bind import BOOL, INT, OBJECT, STRING, Binder, binds
from proxy.expressions.conversions import NULL
from proxy.expressions.dotnet.format import format_hole
from proxy.expressions.interpolation import unmasked
from proxy.expressions.parse import named, text_of
from proxy.expressions.tree import Concat, Constant, Expr
from proxy.expressions.types import type_of_name

_ESCAPES = {
    "'": "'",
    '"': '"',
    "\\": "\\",
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{1,4}|.)", re.S)


def unescape(b: Binder, node: Node, text: str) -> str:
    """The characters of a regular literal."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "uUx" and len(code) > 1:
            value = int(code[1:], 16)
            if value > 0x10FFFF:
                raise b.error(node, "Unrecognized escape sequence")
            return chr(value)
        if code not in _ESCAPES:
            raise b.error(node, "Unrecognized escape sequence")
        return _ESCAPES[code]

    if "\\" not in text:
        return text
    result = _ESCAPE.sub(one, text)
    # \ud83d\ude00 is one character here, two units in .NET
    return result.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def constant(b: Binder, node: Node, kind: str, value: object) -> Constant:
    return Constant(type=type_of_name(kind), place=b.place(node), nonnull=True, value=value)


@binds("string_literal")
def bind_string(b: Binder, node: Node) -> Expr:
    text = text_of(node)
    if text.endswith("u8"):
        raise b.error(node, "UTF-8 string literals are not supported within expressions")
    return constant(b, node, "string", unescape(b, node, text[1:-1]))


@binds("verbatim_string_literal")
def bind_verbatim(b: Binder, node: Node) -> Expr:
    return constant(b, node, "string", text_of(node)[2:-1].replace('""', '"'))


@binds("character_literal")
def bind_character(b: Binder, node: Node) -> Expr:
    text = unescape(b, node, text_of(node)[1:-1])
    if len(text) != 1:
        raise b.error(node, "Too many characters in character literal")
    return constant(b, node, "char", text)


@binds("boolean_literal")
def bind_boolean(b: Binder, node: Node) -> Expr:
    return Constant(type=BOOL, place=b.place(node), nonnull=True, value=text_of(node) == "true")


@binds("null_literal")
def bind_null(b: Binder, node: Node) -> Expr:
    return Constant(type=NULL, place=b.place(node), value=None)


@binds("integer_literal")
def bind_integer(b: Binder, node: Node) -> Expr:
    text = text_of(node).replace("_", "").lower()
    digits = text.rstrip("ul")
    suffix = text[len(digits) :]
    try:
        value = int(digits, 0) if digits[:2] in ("0x", "0b") else int(digits)
    except ValueError:
        raise b.error(node, "Invalid number") from None
    fitting = {"": ("int", "uint", "long", "ulong"), "u": ("uint", "ulong"), "l": ("long", "ulong")}.get(
        suffix, ("ulong",)
    )
    for kind in fitting:
        top = {"int": 31, "uint": 32, "long": 63, "ulong": 64}[kind]
        if value < 1 << top:
            return constant(b, node, kind, value)
    if suffix == "" and value == 1 << 31:
        return constant(b, node, "int", value)
    raise b.error(node, "Integral constant is too large")


@binds("real_literal")
def bind_real(b: Binder, node: Node) -> Expr:
    text = text_of(node).replace("_", "").lower()
    if text.endswith("m"):
        return constant(b, node, "decimal", Decimal(text[:-1]))
    if text.endswith("f"):
        from proxy.expressions.dotnet.numeric import single

        return constant(b, node, "float", single(float(text[:-1])))
    value = float(text.rstrip("d"))
    if math.isinf(value):
        raise b.error(node, "Floating-point constant is outside the range of type 'double'")
    return constant(b, node, "double", value)


@binds("interpolated_string_expression")
def bind_interpolated(b: Binder, node: Node) -> Expr:
    """Text pieces and holes become one concatenation."""
    start = next(child for child in node.children if child.type == "interpolation_start")
    quote = text_of(node)[: node.children[1].end_byte - node.start_byte] if node.child_count > 1 else text_of(start)
    verbatim = "@" in quote
    if '"""' in quote:
        raise b.error(node, "Raw string literals are not supported within expressions")
    pieces: list[Expr] = []
    text = ""
    for child in node.children:
        if child.type == "string_content":
            if "}" in text_of(child):
                raise b.error(child, "A '}' character must be escaped (by doubling) in an interpolated string")
            text += unmasked(text_of(child))
        elif child.type == "escape_sequence":
            text += unmasked(text_of(child)) if verbatim else unescape(b, child, text_of(child))
        elif child.type == "interpolation":
            if text:
                pieces.append(constant(b, child, "string", text))
                text = ""
            pieces.append(_hole(b, child, verbatim))
    if text or not pieces:
        pieces.append(constant(b, node, "string", text))
    if len(pieces) == 1 and pieces[0].type is STRING:
        return pieces[0]
    return Concat(type=STRING, place=b.place(node), nonnull=True, operands=pieces)


def _hole(b: Binder, node: Node, verbatim: bool) -> Expr:
    from proxy.expressions.bind_operators import as_text

    value: Expr | None = None
    width: Expr | None = None
    pattern: str | None = None
    for child in named(node):
        if child.type == "interpolation_brace":
            continue
        if child.type == "interpolation_alignment_clause":
            width = b.convert(b.expr(named(child)[0]), INT)
        elif child.type == "interpolation_format_clause":
            pattern = text_of(child)[1:]
            if not verbatim:
                pattern = unescape(b, child, pattern)
        else:
            value = b.value(child)
    if value is None:
        raise b.error(node, "Expression expected")
    if width is None and pattern is None:
        return as_text(b, value)
    wide = width or constant(b, node, "int", 0)
    shape = Constant(type=STRING, place=b.place(node), value=pattern)
    return b.call(format_hole, [b.convert(value, OBJECT), wide, shape], STRING, b.place(node))

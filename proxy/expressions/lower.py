"""Phase 3: the bound tree to Python `ast` nodes with C# positions. No Python source text is ever made.

Rules
1. Table functions and constants are reached as globals that we name (`g1`, `g2` ...); variables are `v1`, `v2` ...
2. The only attribute loads are those that a table entry names (`Native.attribute`), on our own classes.
3. Evaluation order is C#'s; a receiver that may be null is tested before its member is called.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proxy.expressions.dotnet.numeric import WRAPPERS
from proxy.expressions.dotnet.value_tuples import tuple_builder
from proxy.expressions.errors import NOWHERE, Place
from proxy.expressions.operators import concat
from proxy.expressions.runtime import null_reference, set_cell, stepped
from proxy.expressions.tree import (
    Assign,
    Call,
    Concat,
    Conditional,
    Constant,
    Context,
    Expr,
    Function,
    Invoke,
    Item,
    Lambda,
    Let,
    Local,
    Operator,
    Reference,
    Symbol,
    TupleLiteral,
)

_BINARY: dict[str, type[ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "&": ast.BitAnd, "|": ast.BitOr, "^": ast.BitXor,
}  # fmt: skip
_COMPARE: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE,
}  # fmt: skip
# Up to this many operands a concatenation is written inline; its size is bounded by its operands'.
INLINE_CONCAT = 8
# Also code without loops takes steps: one for so many calls.
CALLS_PER_STEP = 8


@dataclass(eq=False, slots=True)
class Frame:
    """One Python loop that is being written. `kind`: loop, switch or labels.

    A jump over inner loops leaves them one by one: it sets the variable `pending` (1 break, 2 continue) of its target,
    and each loop in between is followed by a test of it.
    """

    kind: str
    state: str = ""
    targets: list[Any] = field(default_factory=list)
    pending: str = ""
    # a `continue` aims at it
    continued: bool = False
    # the frames further out that a jump from inside this one leads to
    outward: list[Frame] = field(default_factory=list)


class Lowering:
    """Makes the Python of one expression. `globals` holds every function and constant it mentions."""

    def __init__(self, checked_concat: bool) -> None:
        self.globals: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.kept: list[Any] = []
        self.reads: set[str] = set()
        # statements that must run before the statement under construction: lambdas
        self.block: list[ast.stmt] = []
        self.checked_concat = checked_concat
        self.serial = 0
        self.calls = 0
        # the Python loops around the statement under construction, innermost last
        self.frames: list[Frame] = []

    # names

    def constant(self, value: Any) -> str:
        """The global name that holds this very object."""
        name = self.names.get(id(value))
        if name is None:
            name = f"g{len(self.globals)}"
            self.names[id(value)] = name
            self.globals[name] = value
            self.kept.append(value)
        return name

    def temporary(self) -> str:
        self.serial += 1
        return f"t{self.serial}"

    # expressions

    def expr(self, node: Expr) -> ast.expr:
        made = getattr(self, f"lower_{type(node).__name__.lower()}")(node)
        assert isinstance(made, ast.expr)
        return made

    def lower_constant(self, node: Constant) -> ast.expr:
        value = node.value
        if value is None or type(value) in (str, int, bool, float):
            return at(ast.Constant(value), node.place)
        return load(self.constant(value), node.place)

    def lower_local(self, node: Local) -> ast.expr:
        held = load(node.symbol.python, node.place)
        if not node.symbol.shared:
            return held
        return at(ast.Subscript(held, at(ast.Constant(0), node.place), ast.Load()), node.place)

    def lower_reference(self, node: Reference) -> ast.expr:
        return load(node.symbol.python, node.place)

    def lower_tupleliteral(self, node: TupleLiteral) -> ast.expr:
        build = load(self.constant(tuple_builder(node.type)), node.place)
        return at(ast.Call(build, [self.expr(element) for element in node.elements], []), node.place)

    def lower_context(self, node: Context) -> ast.expr:
        return load("context", node.place)

    def lower_call(self, node: Call) -> ast.expr:
        made = self.called(node)
        self.calls += 1
        if self.calls % CALLS_PER_STEP:
            return made
        return at(ast.Call(load(self.constant(stepped), node.place), [made], []), node.place)

    def called(self, node: Call) -> ast.expr:
        native = node.native
        if native.reads:
            self.reads.add(native.reads)
        arguments = [self.expr(argument) for argument in node.arguments]
        if native.attribute:
            if not node.checks:
                return at(ast.Attribute(arguments[0], native.attribute, ast.Load()), node.place)
            held, test = self.held(arguments[0], node.place)
            return self.guarded(test, at(ast.Attribute(held, native.attribute, ast.Load()), node.place), node.place)
        extra: list[ast.expr] = []
        if native.exchange:
            extra.append(load("context", node.place))
        extra += [load(self.constant(kind), node.place) for kind in node.types]
        function = load(self.constant(native.function), node.place)
        if node.checks:
            held, test = self.held(arguments[0], node.place)
            call = at(ast.Call(function, [*extra, held, *arguments[1:]], []), node.place)
            return self.guarded(test, call, node.place)
        return at(ast.Call(function, [*extra, *arguments], []), node.place)

    def held(self, value: ast.expr, place: Place) -> tuple[ast.expr, ast.expr]:
        """The value to use again, and the expression that computes and tests it."""
        if isinstance(value, ast.Name):
            return load(value.id, place), value
        name = self.temporary()
        return load(name, place), at(ast.NamedExpr(store(name, place), value), place)

    def guarded(self, value: ast.expr, body: ast.expr, place: Place) -> ast.expr:
        test = at(ast.Compare(value, [ast.IsNot()], [at(ast.Constant(None), place)]), place)
        failure = at(ast.Call(load(self.constant(null_reference), place), [], []), place)
        return at(ast.IfExp(test, body, failure), place)

    def lower_operator(self, node: Operator) -> ast.expr:
        op, place = node.op, node.place
        values = [self.expr(operand) for operand in node.operands]
        if op in ("and", "or"):
            return at(ast.BoolOp(ast.And() if op == "and" else ast.Or(), values), place)
        if op == "not":
            return at(ast.UnaryOp(ast.Not(), values[0]), place)
        if op in ("is null", "is not null"):
            if isinstance(values[0], ast.Constant):
                return at(ast.Constant((values[0].value is None) == (op == "is null")), place)
            test: ast.cmpop = ast.Is() if op == "is null" else ast.IsNot()
            return at(ast.Compare(values[0], [test], [at(ast.Constant(None), place)]), place)
        if op in _COMPARE:
            return at(ast.Compare(values[0], [_COMPARE[op]()], [values[1]]), place)
        if op.startswith("unary "):
            sign: ast.unaryop = ast.USub() if op[-1] == "-" else ast.Invert()
            return self.wrapped(at(ast.UnaryOp(sign, values[0]), place), node.wrap, place)
        return self.wrapped(at(ast.BinOp(values[0], _BINARY[op](), values[1]), place), node.wrap, place)

    def wrapped(self, value: ast.expr, bits: int, place: Place) -> ast.expr:
        """Fold to `bits` bits, testing inline because overflow is rare."""
        if not bits:
            return value
        name = self.temporary()
        half = 1 << (bits - 1)
        made = at(ast.NamedExpr(store(name, place), value), place)
        low, high = at(ast.Constant(-half), place), at(ast.Constant(half - 1), place)
        test = at(ast.Compare(low, [ast.LtE(), ast.LtE()], [made, high]), place)
        fold = at(ast.Call(load(self.constant(WRAPPERS[bits]), place), [load(name, place)], []), place)
        return at(ast.IfExp(test, load(name, place), fold), place)

    def lower_concat(self, node: Concat) -> ast.expr:
        values = [self.expr(operand) for operand in node.operands]
        place = node.place
        if self.checked_concat or len(values) > INLINE_CONCAT:
            return at(ast.Call(load(self.constant(concat), place), values, []), place)
        result = values[0]
        for value in values[1:]:
            result = at(ast.BinOp(result, ast.Add(), value), place)
        return result

    def lower_conditional(self, node: Conditional) -> ast.expr:
        return at(ast.IfExp(self.expr(node.test), self.expr(node.yes), self.expr(node.no)), node.place)

    def lower_let(self, node: Let) -> ast.expr:
        place = node.place
        parts: list[ast.expr] = [
            at(ast.NamedExpr(store(symbol.python, place), self.expr(value)), place) for symbol, value in node.bindings
        ]
        last = node.bindings[-1][0] if node.bindings else None
        if not node.effects and len(parts) == 1 and isinstance(node.value, Local) and node.value.symbol is last:
            return parts[0]
        parts += [self.expr(effect) for effect in node.effects]
        parts.append(self.expr(node.value))
        pair = at(ast.Tuple(parts, ast.Load()), place)
        return at(ast.Subscript(pair, at(ast.Constant(-1), place), ast.Load()), place)

    def lower_assign(self, node: Assign) -> ast.expr:
        return self.store_value(node.symbol, self.expr(node.value), node.place)

    def store_value(self, symbol: Symbol, value: ast.expr, place: Place) -> ast.expr:
        """Assignment as an expression."""
        if symbol.shared:
            cell: list[ast.expr] = [load(symbol.python, place), value]
            return at(ast.Call(load(self.constant(set_cell), place), cell, []), place)
        return at(ast.NamedExpr(store(symbol.python, place), value), place)

    def lower_item(self, node: Item) -> ast.expr:
        index = at(ast.Constant(node.index), node.place)
        return at(ast.Subscript(self.expr(node.source), index, ast.Load()), node.place)

    def lower_invoke(self, node: Invoke) -> ast.expr:
        target = self.expr(node.target)
        arguments = [self.expr(argument) for argument in node.arguments]
        if node.target.nonnull:
            return at(ast.Call(target, arguments, []), node.place)
        held, test = self.held(target, node.place)
        return self.guarded(test, at(ast.Call(held, arguments, []), node.place), node.place)

    def lower_lambda(self, node: Lambda) -> ast.expr:
        from proxy.expressions.lower_statements import lower_function

        outside, self.checked_concat = self.checked_concat, True  # it may be called again with what it gave
        lower_function(self, node.function, node.function.python, node.place)
        self.checked_concat = outside
        return load(node.function.python, node.place)


Made = TypeVar("Made", bound=ast.AST)


def at(node: Made, place: Place = NOWHERE) -> Made:
    """Give a new node its C# position."""
    located: Any = node
    located.lineno, located.col_offset = place.line, place.column
    located.end_lineno, located.end_col_offset = place.end_line, place.end_column
    return node


def load(name: str, place: Place) -> ast.Name:
    return at(ast.Name(name, ast.Load()), place)


def store(name: str, place: Place) -> ast.Name:
    return at(ast.Name(name, ast.Store()), place)


__all__ = ["Function", "Lowering"]

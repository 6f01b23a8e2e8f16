"""The bound tree: what binding makes and lowering reads. Everything is resolved; nothing is looked up again.

Every expression node has a static type, a place and `nonnull`, true when its value cannot be null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proxy.expressions.errors import NOWHERE, Place
from proxy.expressions.types import Native, Type


@dataclass(eq=False, slots=True)
class Symbol:
    """A local variable, parameter or temporary. `owner` is the function it lives in.

    A `shared` variable is kept in a cell (a list of one): a loop makes it anew in each turn while closures write to it,
    or it is passed by reference.
    """

    name: str
    type: Type
    owner: Function
    python: str
    assignments: int = 0
    in_loop: bool = False
    constant: bool = False
    nonnull: bool = False
    # the value of a `const`
    value: Constant | None = None
    # passed by `ref` or `out`; `given` when it is such a parameter itself and arrives as a cell
    by_reference: bool = False
    given: bool = False
    captured: bool = False
    # a function that exists before the variable does captures it
    captured_early: bool = False
    place: Place = NOWHERE
    # what calls bind to when this names a local function
    local_function: Any = None

    @property
    def shared(self) -> bool:
        if self.by_reference:
            return True
        if self.local_function is not None or not (self.captured and self.in_loop):
            return False
        return self.captured_early or self.assignments > 1


@dataclass(eq=False, slots=True)
class Function:
    """One Python function to be: the expression itself, a lambda or a local function."""

    parent: Function | None
    python: str
    parameters: list[Symbol] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    nonlocals: set[str] = field(default_factory=set)
    captured: dict[str, Symbol] = field(default_factory=dict)
    calls_out: bool = False
    # a local function: defined at the start of its block, so it may be called before its text
    hoisted: bool = False
    # the element type of what an iterator yields
    yields: Type | None = None
    body: list[Statement] = field(default_factory=list)


@dataclass(eq=False, slots=True, kw_only=True)
class Expr:
    type: Type
    place: Place = NOWHERE
    nonnull: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Constant(Expr):
    value: Any = None


@dataclass(eq=False, slots=True, kw_only=True)
class Local(Expr):
    symbol: Symbol


@dataclass(eq=False, slots=True, kw_only=True)
class Context(Expr):
    """The exchange itself."""


@dataclass(eq=False, slots=True, kw_only=True)
class Call(Expr):
    """A table function applied. With `checks`, a null first argument is a NullReferenceException."""

    native: Native
    arguments: list[Expr]
    checks: bool = False
    types: tuple[Type, ...] = ()


@dataclass(eq=False, slots=True, kw_only=True)
class Operator(Expr):
    """A Python operator on operands known to be fit for it: + - * < == ... and, or, not; `wrap` is a width in bits."""

    op: str
    operands: list[Expr]
    wrap: int = 0


@dataclass(eq=False, slots=True, kw_only=True)
class Concat(Expr):
    """String concatenation of operands that are all non-null strings."""

    operands: list[Expr]


@dataclass(eq=False, slots=True, kw_only=True)
class Conditional(Expr):
    test: Expr
    yes: Expr
    no: Expr


@dataclass(eq=False, slots=True, kw_only=True)
class Let(Expr):
    """Evaluate `bindings` into their symbols in order, then `effects`, then the value."""

    bindings: list[tuple[Symbol, Expr]]
    effects: list[Expr]
    value: Expr


@dataclass(eq=False, slots=True, kw_only=True)
class Assign(Expr):
    """Assignment to a local; its value is the assigned value."""

    symbol: Symbol
    value: Expr


@dataclass(eq=False, slots=True, kw_only=True)
class Reference(Expr):
    """A shared variable itself, not its value: what a `ref` or `out` parameter gets."""

    symbol: Symbol
    out: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class TupleLiteral(Expr):
    """`(a, b)`: each element still knows what it is, so that it converts as itself."""

    elements: list[Expr]


@dataclass(eq=False, slots=True, kw_only=True)
class Item(Expr):
    """One of the results of a call with out parameters."""

    source: Expr
    index: int


@dataclass(eq=False, slots=True, kw_only=True)
class Lambda(Expr):
    function: Function


@dataclass(eq=False, slots=True, kw_only=True)
class Invoke(Expr):
    """A call of a delegate value."""

    target: Expr
    arguments: list[Expr]


@dataclass(eq=False, slots=True, kw_only=True)
class Unbound(Expr):
    """A lambda that waits for its delegate type, `null`, `default`, or a method group. Never lowered."""

    bind: Callable[[Type], Expr] | None = None
    arity: int = -1
    kind: str = "lambda"
    explicit: tuple[Type, ...] = ()
    # the type of a lambda's body once its parameters have these types; None when it has no value
    body_type: Callable[[list[Type]], Type | None] | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Statement:
    place: Place = NOWHERE


@dataclass(eq=False, slots=True, kw_only=True)
class Evaluate(Statement):
    value: Expr


@dataclass(eq=False, slots=True, kw_only=True)
class Return(Statement):
    value: Expr | None


@dataclass(eq=False, slots=True, kw_only=True)
class If(Statement):
    test: Expr
    yes: list[Statement]
    no: list[Statement]


@dataclass(eq=False, slots=True, kw_only=True)
class Loop(Statement):
    """while, do (`post`) and for. `test` None is an endless loop."""

    test: Expr | None
    body: list[Statement]
    step: list[Statement] = field(default_factory=list)
    post: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class ForEach(Statement):
    """`element` takes each item; `prepare` makes of it the variables that the body sees."""

    source: Expr
    element: Symbol
    body: list[Statement]
    prepare: list[Statement] = field(default_factory=list)


@dataclass(eq=False, slots=True, kw_only=True)
class Section:
    """Of a switch: its tests, whether it is the default, and its statements; `aimed` when a `goto` leads here."""

    tests: list[Expr]
    default: bool
    body: list[Statement]
    # `case` constants by value, for `goto case`
    values: list[Any] = field(default_factory=list)
    aimed: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Switch(Statement):
    """The first section with a true test runs, else the default; no section falls into the next."""

    sections: list[Section]


@dataclass(eq=False, slots=True)
class Label:
    """A place in a block that `goto` may name."""

    name: str
    place: Place = NOWHERE
    aimed: bool = False


@dataclass(eq=False, slots=True, kw_only=True)
class Labels(Statement):
    """Statements cut where labels stand: the first piece has none."""

    pieces: list[tuple[Label | None, list[Statement]]]


@dataclass(eq=False, slots=True, kw_only=True)
class Goto(Statement):
    target: Label | Section | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Yield(Statement):
    """`yield return`."""

    value: Expr


@dataclass(eq=False, slots=True, kw_only=True)
class Declare(Statement):
    """A variable without a value."""

    symbol: Symbol


@dataclass(eq=False, slots=True, kw_only=True)
class Enter(Statement):
    """The start of a block: its shared variables are new."""

    symbols: list[Symbol]


@dataclass(eq=False, slots=True, kw_only=True)
class Catch:
    type: Type
    place: Place
    symbol: Symbol | None
    test: Expr | None
    body: list[Statement]


@dataclass(eq=False, slots=True, kw_only=True)
class Try(Statement):
    body: list[Statement]
    catches: list[Catch]
    final: list[Statement]


@dataclass(eq=False, slots=True, kw_only=True)
class Throw(Statement):
    value: Expr | None


@dataclass(eq=False, slots=True, kw_only=True)
class Jump(Statement):
    """break or continue."""

    kind: str


@dataclass(eq=False, slots=True, kw_only=True)
class Define(Statement):
    """A local function."""

    symbol: Symbol
    function: Function

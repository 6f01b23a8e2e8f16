"""Phase 2: names to members, types to expressions. `Binder` holds the state; the `bind_*` files hold the rules.

Rules
1. A name is a local variable, `context`, a type of the table, or an error.
2. A member is found in the table or it does not exist.
3. Every conversion that C# would insert stands in the tree as a call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tree_sitter import Node

from proxy.expressions.conversions import NULL, Conversion, explicit
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import convertible
from proxy.expressions.parse import Syntax, text_of
from proxy.expressions.tree import (
    Call,
    Conditional,
    Constant,
    Expr,
    Function,
    Label,
    Let,
    Local,
    Operator,
    Return,
    Statement,
    Symbol,
    TupleLiteral,
    Unbound,
)
from proxy.expressions.types import BITS, Native, Type, nullable_of, type_of_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.expressions.bind_recovery import Recovery

BindExpression = Callable[["Binder", Node], Expr]
BindStatement = Callable[["Binder", Node, list[Statement]], None]

EXPRESSIONS: dict[str, BindExpression] = {}
STATEMENTS: dict[str, BindStatement] = {}
# A chain is a.b().c[d]: a `?.` in it skips the rest of the chain.
CHAIN = (
    "member_access_expression",
    "invocation_expression",
    "element_access_expression",
    "conditional_access_expression",
)
MAX_DEPTH = 150

OBJECT, STRING, BOOL, INT, VOID = (type_of_name(name) for name in ("object", "string", "bool", "int", "void"))


def binds(*kinds: str) -> Callable[[BindExpression], BindExpression]:
    def register(function: BindExpression) -> BindExpression:
        for kind in kinds:
            EXPRESSIONS[kind] = function
        return function

    return register


def binds_statement(*kinds: str) -> Callable[[BindStatement], BindStatement]:
    def register(function: BindStatement) -> BindStatement:
        for kind in kinds:
            STATEMENTS[kind] = function
        return function

    return register


class Scope(dict[str, Symbol]):
    """The names of a block; `inner` has those of the blocks in it that are done."""

    def __init__(self) -> None:
        super().__init__()
        self.inner: set[str] = set()


class Binder:
    """The state of binding one source."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.function = Function(None, "expression")
        self.scopes: list[Scope] = [Scope()]
        # variables that may be read only once C# can prove that they have a value
        self.unassigned: list[Symbol] = []
        self.current: Node = syntax.root
        self.guards: list[tuple[Symbol, Expr]] = []
        self.loops = 0
        self.depth = 0
        self.unchecked = False
        self.checked = False
        self.serial = 0
        # in a second look at a body that does not compile
        self.recovery: Recovery | None = None
        # the type that `return` must have, and the returns met so far, of the function being bound
        self.returns: list[Return] = []
        self.jumps: list[str] = []
        # the labels and local functions' type parameters in scope
        self.labels: list[dict[str, Label]] = []
        # of each switch around: the type of its value, and the `goto case` in it
        self.switches: list[tuple[Type, list[tuple[Any, Node]]]] = []
        self.type_names: dict[str, Type] = {}
        # operator expressions that the grammar put before a `?.`, and the operand that belongs there
        self.substitutes: dict[int, Node] = {}
        source = syntax.root.text or b""
        self.has_conditional_access = b"?." in source or b"?[" in source

    def receiver_of(self, node: Node) -> Node:
        """What a `?.` is applied to."""
        condition = node.child_by_field_name("condition")
        assert condition is not None
        while condition.id in self.substitutes:
            condition = self.substitutes[condition.id]
        return condition

    def place(self, node: Node) -> Place:
        return self.syntax.place(node)

    def error(self, node: Node, message: str) -> Finding:
        return Finding(message, self.place(node))

    # names

    def symbol(self, name: str, kind: Type, *, nonnull: bool = False) -> Symbol:
        """A new variable of the current function, not yet in scope."""
        self.serial += 1
        made = Symbol(name, kind, self.function, f"v{self.serial}", in_loop=self.loops > 0, nonnull=nonnull)
        self.function.symbols.append(made)
        return made

    def declare(self, node: Node, name: str, kind: Type, *, inline: bool = False) -> Symbol:
        """A new variable in scope; `inline` when an expression declares it (`out var x`, `is T x`)."""
        if any(name in scope for scope in self.scopes) or name == "context":
            raise self.error(node, f"A local variable or function named '{name}' is already defined in this scope")
        if name in self.scopes[-1].inner:
            raise self.error(
                node,
                f"A local variable named '{name}' cannot be declared here: a block above in this scope has the name",
            )
        made = self.symbol(name, kind)
        made.place = self.place(node)
        # a lambda in the same statement is made before the statement runs
        made.captured_early = inline
        if inline:
            self.unassigned.append(made)
        self.scopes[-1][name] = made
        return made

    def declared(self) -> list[Symbol]:
        """The variables of the innermost scope."""
        return list(self.scopes[-1].values())

    def lookup(self, name: str) -> Symbol | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def use(self, symbol: Symbol) -> None:
        """Note that the functions between here and the owner capture the symbol."""
        function: Function | None = self.function
        while function is not None and function is not symbol.owner:
            function.captured[symbol.python] = symbol
            symbol.captured = True
            symbol.captured_early = symbol.captured_early or function.hoisted
            function = function.parent

    def assigned(self, symbol: Symbol) -> None:
        self.use(symbol)
        symbol.assignments += 1
        function: Function | None = self.function
        if function is not symbol.owner:
            while function is not None and function is not symbol.owner:
                function.nonlocals.add(symbol.python)
                function = function.parent
            symbol.assignments += 1

    @contextmanager
    def arithmetic(self, *, checked: bool) -> Iterator[None]:
        """Inside `checked` or `unchecked`."""
        outer = self.checked, self.unchecked
        self.checked, self.unchecked = checked, not checked
        try:
            yield
        finally:
            self.checked, self.unchecked = outer

    @contextmanager
    def scope(self) -> Iterator[None]:
        self.scopes.append(Scope())
        try:
            yield
        finally:
            self.left(self.scopes.pop())

    def left(self, scope: Scope) -> None:
        """The names of a block that is done; none may be declared after it in the block around."""
        self.scopes[-1].inner |= scope.keys() | scope.inner

    # expressions

    def expr(self, node: Node) -> Expr:
        """An expression with a type; the end of a `?.` chain is closed here."""
        if self.has_conditional_access and node.type in CHAIN:
            from proxy.expressions.bind_precedence import displaced, rebind

            operator = displaced(self, node)
            if operator is not None:
                return rebind(self, node, operator)
        outer, self.guards = self.guards, []
        try:
            found = self.raw(node)
            return self.close(found, node) if self.guards else found
        finally:
            self.guards = outer

    def raw(self, node: Node) -> Expr:
        """As `expr`, but inside a chain: its `?.` guards stay open."""
        handler = EXPRESSIONS.get(node.type)
        if handler is None:
            words = node.type.removesuffix("_expression").replace("_", " ")
            article = "An" if words[0] in "aeiou" else "A"
            raise self.error(node, f"{article} {words} is not supported within expressions")
        self.depth += 1
        self.current = node
        try:
            if self.depth > MAX_DEPTH:
                raise self.error(node, f"The expression nests deeper than {MAX_DEPTH} levels")
            return handler(self, node)
        finally:
            self.depth -= 1

    def close(self, body: Expr, node: Node) -> Expr:
        """Null if a guard is null, else the body."""
        place = self.place(node)
        kind = body.type if not body.type.is_value or body.type.is_nullable else nullable_of(body.type)
        result = body
        for symbol, value in reversed(self.guards):
            probe = Let(
                type=symbol.type,
                place=place,
                bindings=[(symbol, value)],
                effects=[],
                value=Local(type=symbol.type, symbol=symbol),
            )
            test = Operator(type=BOOL, place=place, op="is null", operands=[probe], nonnull=True)
            nothing = Constant(type=kind, place=place, value=None)
            result = Conditional(type=kind, place=place, test=test, yes=nothing, no=result)
        if kind is VOID:
            result.type = VOID
        return result

    def value(self, node: Node) -> Expr:
        """An expression that has a value of its own."""
        found = self.expr(node)
        if isinstance(found, Unbound):
            raise self.error(node, "The type of this expression cannot be known here; name it")
        if found.type is VOID:
            raise self.error(node, "This call returns nothing and cannot be used as a value")
        return found

    def condition(self, node: Node) -> Expr:
        return self.convert(self.expr(node), BOOL, self.place(node))

    def convert(self, value: Expr, target: Type, place: Place | None = None) -> Expr:
        """`value` as the type `target`, by an implicit conversion; raises when C# has none."""
        found = convertible(value, target)
        where = place or value.place
        if found is None:
            name = (
                "null" if value.type is NULL else "lambda expression" if isinstance(value, Unbound) else str(value.type)
            )
            raise Finding(_refusal(value, name, target), where)
        if isinstance(value, Unbound):
            assert value.bind is not None
            return value.bind(target)
        if isinstance(value, TupleLiteral) and target.underlying.is_tuple:
            parts = zip(value.elements, target.underlying.args, strict=True)
            elements = [self.convert(element, part) for element, part in parts]
            return TupleLiteral(type=target, place=value.place, nonnull=True, elements=elements)
        return self.apply(value, target, found)

    def apply(self, value: Expr, target: Type, conversion: Conversion) -> Expr:
        """Put a conversion into the tree."""
        native = conversion.native
        if native is None:
            if value.type is target or (isinstance(value, TupleLiteral) and target.name == "object"):
                return value
            if isinstance(value, Constant):
                return Constant(type=target, place=value.place, nonnull=value.nonnull, value=value.value)
            return _retyped(value, target)
        if (
            isinstance(value, Constant)
            and value.type.name in ("int", "char", "double")
            and native.function
            and (target.underlying.name in ("long", "double", "float", "decimal", "int"))
        ):
            return Constant(type=target, place=value.place, nonnull=True, value=native.function(value.value))
        nonnull = (value.nonnull and conversion.keeps_null) or (target.is_value and not target.is_nullable)
        return Call(type=target, place=value.place, nonnull=nonnull, native=native, arguments=[value])

    def local(self, symbol: Symbol, place: Place) -> Local:
        self.use(symbol)
        sure = symbol.nonnull or (symbol.type.is_value and not symbol.type.is_nullable)
        return Local(type=symbol.type, place=place, symbol=symbol, nonnull=sure)

    def call(self, function: Callable[..., Any], arguments: list[Expr], kind: Type, place: Place) -> Call:
        """A call of one of our own functions."""
        sure = kind.is_value and not kind.is_nullable
        return Call(type=kind, place=place, nonnull=sure, native=Native(function), arguments=arguments)

    def text(self, node: Node) -> str:
        return text_of(node)


def _refusal(value: Expr, name: str, target: Type) -> str:
    """Why the value does not convert, as C# says it."""
    if isinstance(value, Unbound) and value.kind == "group":
        return f"Cannot convert method group to non-delegate type '{target}'. Did you intend to invoke the method?"
    if isinstance(value, Constant) and value.type is INT and target.name in BITS:
        return f"Constant value '{value.value}' cannot be converted to a '{target}'"
    if isinstance(value, Constant) and value.type.name == "double" and target.name in ("float", "decimal"):
        suffix = "F" if target.name == "float" else "M"
        return (
            f"Literal of type double cannot be implicitly converted to type '{target}'; use an '{suffix}' suffix to "
            "create a literal of this type"
        )
    text = f"Cannot implicitly convert type '{name}' to '{target}'"
    if isinstance(value, Unbound) or value.type is NULL or explicit(value.type, target) is None:
        return text
    return f"{text}. An explicit conversion exists (are you missing a cast?)"


def _retyped(value: Expr, target: Type) -> Expr:
    """The same value seen as another type: a conditional that costs nothing is not needed, a shallow copy is."""
    import copy

    made = copy.copy(value)
    made.type = target
    return made

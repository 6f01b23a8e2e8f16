"""Statements and functions to Python `ast`."""

from __future__ import annotations

import ast

from proxy.expressions.dotnet.exceptions import catches, make_catchable, raise_exception
from proxy.expressions.dotnet.values import Sequence
from proxy.expressions.errors import NOWHERE, Place
from proxy.expressions.lower import Lowering, at, load, store
from proxy.expressions.lower_jumps import jump, lower_foreach, lower_labels, lower_loop, lower_switch
from proxy.expressions.runtime import DotNetError, budget, enter, exhausted, leave
from proxy.expressions.tree import (
    Assign,
    Declare,
    Define,
    Enter,
    Evaluate,
    Expr,
    ForEach,
    Function,
    Goto,
    If,
    Jump,
    Labels,
    Let,
    Local,
    Loop,
    Return,
    Statement,
    Switch,
    Symbol,
    Throw,
    Try,
    Yield,
)


def statements(low: Lowering, body: list[Statement], place: Place) -> list[ast.stmt]:
    """A block of its own; never empty."""
    outer, low.block = low.block, []
    for statement in body:
        lower_statement(low, statement)
    made, low.block = low.block, outer
    return made or [at(ast.Pass(), place)]


def emit(low: Lowering, statement: ast.stmt, place: Place) -> None:
    low.block.append(at(statement, place))


def lower_statement(low: Lowering, node: Statement) -> None:
    place = node.place
    match node:
        case Evaluate():
            _evaluate(low, node.value, place)
        case Return():
            value = low.expr(node.value) if node.value is not None else None
            emit(low, ast.Return(value), place)
        case If():
            test = low.expr(node.test)
            emit(
                low,
                ast.If(test, statements(low, node.yes, place), statements(low, node.no, place) if node.no else []),
                place,
            )
        case Loop():
            lower_loop(low, node)
        case ForEach():
            lower_foreach(low, node)
        case Switch():
            lower_switch(low, node)
        case Try():
            _try(low, node)
        case Throw():
            _throw(low, node)
        case Labels():
            lower_labels(low, node)
        case Jump() | Goto():
            jump(low, node)
        case Define():
            lower_function(low, node.function, node.symbol.python, place)
        case Declare():
            return
        case Enter():
            for symbol in node.symbols:
                if symbol.shared and symbol.in_loop:
                    emit(low, ast.Assign([store(symbol.python, place)], _cell(place)), place)
        case Yield():
            emit(low, ast.Expr(at(ast.Yield(low.expr(node.value)), place)), place)
        case _:
            raise AssertionError(type(node).__name__)


def _cell(place: Place, value: ast.expr | None = None) -> ast.expr:
    """A new shared variable."""
    return at(ast.List([value or at(ast.Constant(None), place)], ast.Load()), place)


def variable(symbol: Symbol, place: Place) -> ast.expr:
    """What a statement assigns to when the C# assigns to this variable."""
    if not symbol.shared:
        return store(symbol.python, place)
    return at(ast.Subscript(load(symbol.python, place), at(ast.Constant(0), place), ast.Store()), place)


def _evaluate(low: Lowering, value: Expr, place: Place) -> None:
    if isinstance(value, Assign):
        made = low.expr(value.value)
        emit(low, ast.Assign([variable(value.symbol, place)], made), place)
        return
    if isinstance(value, Let):
        for symbol, bound in value.bindings:
            emit(low, ast.Assign([store(symbol.python, place)], low.expr(bound)), place)
        for effect in value.effects:
            _evaluate(low, effect, place)
        if not isinstance(value.value, Local):
            emit(low, ast.Expr(low.expr(value.value)), place)
        return
    emit(low, ast.Expr(low.expr(value)), place)


def tick(low: Lowering, place: Place) -> None:
    """budget.left -= 1; if budget.left < 0: exhausted()"""
    name = low.constant(budget)

    def left(context: ast.expr_context) -> ast.expr:
        made: ast.expr = at(ast.Attribute(load(name, place), "left", context), place)
        return made

    emit(low, ast.AugAssign(left(ast.Store()), ast.Sub(), at(ast.Constant(1), place)), place)  # type: ignore[arg-type]
    test = at(ast.Compare(left(ast.Load()), [ast.Lt()], [at(ast.Constant(0), place)]), place)
    stop = at(ast.Expr(at(ast.Call(load(low.constant(exhausted), place), [], []), place)), place)
    emit(low, ast.If(test, [stop], []), place)


def _try(low: Lowering, node: Try) -> None:
    place = node.place
    body = statements(low, node.body, place)
    handlers: list[ast.ExceptHandler] = []
    if node.catches:
        caught = low.temporary()
        orelse: list[ast.stmt] = [at(ast.Raise(), place)]
        for clause in reversed(node.catches):
            name = load(caught, place)
            test: ast.expr = at(
                ast.Call(
                    load(low.constant(catches), place), [name, at(ast.Constant(clause.type.full_name), place)], []
                ),
                place,
            )
            outer, low.block = low.block, []
            if clause.symbol is not None and clause.test is None:
                emit(low, ast.Assign([variable(clause.symbol, place)], load(caught, place)), place)
            inner = low.block + statements(low, clause.body, place)
            low.block = outer
            if clause.test is not None:
                if clause.symbol is not None:
                    bind = low.store_value(clause.symbol, load(caught, place), place)
                    kept = at(ast.Compare(bind, [ast.IsNot()], [at(ast.Constant(None), place)]), place)
                    test = at(ast.BoolOp(ast.And(), [test, kept]), place)
                test = at(ast.BoolOp(ast.And(), [test, low.expr(clause.test)]), place)
            orelse = [at(ast.If(test, inner, orelse), place)]
        raw = low.temporary()
        convert = at(ast.Call(load(low.constant(make_catchable), place), [load(raw, place)], []), place)
        first = at(ast.Assign([store(caught, place)], convert), place)
        kind = load(low.constant(Exception), place)
        handlers.append(at(ast.ExceptHandler(kind, raw, [first, *orelse]), place))
    final = statements(low, node.final, place) if node.final else []
    if not handlers and not final:
        low.block += body
        return
    emit(low, ast.Try(body, handlers, [], final), place)


def _throw(low: Lowering, node: Throw) -> None:
    if node.value is None:
        emit(low, ast.Raise(), node.place)
        return
    call = at(ast.Call(load(low.constant(raise_exception), node.place), [low.expr(node.value)], []), node.place)
    emit(low, ast.Expr(call), node.place)


def lower_function(low: Lowering, function: Function, name: str, place: Place) -> None:
    """Put the definition of a lambda or local function before the current statement."""
    outer, low.block = low.block, []
    frames, low.frames = low.frames, []
    if not function.calls_out or function.yields is not None:
        tick(low, place)
    _initialise(low, function, place)
    for statement in function.body:
        lower_statement(low, statement)
    body, low.block = low.block, outer
    low.frames = frames
    head: list[ast.stmt] = []
    if function.nonlocals:
        shared = {symbol.python for symbol in function.captured.values() if symbol.shared}
        names = sorted(function.nonlocals - shared)
        head = [at(ast.Nonlocal(names), place)] if names else []
    if function.yields is not None:
        body = _iterator(low, function, [*head, *body], place)
    elif function.calls_out:
        begin = at(ast.Expr(at(ast.Call(load(low.constant(enter), place), [], []), place)), place)
        end = at(ast.Expr(at(ast.Call(load(low.constant(leave), place), [], []), place)), place)
        body = [*head, begin, at(ast.Try(body or [at(ast.Pass(), place)], [], [], [end]), place)]
    else:
        body = [*head, *body]
    kept = [symbol for symbol in function.captured.values() if _kept(symbol, function)]
    arguments = ast.arguments(
        posonlyargs=[],
        args=[at(ast.arg(symbol.python), place) for symbol in function.parameters],
        kwonlyargs=[at(ast.arg(symbol.python), place) for symbol in kept],
        kw_defaults=[load(symbol.python, place) for symbol in kept],
        defaults=[],
    )
    emit(low, ast.FunctionDef(name, arguments, body or [at(ast.Pass(), place)], [], None), place)


def _kept(symbol: Symbol, function: Function) -> bool:
    """Whether the function keeps this turn's variable instead of looking at the current one."""
    if not symbol.in_loop or symbol.python in (parameter.python for parameter in function.parameters):
        return False
    if symbol.shared:
        return True
    return symbol.assignments <= 1 and symbol.python not in function.nonlocals and not function.hoisted


def _iterator(low: Lowering, function: Function, body: list[ast.stmt], place: Place) -> list[ast.stmt]:
    """def g(*, own copies of the parameters): body; return Sequence(g, element type)"""
    assert function.yields is not None
    name = low.temporary()
    # a body without a reachable `yield return` is an iterator too
    never = at(ast.If(at(ast.Constant(False), place), [at(ast.Expr(at(ast.Yield(None), place)), place)], []), place)
    arguments = ast.arguments(
        posonlyargs=[],
        args=[],
        kwonlyargs=[at(ast.arg(symbol.python), place) for symbol in function.parameters],
        kw_defaults=[load(symbol.python, place) for symbol in function.parameters],
        defaults=[],
    )
    inner = at(ast.FunctionDef(name, arguments, [*body, never], [], None), place)
    made = at(
        ast.Call(
            load(low.constant(Sequence), place),
            [load(name, place), load(low.constant(function.yields.plain), place)],
            [],
        ),
        place,
    )
    return [inner, at(ast.Return(made), place)]


def _initialise(low: Lowering, function: Function, place: Place) -> None:
    """Named variables that a nested function shares exist from the start, so that Python can close over them."""
    names = [symbol for symbol in function.symbols if symbol.name and symbol not in function.parameters]
    plain_names = [store(symbol.python, place) for symbol in names if not symbol.shared]
    if plain_names:
        targets: list[ast.expr] = [*plain_names]
        emit(low, ast.Assign(targets, at(ast.Constant(None), place)), place)
    for symbol in names:
        if symbol.shared:
            emit(low, ast.Assign([store(symbol.python, place)], _cell(place)), place)
    for symbol in function.parameters:
        if symbol.shared and not symbol.given:
            cell = _cell(place, load(symbol.python, place))
            emit(low, ast.Assign([store(symbol.python, place)], cell), place)


def lower_entry(low: Lowering, function: Function) -> ast.Module:
    """The module that defines `expression(context)`."""
    low.block = []
    _initialise(low, function, NOWHERE)
    for statement in function.body:
        lower_statement(low, statement)
    arguments = ast.arguments(posonlyargs=[], args=[at(ast.arg("context"))], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Module([at(ast.FunctionDef("expression", arguments, low.block, [], None))], [])


__all__ = ["DotNetError", "lower_entry"]

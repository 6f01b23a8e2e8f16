"""Statements and functions to Python `ast`."""

from __future__ import annotations

import ast

from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.exceptions import catches, make_catchable, raise_exception
from proxy.expressions.errors import NOWHERE, Place
from proxy.expressions.lower import Lowering, at, load, store
from proxy.expressions.runtime import DotNetError, budget, enter, exhausted, leave
from proxy.expressions.tree import (
    Assign,
    Define,
    Evaluate,
    Expr,
    ForEach,
    Function,
    If,
    Jump,
    Let,
    Local,
    Loop,
    Return,
    Statement,
    Switch,
    Throw,
    Try,
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
            _loop(low, node)
        case ForEach():
            _foreach(low, node)
        case Switch():
            _switch(low, node)
        case Try():
            _try(low, node)
        case Throw():
            _throw(low, node)
        case Jump():
            emit(low, ast.Break() if node.kind == "break" else ast.Continue(), place)
        case Define():
            lower_function(low, node.function, node.symbol.python, place)
        case _:
            raise AssertionError(type(node).__name__)


def _evaluate(low: Lowering, value: Expr, place: Place) -> None:
    if isinstance(value, Assign):
        emit(low, ast.Assign([store(value.symbol.python, place)], low.expr(value.value)), place)
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


def _tick(low: Lowering, place: Place) -> None:
    """budget.left -= 1; if budget.left < 0: exhausted()"""
    name = low.constant(budget)

    def left(context: ast.expr_context) -> ast.expr:
        made: ast.expr = at(ast.Attribute(load(name, place), "left", context), place)
        return made

    emit(low, ast.AugAssign(left(ast.Store()), ast.Sub(), at(ast.Constant(1), place)), place)  # type: ignore[arg-type]
    test = at(ast.Compare(left(ast.Load()), [ast.Lt()], [at(ast.Constant(0), place)]), place)
    stop = at(ast.Expr(at(ast.Call(load(low.constant(exhausted), place), [], []), place)), place)
    emit(low, ast.If(test, [stop], []), place)


def _leave_unless(low: Lowering, test: Expr, place: Place) -> None:
    condition = at(ast.UnaryOp(ast.Not(), low.expr(test)), place)
    emit(low, ast.If(condition, [at(ast.Break(), place)], []), place)


def _loop(low: Lowering, node: Loop) -> None:
    """while True: tick; [step unless first]; [test]; body; [post test]"""
    place = node.place
    continues = bool(node.step or node.post) and _continues(node.body)
    first = low.temporary() if continues else ""
    if continues:
        emit(low, ast.Assign([store(first, place)], at(ast.Constant(True), place)), place)
    outer, low.block = low.block, []
    _tick(low, place)
    if continues:
        inner, low.block = low.block, []
        if node.post:
            assert node.test is not None
            _leave_unless(low, node.test, place)
        for statement in node.step:
            lower_statement(low, statement)
        later, low.block = low.block, inner
        reset = at(ast.Assign([store(first, place)], at(ast.Constant(False), place)), place)
        emit(low, ast.If(load(first, place), [reset], later or [at(ast.Pass(), place)]), place)
    if node.test is not None and not node.post:
        _leave_unless(low, node.test, place)
    for statement in node.body:
        lower_statement(low, statement)
    if not continues:
        if node.post:
            assert node.test is not None
            _leave_unless(low, node.test, place)
        for statement in node.step:
            lower_statement(low, statement)
    body, low.block = low.block, outer
    emit(low, ast.While(at(ast.Constant(True), place), body, []), place)


def _continues(body: list[Statement]) -> bool:
    """Whether a `continue` of this loop stands in `body`."""
    for statement in body:
        match statement:
            case Jump(kind="continue"):
                return True
            case If():
                if _continues(statement.yes) or _continues(statement.no):
                    return True
            case Try():
                if any(map(_continues, [statement.body, *(c.body for c in statement.catches), statement.final])):
                    return True
            case Switch():
                if any(_continues(part) for _, part in statement.sections):
                    return True
    return False


def _foreach(low: Lowering, node: ForEach) -> None:
    place = node.place
    source = low.expr(node.source)
    items = at(ast.Call(load(low.constant(iterate), place), [source], []), place)
    outer, low.block = low.block, []
    _tick(low, place)
    if node.convert is not None:
        element = Local(type=node.element.type, place=place, symbol=node.element, nonnull=node.element.nonnull)
        emit(low, ast.Assign([store(node.symbol.python, place)], low.expr(node.convert(element))), place)
    for statement in node.body:
        lower_statement(low, statement)
    body, low.block = low.block, outer
    target = node.symbol if node.convert is None else node.element
    emit(low, ast.For(store(target.python, place), items, body, []), place)


def _switch(low: Lowering, node: Switch) -> None:
    """while True: if/elif sections; break. A `continue` of the loop around it is carried out after it."""
    place = node.place
    carries = any(_continues(part) for _, part in node.sections)
    flag = low.temporary() if carries else ""
    if carries:
        emit(low, ast.Assign([store(flag, place)], at(ast.Constant(False), place)), place)
    outer, low.block = low.block, []
    default: list[Statement] = []
    chosen: list[tuple[ast.expr, list[ast.stmt]]] = []
    for tests, part in node.sections:
        marked = _flagged(part, flag) if carries else part
        if tests is None:
            default = marked
            continue
        values = [low.expr(test) for test in tests]
        condition = values[0] if len(values) == 1 else at(ast.BoolOp(ast.Or(), values), place)
        chosen.append((condition, statements(low, marked, place)))
    orelse = statements(low, default, place) if default else []
    for condition, part_body in reversed(chosen):
        orelse = [at(ast.If(condition, part_body, orelse), place)]
    low.block += orelse
    emit(low, ast.Break(), place)
    body, low.block = low.block, outer
    emit(low, ast.While(at(ast.Constant(True), place), body, []), place)
    if carries:
        emit(low, ast.If(load(flag, place), [at(ast.Continue(), place)], []), place)


class _SetFlag(Statement):
    """Raise the flag of a switch and leave it."""

    __slots__ = ("name",)

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place


def _flagged(body: list[Statement], flag: str) -> list[Statement]:
    """The statements with each `continue` turned into: raise the flag, break."""
    from proxy.expressions.tree import Constant
    from proxy.expressions.types import type_of_name

    made: list[Statement] = []
    for statement in body:
        match statement:
            case Jump(kind="continue"):
                from proxy.expressions.tree import Symbol

                bool_type = type_of_name("bool")
                symbol = Symbol("", bool_type, Function(None, ""), flag)
                true = Constant(type=bool_type, place=statement.place, value=True)
                made.append(Evaluate(value=Assign(type=bool_type, symbol=symbol, value=true), place=statement.place))
                made.append(Jump(kind="break", place=statement.place))
            case If():
                made.append(
                    If(
                        place=statement.place,
                        test=statement.test,
                        yes=_flagged(statement.yes, flag),
                        no=_flagged(statement.no, flag),
                    )
                )
            case Try():
                for clause in statement.catches:
                    clause.body = _flagged(clause.body, flag)
                statement.body = _flagged(statement.body, flag)
                made.append(statement)
            case _:
                made.append(statement)
    return made


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
                ast.Call(load(low.constant(catches), place), [name, at(ast.Constant(clause.kind), place)], []), place
            )
            outer, low.block = low.block, []
            if clause.symbol is not None and clause.test is None:
                emit(low, ast.Assign([store(clause.symbol.python, place)], load(caught, place)), place)
            inner = low.block + statements(low, clause.body, place)
            low.block = outer
            if clause.test is not None:
                if clause.symbol is not None:
                    bind = at(ast.NamedExpr(store(clause.symbol.python, place), load(caught, place)), place)
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
    _tick(low, place) if not function.calls_out else None
    _initialise(low, function, place)
    for statement in function.body:
        lower_statement(low, statement)
    body, low.block = low.block, outer
    if function.nonlocals:
        body.insert(0, at(ast.Nonlocal(sorted(function.nonlocals)), place))
    if function.calls_out:
        begin = at(ast.Expr(at(ast.Call(load(low.constant(enter), place), [], []), place)), place)
        end = at(ast.Expr(at(ast.Call(load(low.constant(leave), place), [], []), place)), place)
        head = body[:1] if function.nonlocals else []
        body = [*head, begin, at(ast.Try(body[len(head) :] or [at(ast.Pass(), place)], [], [], [end]), place)]
    kept = [
        symbol
        for symbol in function.captured.values()
        if symbol.in_loop
        and symbol.assignments <= 1
        and symbol.python not in function.nonlocals
        and not function.hoisted
    ]
    arguments = ast.arguments(
        posonlyargs=[],
        args=[at(ast.arg(symbol.python), place) for symbol in function.parameters],
        kwonlyargs=[at(ast.arg(symbol.python), place) for symbol in kept],
        kw_defaults=[load(symbol.python, place) for symbol in kept],
        defaults=[],
    )
    emit(low, ast.FunctionDef(name, arguments, body, [], None), place)


def _initialise(low: Lowering, function: Function, place: Place) -> None:
    """Named variables that a nested function shares exist from the start, so that Python can close over them."""
    names = [symbol for symbol in function.symbols if symbol.name and symbol not in function.parameters]
    targets: list[ast.expr] = [store(symbol.python, place) for symbol in names]
    if targets:
        emit(low, ast.Assign(targets, at(ast.Constant(None), place)), place)


def lower_entry(low: Lowering, function: Function) -> ast.Module:
    """The module that defines `expression(context)`."""
    low.block = []
    _initialise(low, function, NOWHERE)
    for statement in function.body:
        lower_statement(low, statement)
    arguments = ast.arguments(posonlyargs=[], args=[at(ast.arg("context"))], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Module([at(ast.FunctionDef("expression", arguments, low.block, [], None))], [])


__all__ = ["DotNetError", "lower_entry"]

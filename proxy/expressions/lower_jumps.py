"""Loops, switch, labels and the jumps between them.

Every C# loop is a Python `while True` or `for`; so are blocks with labels, and a switch that something jumps out of
from within. A jump to the innermost of them is Python's own; any other leaves the loops in between one by one, see
`Frame`.
"""

from __future__ import annotations

import ast

from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.errors import Place
from proxy.expressions.lower import Frame, Lowering, at, load, store
from proxy.expressions.tree import (
    Expr,
    ForEach,
    Goto,
    If,
    Jump,
    Labels,
    Loop,
    Section,
    Statement,
    Switch,
    Try,
)

BREAK, CONTINUE = 1, 2


def _set(low: Lowering, name: str, value: int, place: Place) -> None:
    low.block.append(at(ast.Assign([store(name, place)], at(ast.Constant(value), place)), place))


def jump(low: Lowering, node: Jump | Goto) -> None:
    place = node.place
    frames = low.frames
    if isinstance(node, Goto):
        target = next(frame for frame in reversed(frames) if node.target in frame.targets)
        _set(low, target.state, target.targets.index(node.target), place)
        code = CONTINUE
    else:
        code = BREAK if node.kind == "break" else CONTINUE
        kinds = ("loop", "switch") if code == BREAK else ("loop",)
        target = next(frame for frame in reversed(frames) if frame.kind in kinds)
        target.continued = target.continued or code == CONTINUE
    if target is frames[-1]:
        low.block.append(at(ast.Break() if code == BREAK else ast.Continue(), place))
        return
    target.pending = target.pending or low.temporary()
    _set(low, target.pending, code, place)
    low.block.append(at(ast.Break(), place))
    for frame in frames[frames.index(target) + 1 :]:
        if target not in frame.outward:
            frame.outward.append(target)


def _emit_frame(low: Lowering, frame: Frame, loop: ast.stmt, place: Place) -> None:
    """The finished loop, what it needs before it, and what follows for jumps that went over it."""
    if frame.pending:
        _set(low, frame.pending, 0, place)
    low.block.append(at(loop, place))
    for target in frame.outward:
        pending = load(target.pending, place)
        if low.frames[-1] is not target:
            low.block.append(at(ast.If(pending, [at(ast.Break(), place)], []), place))
            continue
        for code, statement in ((BREAK, ast.Break()), (CONTINUE, ast.Continue())):
            test = at(ast.Compare(pending, [ast.Eq()], [at(ast.Constant(code), place)]), place)
            clear = at(ast.Assign([store(target.pending, place)], at(ast.Constant(0), place)), place)
            low.block.append(at(ast.If(test, [clear, at(statement, place)], []), place))


def _leave_unless(low: Lowering, test: Expr, place: Place) -> None:
    condition = at(ast.UnaryOp(ast.Not(), low.expr(test)), place)
    low.block.append(at(ast.If(condition, [at(ast.Break(), place)], []), place))


def _part(low: Lowering, body: list[Statement]) -> list[ast.stmt]:
    from proxy.expressions.lower_statements import lower_statement

    outer, low.block = low.block, []
    for statement in body:
        lower_statement(low, statement)
    made, low.block = low.block, outer
    return made


def lower_loop(low: Lowering, node: Loop) -> None:
    """while True: tick; [step unless first]; [test]; body; [post test]"""
    from proxy.expressions.lower_statements import tick

    place = node.place
    frame = Frame("loop")
    low.frames.append(frame)
    body = _part(low, node.body)
    outer, low.block = low.block, []
    # what must happen between two turns, also after a `continue`
    between = _part(low, node.step)
    if node.post:
        assert node.test is not None
        low.block = []
        _leave_unless(low, node.test, place)
        between += low.block
        low.block = []
    early = bool(between) and frame.continued
    first = low.temporary() if early else ""
    tick(low, place)
    if early:
        reset = at(ast.Assign([store(first, place)], at(ast.Constant(False), place)), place)
        low.block.append(at(ast.If(load(first, place), [reset], between), place))
    if node.test is not None and not node.post:
        _leave_unless(low, node.test, place)
    low.block += body
    if not early:
        low.block += between
    whole, low.block = low.block, outer
    low.frames.pop()
    if early:
        low.block.append(at(ast.Assign([store(first, place)], at(ast.Constant(True), place)), place))
    _emit_frame(low, frame, ast.While(at(ast.Constant(True), place), whole, []), place)


def lower_foreach(low: Lowering, node: ForEach) -> None:
    from proxy.expressions.lower_statements import lower_statement, tick

    place = node.place
    source = low.expr(node.source)
    items = at(ast.Call(load(low.constant(iterate), place), [source], []), place)
    frame = Frame("loop")
    low.frames.append(frame)
    outer, low.block = low.block, []
    tick(low, place)
    name = node.element.python
    if node.element.shared:
        name = low.temporary()
        cell = at(ast.List([load(name, place)], ast.Load()), place)
        low.block.append(at(ast.Assign([store(node.element.python, place)], cell), place))
    for statement in [*node.prepare, *node.body]:
        lower_statement(low, statement)
    body, low.block = low.block, outer
    low.frames.pop()
    _emit_frame(low, frame, ast.For(store(name, place), items, body, []), place)


def lower_labels(low: Lowering, node: Labels) -> None:
    """state = 0; while True: tick; if state <= 0: piece; if state <= 1: piece ...; break"""
    from proxy.expressions.lower_statements import tick

    place = node.place
    if not any(label is not None and label.aimed for label, _ in node.pieces):
        for _, part in node.pieces:
            low.block += _part(low, part)
        return
    frame = Frame("labels", low.temporary(), [label for label, _ in node.pieces])
    low.frames.append(frame)
    outer, low.block = low.block, []
    tick(low, place)
    for index, (_, part) in enumerate(node.pieces):
        made = _part(low, part)
        if made:
            state = load(frame.state, place)
            test = at(ast.Compare(state, [ast.LtE()], [at(ast.Constant(index), place)]), place)
            low.block.append(at(ast.If(test, made, []), place))
    low.block.append(at(ast.Break(), place))
    body, low.block = low.block, outer
    low.frames.pop()
    _set(low, frame.state, 0, place)
    _emit_frame(low, frame, ast.While(at(ast.Constant(True), place), body, []), place)


def lower_switch(low: Lowering, node: Switch) -> None:
    """if/elif; inside `while True` only when a section leaves it from within."""
    parts = [_without_last_break(section.body) for section in node.sections]
    aimed = any(section.aimed for section in node.sections)
    mixed = any(section.default and section.tests for section in node.sections)
    if aimed or mixed:
        _switch_by_state(low, node, aimed=aimed)
        return
    framed = any(_leaves(part) for part in parts)
    frame = Frame("switch")
    place = node.place
    outer, low.block = low.block, []
    if framed:
        low.frames.append(frame)
    tests = [_test(low, section, place) for section in node.sections]
    made = [_part(low, part) for part in parts]
    chain = next((part for section, part in zip(node.sections, made, strict=True) if section.default), [])
    for section, test, part in reversed(list(zip(node.sections, tests, made, strict=True))):
        if not section.default:
            chain = [at(ast.If(test, part or [at(ast.Pass(), place)], chain), place)]
    low.block += chain
    if not framed:
        flat, low.block = low.block, outer
        low.block += flat
        return
    low.block.append(at(ast.Break(), place))
    body, low.block = low.block, outer
    low.frames.pop()
    _emit_frame(low, frame, ast.While(at(ast.Constant(True), place), body, []), place)


def _test(low: Lowering, section: Section, place: Place) -> ast.expr:
    values = [low.expr(test) for test in section.tests]
    if len(values) == 1:
        return values[0]
    return at(ast.BoolOp(ast.Or(), values), place) if values else at(ast.Constant(False), place)


def _switch_by_state(low: Lowering, node: Switch, *, aimed: bool) -> None:
    """state = number of the section; while True: if state == 1: ... elif ...; break"""
    from proxy.expressions.lower_statements import tick

    place = node.place
    frame = Frame("switch", low.temporary(), [None, *node.sections])
    tests = [_test(low, section, place) for section in node.sections]
    default = next((index for index, section in enumerate(node.sections, 1) if section.default), 0)
    chosen: list[ast.stmt] = [at(ast.Assign([store(frame.state, place)], at(ast.Constant(default), place)), place)]
    for index, test in reversed(list(enumerate(tests, 1))):
        take = at(ast.Assign([store(frame.state, place)], at(ast.Constant(index), place)), place)
        if node.sections[index - 1].tests:
            chosen = [at(ast.If(test, [take], chosen), place)]
    low.block += chosen
    low.frames.append(frame)
    outer, low.block = low.block, []
    if aimed:
        tick(low, place)
    chain: list[ast.stmt] = []
    for index, section in reversed(list(enumerate(node.sections, 1))):
        state = load(frame.state, place)
        test = at(ast.Compare(state, [ast.Eq()], [at(ast.Constant(index), place)]), place)
        chain = [at(ast.If(test, _part(low, section.body) or [at(ast.Pass(), place)], chain), place)]
    low.block += chain
    low.block.append(at(ast.Break(), place))
    body, low.block = low.block, outer
    low.frames.pop()
    _emit_frame(low, frame, ast.While(at(ast.Constant(True), place), body, []), place)


def _without_last_break(body: list[Statement]) -> list[Statement]:
    if body and isinstance(body[-1], Jump) and body[-1].kind == "break":
        return body[:-1]
    return body


def _leaves(body: list[Statement]) -> bool:
    """Whether a `break` of the switch around `body` stands in it, reached or not."""
    for statement in body:
        match statement:
            case Jump(kind="break"):
                return True
            case If() if _leaves(statement.yes) or _leaves(statement.no):
                return True
            case Try() if any(map(_leaves, [statement.body, *(clause.body for clause in statement.catches)])):
                return True
            case Labels() if any(_leaves(part) for _, part in statement.pieces):
                return True
    return False

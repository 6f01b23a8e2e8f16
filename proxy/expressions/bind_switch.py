"""The switch statement with `goto case`, and the switch expression."""

from __future__ import annotations

from typing import Any, NoReturn

from tree_sitter import Node

from proxy.expressions.bind import BOOL, Binder, Scope, binds, binds_statement
from proxy.expressions.bind_flow import falls_through
from proxy.expressions.bind_lambdas import common_type_of
from proxy.expressions.bind_patterns import bind_pattern, constant_test
from proxy.expressions.errors import Finding
from proxy.expressions.overloads import convertible
from proxy.expressions.parse import field_of, named
from proxy.expressions.runtime import DotNetError
from proxy.expressions.tree import (
    Assign,
    Call,
    Conditional,
    Constant,
    Enter,
    Evaluate,
    Expr,
    Goto,
    Let,
    Operator,
    Section,
    Statement,
    Switch,
    Unbound,
)
from proxy.expressions.types import Native, Type, type_of_name


@binds_statement("switch_statement")
def bind_switch(b: Binder, node: Node, into: list[Statement]) -> None:
    value = b.value(field_of(node, "value"))
    place = b.place(node)
    held = b.symbol("", value.type, nonnull=value.nonnull)
    into.append(Evaluate(value=Assign(type=value.type, place=place, symbol=held, value=value), place=place))
    sections: list[Section] = []
    # a `goto case` may stand before the section it names, so targets are found when all are known
    waiting: list[tuple[Goto, Node]] = []
    b.jumps.append("switch")
    b.switches.append((value.type, waiting))
    statement = Switch(place=place, sections=sections)
    groups = _groups(named(field_of(node, "body")))
    with b.scope():
        block = b.scopes[-1]
        for group in groups:
            sections.append(_section(b, group, b.local(held, place), block))
        into.append(Enter(place=place, symbols=b.declared()))
    b.switches.pop()
    b.jumps.pop()
    _check_values(b, groups, sections)
    for jump, target in waiting:
        jump.target = _target(b, jump, target, sections, value.type)
    into.append(statement)


def _groups(nodes: list[Node]) -> list[list[Node]]:
    """`case 1: case 2: body` parses as two sections, the first without statements."""
    groups: list[list[Node]] = [[]]
    for node in nodes:
        groups[-1].append(node)
        if any(_is_statement(child) for child in named(node)):
            groups.append([])
    return [group for group in groups if group]


def _is_statement(node: Node) -> bool:
    return node.type.endswith("_statement") or node.type == "block"


def _section(b: Binder, nodes: list[Node], value: Expr, block: Scope) -> Section:
    """Pattern variables belong to the section; what its statements declare to the whole switch block."""
    made = Section(tests=[], default=False, body=[])
    with b.scope():
        for node in nodes:
            made.default = made.default or any(child.type == "default" for child in node.children)
            for child in named(node):
                if _is_statement(child):
                    b.scopes.append(block)
                    _statement(b, child, made.body)
                    b.scopes.pop()
                elif child.type == "when_clause":
                    both = [made.tests[-1], b.condition(named(child)[0])]
                    made.tests[-1] = Operator(type=BOOL, place=value.place, nonnull=True, op="and", operands=both)
                    if made.values and made.values[-1][0] == len(made.tests):
                        made.values.pop()
                else:
                    _label(b, child, value, made)
        made.body.insert(0, Enter(place=value.place, symbols=b.declared()))
    if falls_through(made.body):
        raise b.error(nodes[-1], "Control cannot fall through from one case label to another; end it with break")
    return made


def _statement(b: Binder, node: Node, into: list[Statement]) -> None:
    from proxy.expressions.bind_statements import bind_statement

    bind_statement(b, node, into)


def _label(b: Binder, node: Node, value: Expr, made: Section) -> None:
    if node.type != "constant_pattern" and (node.type.endswith("pattern") or node.type == "discard"):
        made.tests.append(bind_pattern(b, node, value))
        return
    inner = named(node)[0] if node.type == "constant_pattern" else node
    wanted = b.expr(inner)
    made.tests.append(constant_test(b, value, wanted))
    if not isinstance(wanted, Constant):
        raise Finding("A constant value is expected", wanted.place)
    made.values.append((len(made.tests), wanted.value))


def _check_values(b: Binder, groups: list[list[Node]], sections: list[Section]) -> None:
    seen: set[tuple[str, Any]] = set()
    for group, section in zip(groups, sections, strict=True):
        for _, value in section.values:
            key = (type(value).__name__, value)
            if key in seen:
                raise b.error(group[0], f"The switch statement contains multiple cases with the label value '{value}'")
            seen.add(key)


def switch_goto(b: Binder, node: Node, into: list[Statement]) -> None:
    """`goto case 1;` and `goto default;`"""
    if not b.switches:
        raise b.error(node, "A goto case is only valid inside a switch statement")
    jump = Goto(place=b.place(node))
    b.switches[-1][1].append((jump, node))
    into.append(jump)


def _target(b: Binder, jump: Goto, node: Node, sections: list[Section], kind: Type) -> Section:
    inner = named(node)
    found: Section | None
    if not inner:
        found = next((section for section in sections if section.default), None)
        if found is None:
            raise Finding("No such label 'default:' within the scope of the goto statement", jump.place)
    else:
        wanted = b.expr(inner[0])
        if convertible(wanted, kind) is not None:
            wanted = b.convert(wanted, kind)
        value = wanted.value if isinstance(wanted, Constant) else None
        found = next((s for s in sections if any(_same(value, one) for _, one in s.values)), None)
        if found is None:
            raise Finding("No such label for this case within the scope of the goto statement", jump.place)
    found.aimed = True
    return found


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and (isinstance(one, str) == isinstance(other, str))


@binds("switch_expression")
def bind_switch_expression(b: Binder, node: Node) -> Expr:
    """C# 8's `value switch { pattern => result, ... }`."""
    place = b.place(node)
    subject, *rest = named(node)
    value = b.value(subject)
    held = b.symbol("", value.type, nonnull=value.nonnull)
    arms: list[tuple[Expr, Expr]] = []
    for arm in [child for body in rest for child in ([body] if body.type == "switch_expression_arm" else named(body))]:
        with b.scope():
            pattern, *others = named(arm)
            test = bind_pattern(b, pattern, b.local(held, place))
            for other in others[:-1]:
                both = [test, b.condition(named(other)[0])]
                test = Operator(type=BOOL, place=b.place(other), nonnull=True, op="and", operands=both)
            arms.append((test, b.expr(others[-1])))
    results = [result for _, result in arms]
    target = common_type_of(results)

    def build(kind: Type) -> Expr:
        whole: Expr = Call(type=kind, place=place, nonnull=True, native=Native(_no_arm), arguments=[])
        for test, result in reversed(arms):
            if isinstance(test, Constant) and test.value is True:
                whole = b.convert(result, kind)
            else:
                whole = Conditional(type=kind, place=place, test=test, yes=b.convert(result, kind), no=whole)
        return Let(type=kind, place=place, bindings=[(held, value)], effects=[], value=whole)

    if target is None:
        return Unbound(type=type_of_name("<switch>"), place=place, kind="default", bind=build)
    return build(target)


def _no_arm() -> NoReturn:
    raise DotNetError(
        "System.Runtime.CompilerServices.SwitchExpressionException",
        "Non-exhaustive switch expression failed to match its input.",
    )

"""try, catch, finally, throw, and using."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import BOOL, VOID, Binder, binds_statement
from proxy.expressions.bind_members import candidates
from proxy.expressions.bind_statements import bind_block, bind_variables, embedded
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import implicit
from proxy.expressions.errors import Finding
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import (
    Assign,
    Call,
    Catch,
    Enter,
    Evaluate,
    Expr,
    If,
    Operator,
    Statement,
    Symbol,
    Throw,
    Try,
)
from proxy.expressions.types import Type, type_of_name


@binds_statement("try_statement")
def bind_try(b: Binder, node: Node, into: list[Statement]) -> None:
    body = bind_block(b, field_of(node, "body"))
    catches: list[Catch] = []
    final: list[Statement] = []
    for child in named(node):
        if child.type == "catch_clause":
            catches.append(_catch(b, child))
        elif child.type == "finally_clause":
            b.jumps.append("finally")
            final = bind_block(b, named(child)[0])
            b.jumps.pop()
    if not catches and not any(child.type == "finally_clause" for child in named(node)):
        raise b.error(node, "Expected catch or finally")
    for index, clause in enumerate(catches):
        for earlier in catches[:index]:
            if earlier.test is None and implicit(clause.type, earlier.type) is not None:
                raise Finding(
                    f"A previous catch clause already catches all exceptions of this or of a super type "
                    f"('{earlier.type}')",
                    clause.place,
                )
    into.append(Try(place=b.place(node), body=body, catches=catches, final=final))


def _catch(b: Binder, node: Node) -> Catch:
    kind: Type = type_of_name("Exception")
    symbol: Symbol | None = None
    test: Expr | None = None
    body: list[Statement] = []
    with b.scope():
        for child in named(node):
            if child.type == "catch_declaration":
                kind_node = field_of(child, "type")
                kind = bind_type(b, kind_node)
                if implicit(kind, type_of_name("Exception")) is None:
                    raise b.error(child, "The type caught must be derived from System.Exception")
                name = child.child_by_field_name("name")
                if name is not None:
                    symbol = b.declare(name, text_of(name), kind)
                    symbol.nonnull = True
                    b.assigned(symbol)
            elif child.type == "catch_filter_clause":
                test = b.condition(named(child)[0])
            elif child.type == "block":
                b.jumps.append("catch")
                body = bind_block(b, child)
                b.jumps.pop()
        body.insert(0, Enter(place=b.place(node), symbols=b.declared()))
    return Catch(type=kind, place=b.place(node), symbol=symbol, test=test, body=body)


@binds_statement("throw_statement")
def bind_throw(b: Binder, node: Node, into: list[Statement]) -> None:
    inner = named(node)
    if not inner and "catch" not in b.jumps:
        raise b.error(node, "A throw statement with no arguments is not allowed outside of a catch clause")
    value = b.convert(b.expr(inner[0]), type_of_name("Exception")) if inner else None
    into.append(Throw(place=b.place(node), value=value))


def using_declaration(b: Binder, node: Node, into: list[Statement]) -> list[Statement]:
    """C# 8's `using var x = ...;`: what follows in the block is the body of a using statement."""
    held: list[Symbol] = []
    for child in named(node):
        if child.type == "variable_declaration":
            held += bind_variables(b, child, into)
    body: list[Statement] = []
    into.append(Try(place=b.place(node), body=body, catches=[], final=_disposal(b, node, held)))
    return body


def _disposal(b: Binder, node: Node, held: list[Symbol]) -> list[Statement]:
    """Dispose of the variables, the last first."""
    final: list[Statement] = []
    for symbol in held:
        found = [c for c in candidates(symbol.type, "Dispose", static=False) if c.member.kind == "method"]
        if not found:
            raise Finding(
                f"'{symbol.type}': type used in a using statement must be implicitly convertible to "
                "'System.IDisposable'",
                b.place(node),
            )
        symbol.constant = True
        dispose = found[0].member.native
        local = b.local(symbol, b.place(node))
        present = Operator(type=BOOL, nonnull=True, op="is not null", operands=[local])
        call = Evaluate(value=Call(type=VOID, native=dispose, arguments=[local]))
        final.insert(0, If(test=present, yes=[call], no=[]))
    return final


@binds_statement("using_statement")
def bind_using(b: Binder, node: Node, into: list[Statement]) -> None:
    with b.scope():
        held: list[Symbol] = []
        for child in named(node):
            if child.type == "variable_declaration":
                held += bind_variables(b, child, into)
        body_node = field_of(node, "body")
        if not held:
            value = b.value(next(child for child in named(node) if child.id != body_node.id))
            symbol = b.symbol("", value.type)
            place = b.place(node)
            into.append(Evaluate(value=Assign(type=value.type, place=place, symbol=symbol, value=value), place=place))
            held = [symbol]
        into.append(Try(place=b.place(node), body=embedded(b, body_node), catches=[], final=_disposal(b, node, held)))

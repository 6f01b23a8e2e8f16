"""Statements of a `@{ ... }` body."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import BOOL, VOID, Binder, binds_statement
from proxy.expressions.bind import STATEMENTS as STATEMENTS
from proxy.expressions.bind_casts import cast
from proxy.expressions.bind_creation import array_initialiser, bind_pattern, constant_test, default_of
from proxy.expressions.bind_lambdas import bind_local_function, declare_local_function
from proxy.expressions.bind_members import candidates
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL, implicit
from proxy.expressions.dotnet.collections import element_of
from proxy.expressions.errors import Finding
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import (
    Assign,
    Call,
    Catch,
    Constant,
    Define,
    Evaluate,
    Expr,
    ForEach,
    If,
    Jump,
    Local,
    Loop,
    Operator,
    Return,
    Statement,
    Switch,
    Symbol,
    Throw,
    Try,
    Unbound,
)
from proxy.expressions.types import Type, type_of_name


def bind_block(b: Binder, node: Node) -> list[Statement]:
    with b.scope():
        found: list[Statement] = []
        for child in named(node):
            if child.type == "local_function_statement":
                declare_local_function(b, child)
        for child in named(node):
            bind_statement(b, child, found)
        return found


def bind_statement(b: Binder, node: Node, into: list[Statement]) -> None:
    handler = STATEMENTS.get(node.type)
    if handler is None:
        words = node.type.removesuffix("_statement").replace("_", " ")
        raise b.error(node, f"A {words} statement is not supported within expressions")
    b.depth += 1
    try:
        if b.depth > 150:
            raise b.error(node, "The statements nest too deeply")
        handler(b, node, into)
    finally:
        b.depth -= 1


def embedded(b: Binder, node: Node) -> list[Statement]:
    with b.scope():
        found: list[Statement] = []
        bind_statement(b, node, found)
        return found


@binds_statement("block")
def bind_inner_block(b: Binder, node: Node, into: list[Statement]) -> None:
    into.extend(bind_block(b, node))


@binds_statement("empty_statement")
def bind_empty(b: Binder, node: Node, into: list[Statement]) -> None:
    return


@binds_statement("checked_statement")
def bind_checked(b: Binder, node: Node, into: list[Statement]) -> None:
    with b.arithmetic(checked=node.children[0].type == "checked"):
        into.extend(bind_block(b, named(node)[0]))


@binds_statement("local_declaration_statement")
def bind_declaration(b: Binder, node: Node, into: list[Statement]) -> None:
    if node.children[0].type in ("using", "await"):
        raise b.error(node, "using declarations are not supported within expressions; use a using statement")
    constant = any(child.type == "modifier" and text_of(child) == "const" for child in node.children)
    for child in named(node):
        if child.type == "variable_declaration":
            bind_variables(b, child, into, constant=constant)


def bind_variables(b: Binder, node: Node, into: list[Statement], *, constant: bool = False) -> list[Symbol]:
    kind_node = field_of(node, "type")
    inferred = kind_node.type == "implicit_type"
    declared = None if inferred else bind_type(b, kind_node)
    symbols: list[Symbol] = []
    for declarator in named(node):
        if declarator.type != "variable_declarator":
            continue
        name = declarator.child_by_field_name("name")
        if name is None:
            raise b.error(declarator, "Tuple deconstruction is not supported within expressions")
        initial = [child for child in named(declarator) if child.id != name.id]
        place = b.place(declarator)
        value: Expr
        if not initial:
            if declared is None:
                raise b.error(declarator, "Implicitly-typed variables must be initialized")
            symbol = b.declare(name, text_of(name), declared)
            value = Constant(type=declared, place=place, value=default_of(declared))
        elif initial[0].type == "initializer_expression":
            if declared is None or not declared.is_array:
                raise b.error(declarator, "An array initializer needs an array type")
            value = array_initialiser(b, declared.args[0], initial[0])
            symbol = b.declare(name, text_of(name), declared)
        else:
            value = b.expr(initial[0])
            if declared is None:
                if value.type is NULL or value.type is VOID or isinstance(value, Unbound):
                    word = "<null>" if value.type is NULL else "void" if value.type is VOID else "lambda expression"
                    raise b.error(declarator, f"Cannot assign {word} to an implicitly-typed variable")
                kind = value.type
            else:
                kind = declared
                value = b.convert(value, declared)
            symbol = b.declare(name, text_of(name), kind)
        symbol.constant = constant
        b.assigned(symbol)
        into.append(Evaluate(value=Assign(type=symbol.type, place=place, symbol=symbol, value=value), place=place))
        symbols.append(symbol)
    return symbols


@binds_statement("expression_statement")
def bind_expression_statement(b: Binder, node: Node, into: list[Statement]) -> None:
    inner = named(node)[0]
    allowed = (
        "invocation_expression", "assignment_expression", "postfix_unary_expression", "prefix_unary_expression",
        "object_creation_expression", "conditional_access_expression",
    )  # fmt: skip
    if inner.type not in allowed:
        raise b.error(
            node, "Only assignment, call, increment, decrement, and new object expressions can be used as a statement"
        )
    into.append(Evaluate(value=b.expr(inner), place=b.place(node)))


@binds_statement("return_statement")
def bind_return(b: Binder, node: Node, into: list[Statement]) -> None:
    inner = named(node)
    found = Return(value=b.expr(inner[0]) if inner else None, place=b.place(node))
    if found.value is not None and found.value.type is VOID:
        raise b.error(node, "This call returns nothing and cannot be used as a value")
    b.returns.append(found)
    into.append(found)


@binds_statement("if_statement")
def bind_if(b: Binder, node: Node, into: list[Statement]) -> None:
    test = b.condition(field_of(node, "condition"))
    yes = embedded(b, field_of(node, "consequence"))
    other = node.child_by_field_name("alternative")
    into.append(If(place=b.place(node), test=test, yes=yes, no=embedded(b, other) if other is not None else []))


def _body(b: Binder, node: Node) -> list[Statement]:
    b.loops += 1
    b.jumps.append("loop")
    try:
        return embedded(b, node)
    finally:
        b.loops -= 1
        b.jumps.pop()


@binds_statement("while_statement")
def bind_while(b: Binder, node: Node, into: list[Statement]) -> None:
    with b.scope():
        test = b.condition(node.child_by_field_name("condition") or named(node)[0])
        body = _body(b, node.child_by_field_name("body") or named(node)[-1])
    into.append(Loop(place=b.place(node), test=test, body=body))


@binds_statement("do_statement")
def bind_do(b: Binder, node: Node, into: list[Statement]) -> None:
    body = _body(b, field_of(node, "body"))
    inner = node.child_by_field_name("condition") or named(node)[-1]
    into.append(Loop(place=b.place(node), test=b.condition(inner), body=body, post=True))


@binds_statement("for_statement")
def bind_for(b: Binder, node: Node, into: list[Statement]) -> None:
    with b.scope():
        for initial in node.children_by_field_name("initializer"):
            if initial.type == "variable_declaration":
                bind_variables(b, initial, into)
            elif initial.is_named:
                into.append(Evaluate(value=b.expr(initial), place=b.place(initial)))
        test_node = node.child_by_field_name("condition")
        test = b.condition(test_node) if test_node is not None else None
        step: list[Statement] = []
        for update in node.children_by_field_name("update"):
            if update.is_named:
                step.append(Evaluate(value=b.expr(update), place=b.place(update)))
        body = _body(b, field_of(node, "body"))
        into.append(Loop(place=b.place(node), test=test, body=body, step=step))


@binds_statement("foreach_statement")
def bind_foreach(b: Binder, node: Node, into: list[Statement]) -> None:
    source = b.value(field_of(node, "right"))
    element = element_of(source.type)
    if element is None:
        raise b.error(node, f"foreach cannot operate on a value of type '{source.type}'")
    with b.scope():
        b.loops += 1
        kind_node, name = field_of(node, "type"), field_of(node, "left")
        kind = element if kind_node.type == "implicit_type" else bind_type(b, kind_node)
        symbol = b.declare(name, text_of(name), kind)
        b.assigned(symbol)
        raw = b.symbol("", element, nonnull=element.is_value and not element.is_nullable)
        place = b.place(node)
        convert = None if kind is element else (lambda value: cast(b, value, kind, place))
        b.loops -= 1
        body = _body(b, field_of(node, "body"))
        symbol.constant = True
    into.append(ForEach(place=b.place(node), symbol=symbol, source=source, convert=convert, element=raw, body=body))


@binds_statement("break_statement", "continue_statement")
def bind_jump(b: Binder, node: Node, into: list[Statement]) -> None:
    kind = "break" if node.type == "break_statement" else "continue"
    if not b.jumps or (kind == "continue" and "loop" not in b.jumps):
        raise b.error(node, "No enclosing loop out of which to break or continue")
    into.append(Jump(kind=kind, place=b.place(node)))


@binds_statement("switch_statement")
def bind_switch(b: Binder, node: Node, into: list[Statement]) -> None:
    value = b.value(field_of(node, "value"))
    place = b.place(node)
    held = b.symbol("", value.type, nonnull=value.nonnull)
    into.append(Evaluate(value=Assign(type=value.type, place=place, symbol=held, value=value), place=place))
    sections: list[tuple[list[Expr] | None, list[Statement]]] = []
    waiting: list[Expr] = []
    shared_default = False
    b.jumps.append("switch")
    for section in named(field_of(node, "body")):
        with b.scope():
            tests: list[Expr] = []
            default = any(child.type == "default" for child in section.children)
            body: list[Statement] = []
            for child in named(section):
                if child.type.endswith("_statement") or child.type == "block":
                    bind_statement(b, child, body)
                elif child.type == "when_clause":
                    both = [tests[-1], b.condition(named(child)[0])]
                    tests[-1] = Operator(type=BOOL, place=b.place(child), nonnull=True, op="and", operands=both)
                elif child.type.endswith("pattern") or child.type in ("discard",):
                    tests.append(bind_pattern(b, child, held))
                else:
                    tests.append(constant_test(b, b.local(held, place), b.expr(child)))
            if not body:  # `case 1: case 2:` share the statements of the last
                waiting += tests
                shared_default = shared_default or default
                continue
            default = default or shared_default
            sections.append((None if default else waiting + tests, body))
            waiting, shared_default = [], False
    b.jumps.pop()
    into.append(Switch(place=place, sections=sections))


@binds_statement("try_statement")
def bind_try(b: Binder, node: Node, into: list[Statement]) -> None:
    body = bind_block(b, field_of(node, "body"))
    catches: list[Catch] = []
    final: list[Statement] = []
    for child in named(node):
        if child.type == "catch_clause":
            catches.append(_catch(b, child))
        elif child.type == "finally_clause":
            final = bind_block(b, named(child)[0])
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
                body = bind_block(b, child)
    return Catch(kind=kind.full_name, symbol=symbol, test=test, body=body)


@binds_statement("throw_statement")
def bind_throw(b: Binder, node: Node, into: list[Statement]) -> None:
    inner = named(node)
    value = b.convert(b.value(inner[0]), type_of_name("Exception")) if inner else None
    into.append(Throw(place=b.place(node), value=value))


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
        final: list[Statement] = []
        for symbol in held:
            found = [c for c in candidates(symbol.type, "Dispose", static=False) if c.member.kind == "method"]
            if not found:
                raise Finding(
                    f"'{symbol.type}': type used in a using statement must be 'System.IDisposable'", b.place(node)
                )
            local: Local = b.local(symbol, b.place(node))
            final.append(Evaluate(value=Call(type=VOID, native=found[0].member.native, arguments=[local])))
        into.append(Try(place=b.place(node), body=embedded(b, body_node), catches=[], final=final))


@binds_statement("local_function_statement")
def bind_function(b: Binder, node: Node, into: list[Statement]) -> None:
    name = text_of(field_of(node, "name"))
    symbol = b.lookup(name) or declare_local_function(b, node)
    into.insert(0, Define(place=b.place(node), symbol=symbol, function=bind_local_function(b, node, symbol)))

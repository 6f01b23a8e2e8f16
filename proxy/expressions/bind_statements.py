"""Statements of a `@{ ... }` body."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import STATEMENTS as STATEMENTS
from proxy.expressions.bind import VOID, Binder, binds_statement
from proxy.expressions.bind_casts import cast
from proxy.expressions.bind_creation import array_initialiser
from proxy.expressions.bind_functions import declare_local_function
from proxy.expressions.bind_switch import switch_goto
from proxy.expressions.bind_tuples import deconstruct
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL
from proxy.expressions.dotnet.collections import element_of
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import (
    Assign,
    Constant,
    Declare,
    Define,
    Enter,
    Evaluate,
    Expr,
    ForEach,
    Goto,
    If,
    Jump,
    Label,
    Labels,
    Loop,
    Return,
    Statement,
    Symbol,
    Unbound,
    Yield,
)


def bind_block(b: Binder, node: Node) -> list[Statement]:
    """The statements of a block; where it has labels, one `Labels` statement."""
    from proxy.expressions.bind_try import using_declaration

    children = named(node)
    labels: dict[str, Label] = {}
    for child in children:
        while child.type == "labeled_statement":
            name = named(child)[0]
            if any(text_of(name) in scope for scope in (*b.labels, labels)):
                raise b.error(name, f"The label '{text_of(name)}' is already defined")
            labels[text_of(name)] = Label(text_of(name), b.place(name))
            child = named(child)[1]
    b.labels.append(labels)
    try:
        with b.scope():
            found: list[Statement] = []
            for child in children:
                if child.type == "local_function_statement":
                    declare_local_function(b, child, found)
            pieces: list[tuple[Label | None, list[Statement]]] = [(None, found)]
            rest = found
            for child in children:
                while child.type == "labeled_statement":
                    name, child = named(child)
                    if rest is not pieces[-1][1]:
                        raise b.error(name, "A label after a using declaration is not supported within expressions")
                    rest = []
                    pieces.append((labels[text_of(name)], rest))
                if child.type == "local_declaration_statement" and child.children[0].type == "using":
                    rest = using_declaration(b, child, rest)
                else:
                    bind_statement(b, child, rest)
            if labels:
                defines = [statement for statement in found if isinstance(statement, Define)]
                found[:] = [statement for statement in found if not isinstance(statement, Define)]
                found = [*defines, Labels(place=b.place(node), pieces=pieces)]
            found.insert(0, Enter(place=b.place(node), symbols=b.declared()))
            return found
    finally:
        b.labels.pop()


def bind_statement(b: Binder, node: Node, into: list[Statement]) -> None:
    if b.recovery is None:
        _bind_statement(b, node, into)
    else:
        b.recovery.statement(b, node, into, _bind_statement)


def _bind_statement(b: Binder, node: Node, into: list[Statement]) -> None:
    handler = STATEMENTS.get(node.type)
    if handler is None:
        words = node.type.removesuffix("_statement").replace("_", " ")
        article = "An" if words[0] in "aeiou" else "A"
        raise b.error(node, f"{article} {words} statement is not supported within expressions")
    b.depth += 1
    try:
        if b.depth > 150:
            raise b.error(node, "The statements nest too deeply")
        handler(b, node, into)
    finally:
        b.depth -= 1


def embedded(b: Binder, node: Node) -> list[Statement]:
    """A statement that another one holds: a block of its own, and no declaration."""
    if node.type in ("local_declaration_statement", "labeled_statement", "local_function_statement"):
        raise b.error(node, "Embedded statement cannot be a declaration or labeled statement")
    with b.scope():
        found: list[Statement] = []
        bind_statement(b, node, found)
        return [Enter(place=b.place(node), symbols=b.declared()), *found]


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
    modifiers = [text_of(child) for child in node.children if child.type == "modifier"]
    if any(word != "const" for word in modifiers):
        raise b.error(node, f"The modifier '{modifiers[0]}' is not valid for this item")
    if any(child.type == "ref_type" for part in named(node) for child in named(part)):
        raise b.error(node, "ref locals are not supported within expressions")
    constant = bool(modifiers)
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
            pattern, right = named(declarator)
            into.append(Evaluate(value=deconstruct(b, pattern, b.expr(right), declare=True), place=b.place(declarator)))
            continue
        initial = [child for child in named(declarator) if child.id != name.id]
        place = b.place(declarator)
        value: Expr
        if not initial:
            if declared is None:
                raise b.error(declarator, "Implicitly-typed variables must be initialized")
            if constant:
                raise b.error(declarator, "A const field requires a value to be provided")
            symbol = b.declare(name, text_of(name), declared)
            b.unassigned.append(symbol)
            into.append(Declare(place=place, symbol=symbol))
            symbols.append(symbol)
            continue
        if initial[0].type == "initializer_expression":
            if declared is None or not declared.rank:
                raise b.error(declarator, "An array initializer needs an array type")
            value = array_initialiser(b, declared, initial[0])
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
        if constant:
            if not isinstance(value, Constant):
                raise b.error(declarator, f"The expression being assigned to '{symbol.name}' must be constant")
            symbol.value = value
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
    while inner.type == "parenthesized_expression" and named(inner)[0].type == "assignment_expression":
        inner = named(inner)[0]
    if inner.type not in allowed:
        raise b.error(
            node, "Only assignment, call, increment, decrement, and new object expressions can be used as a statement"
        )
    into.append(Evaluate(value=b.expr(inner), place=b.place(node)))


@binds_statement("return_statement")
def bind_return(b: Binder, node: Node, into: list[Statement]) -> None:
    inner = named(node)
    if "finally" in b.jumps:
        raise b.error(node, "Control cannot leave the body of a finally clause")
    if b.function.yields is not None:
        raise b.error(node, "Cannot return a value from an iterator; use yield return or yield break")
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
        into.append(Enter(place=b.place(node), symbols=b.declared()))
    into.append(Loop(place=b.place(node), test=test, body=body))


@binds_statement("do_statement")
def bind_do(b: Binder, node: Node, into: list[Statement]) -> None:
    body = _body(b, field_of(node, "body"))
    inner = node.child_by_field_name("condition") or named(node)[-1]
    into.append(Loop(place=b.place(node), test=b.condition(inner), body=body, post=True))


@binds_statement("for_statement")
def bind_for(b: Binder, node: Node, into: list[Statement]) -> None:
    start = len(into)
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
        into.insert(start, Enter(place=b.place(node), symbols=b.declared()))
        into.append(Loop(place=b.place(node), test=test, body=body, step=step))


@binds_statement("foreach_statement")
def bind_foreach(b: Binder, node: Node, into: list[Statement]) -> None:
    source = b.value(field_of(node, "right"))
    element = source.type.args[0] if source.type.rank > 1 else element_of(source.type)
    if element is None:
        raise b.error(
            node, f"foreach statement cannot operate on variables of type '{source.type}' because it is no collection"
        )
    place = b.place(node)
    with b.scope():
        b.loops += 1
        left, kind_node = field_of(node, "left"), node.child_by_field_name("type")
        raw = b.symbol("", element, nonnull=element.is_value and not element.is_nullable)
        prepare: list[Statement] = []
        if left.type != "identifier":
            value = deconstruct(b, left, b.local(raw, place), declare=left.type == "tuple_pattern")
            prepare.append(Evaluate(value=value, place=place))
        else:
            assert kind_node is not None
            kind = element if kind_node.type == "implicit_type" else bind_type(b, kind_node)
            symbol = b.declare(left, text_of(left), kind)
            b.assigned(symbol)
            if kind is element:
                raw = symbol
            else:
                value = cast(b, b.local(raw, place), kind, place)
                prepare.append(Evaluate(value=Assign(type=kind, place=place, symbol=symbol, value=value), place=place))
            symbol.constant = True
        prepare.insert(0, Enter(place=place, symbols=[symbol for symbol in b.declared() if symbol is not raw]))
        b.loops -= 1
        body = _body(b, field_of(node, "body"))
    into.append(ForEach(place=place, source=source, element=raw, body=body, prepare=prepare))


@binds_statement("break_statement", "continue_statement")
def bind_jump(b: Binder, node: Node, into: list[Statement]) -> None:
    kind = "break" if node.type == "break_statement" else "continue"
    within = b.jumps[len(b.jumps) - b.jumps[::-1].index("finally") :] if "finally" in b.jumps else b.jumps
    if "loop" not in within and (kind == "continue" or "switch" not in within):
        raise b.error(node, "No enclosing loop out of which to break or continue")
    into.append(Jump(kind=kind, place=b.place(node)))


@binds_statement("goto_statement")
def bind_goto(b: Binder, node: Node, into: list[Statement]) -> None:
    word = node.children[1]
    if word.type in ("case", "default"):
        switch_goto(b, node, into)
        return
    label = next((scope[text_of(word)] for scope in reversed(b.labels) if text_of(word) in scope), None)
    if label is None:
        raise b.error(word, f"No such label '{text_of(word)}' within the scope of the goto statement")
    label.aimed = True
    into.append(Goto(place=b.place(node), target=label))


@binds_statement("yield_statement")
def bind_yield(b: Binder, node: Node, into: list[Statement]) -> None:
    element = b.function.yields
    if element is None:
        raise b.error(node, "yield cannot be used here: the body is not that of a function returning IEnumerable<T>")
    inner = named(node)
    if inner:
        into.append(Yield(place=b.place(node), value=b.convert(b.expr(inner[0]), element)))
    else:
        into.append(Return(place=b.place(node), value=None))

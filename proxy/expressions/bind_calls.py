"""Calls: methods, extensions, delegates; arguments, out variables, params arrays."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, VOID, Binder, binds
from proxy.expressions.bind_application import finish_call
from proxy.expressions.bind_members import bind_index, bind_property, bind_receiver, candidates, member_value
from proxy.expressions.bind_types import bind_type, type_arguments
from proxy.expressions.errors import Finding, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, delegate_signature, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.table import extensions
from proxy.expressions.tree import (
    Constant,
    Expr,
    Invoke,
    Local,
    Unbound,
)
from proxy.expressions.types import (
    Type,
    type_of_name,
)

Receiver = Expr | Type | str


@binds("invocation_expression")
def bind_invocation(b: Binder, node: Node) -> Expr:
    function = field_of(node, "function")
    arguments = field_of(node, "arguments")
    if function.type == "member_access_expression":
        receiver = bind_receiver(b, field_of(function, "expression"))
        if isinstance(receiver, str):
            name = text_of(field_of(function, "name"))
            raise unsupported_type(f"{receiver}.{name}", b.place(function))
        return bind_call(b, node, receiver, field_of(function, "name"), arguments)
    if function.type == "conditional_access_expression":
        condition = b.receiver_of(function)
        receiver = b.raw(condition) if condition.type in CHAIN else b.expr(condition)
        temporary = b.symbol("", receiver.type.underlying, nonnull=True)
        b.guards.append((temporary, receiver))
        held = b.local(temporary, b.place(condition))
        rest = named(function)[-1]
        if rest.type == "member_binding_expression":
            return bind_call(b, node, held, field_of(rest, "name"), arguments)
        if rest.type == "member_access_expression":
            inner = _after_question(b, field_of(rest, "expression"), held)
            return bind_call(b, node, inner, field_of(rest, "name"), arguments)
        raise b.error(node, "This form of '?.' is not supported within expressions")
    if function.type == "identifier" and text_of(function) == "nameof":
        last = named(arguments)[0]
        return Constant(
            type=type_of_name("string"), place=b.place(node), nonnull=True, value=text_of(last).split(".")[-1]
        )
    target = b.value(function)
    return invoke(b, node, target, bind_arguments(b, arguments))


def invoke(b: Binder, node: Node, target: Expr, arguments: list[Argument]) -> Expr:
    """A call of a delegate value or local function."""
    signature = delegate_signature(target.type)
    if signature is None:
        raise b.error(node, f"A value of type '{target.type}' cannot be called")
    inputs, output = signature
    if len(arguments) != len(inputs) or any(argument.out for argument in arguments):
        raise b.error(node, f"The delegate takes {len(inputs)} arguments")
    b.function.calls_out = True
    values = [b.convert(given.value, kind) for given, kind in zip(arguments, inputs, strict=True)]
    returns = output or VOID
    sure = returns.is_value and not returns.is_nullable
    return Invoke(type=returns, place=b.place(node), nonnull=sure, target=target, arguments=values)


def bind_arguments(b: Binder, node: Node) -> list[Argument]:
    found: list[Argument] = []
    for argument in named(node):
        label = argument.child_by_field_name("name")
        values = [child for child in named(argument) if label is None or child.id != label.id]
        keyword = [child.type for child in argument.children if child.type in ("out", "ref", "in")]
        if keyword and keyword[0] != "out":
            raise b.error(argument, f"'{keyword[0]}' arguments are not supported within expressions")
        if keyword:
            found.append(Argument(_out_target(b, values[0]), text_of(label) if label else "", out=True))
        else:
            found.append(Argument(b.expr(values[0]), text_of(label) if label else ""))
    return found


def _out_target(b: Binder, node: Node) -> Expr:
    """A declared variable, `out var x`, `out T x` or `out _`."""
    if node.type == "declaration_expression":
        kind_node, name = field_of(node, "type"), field_of(node, "name")
        kind = type_of_name("var") if kind_node.type == "implicit_type" else bind_type(b, kind_node)
        symbol = b.declare(name, text_of(name), kind)
        return Local(type=kind, place=b.place(node), symbol=symbol)
    if node.type == "identifier" and text_of(node) == "_" and b.lookup("_") is None:
        return Local(type=type_of_name("var"), place=b.place(node), symbol=b.symbol("_", type_of_name("var")))
    value = b.value(node)
    if not isinstance(value, Local):
        raise b.error(node, "An out argument must be a local variable")
    return value


def bind_call(b: Binder, node: Node, receiver: Expr | Type, name_node: Node, argument_list: Node) -> Expr:
    """`receiver.Name<T>(arguments)`: an instance method, a static one, an extension, or a delegate property."""
    given: tuple[Type, ...] = ()
    name = text_of(name_node)
    if name_node.type == "generic_name":
        given = type_arguments(b, name_node)
        name = text_of(name_node.named_children[0])
    place = b.place(name_node)
    static = isinstance(receiver, Type)
    kind = receiver if isinstance(receiver, Type) else receiver.type
    if isinstance(receiver, Unbound) or kind is VOID:
        raise Finding(f"'{name}' cannot be called on this expression", place)
    found = [c for c in candidates(kind, name, static=static) if c.member.kind == "method"]
    arguments = bind_arguments(b, argument_list)
    match = resolve(found, arguments, given)
    if match is not None:
        return finish_call(b, match, None if isinstance(receiver, Type) else receiver, b.place(node))
    if not isinstance(receiver, Type):
        extending = [Candidate(member, {}) for member in extensions(name)]
        match = resolve(extending, [Argument(receiver), *arguments], given)
        if match is not None:
            return finish_call(b, match, None, b.place(node), checks=False)
        for candidate in candidates(kind, name, static=False):
            if candidate.member.kind == "property":
                return invoke(b, node, member_value(b, receiver, candidate, place), arguments)
        if not found and not extending:
            raise unsupported_member(name, kind.full_name, place)
    if not found and (static or not extensions(name)):
        raise unsupported_member(name, kind.full_name, place)
    kinds = ", ".join("lambda" if isinstance(a.value, Unbound) else str(a.value.type) for a in arguments)
    raise Finding(f"No overload of '{kind}.{name}' takes the arguments ({kinds})", place)


@binds("conditional_access_expression")
def bind_conditional_access(b: Binder, node: Node) -> Expr:
    """`a?.b`: a is held in a temporary; the chain's end tests it."""
    condition = b.receiver_of(node)
    receiver = b.raw(condition) if condition.type in CHAIN else b.expr(condition)
    if receiver.type.is_value and not receiver.type.is_nullable:
        raise b.error(node, f"Operator '?' cannot be applied to operand of type '{receiver.type}'")
    temporary = b.symbol("", receiver.type.underlying, nonnull=True)
    b.guards.append((temporary, receiver))
    held = b.local(temporary, b.place(condition))
    return _after_question(b, named(node)[-1], held)


def _after_question(b: Binder, node: Node, held: Expr) -> Expr:
    if node.type == "member_binding_expression":
        name = field_of(node, "name")
        return bind_property(b, held, text_of(name), b.place(name))
    if node.type == "element_binding_expression":
        return bind_index(b, held, [b.value(named(a)[-1]) for a in named(node)], b.place(node))
    if node.type == "invocation_expression":
        function = field_of(node, "function")
        if function.type == "member_binding_expression":
            return bind_call(b, node, held, field_of(function, "name"), field_of(node, "arguments"))
        if function.type == "member_access_expression":
            inner = _after_question(b, field_of(function, "expression"), held)
            return bind_call(b, node, inner, field_of(function, "name"), field_of(node, "arguments"))
    if node.type == "member_access_expression":
        inner = _after_question(b, field_of(node, "expression"), held)
        name = field_of(node, "name")
        return bind_property(b, inner, text_of(name), b.place(name))
    if node.type == "element_access_expression":
        inner = _after_question(b, field_of(node, "expression"), held)
        indexes = [b.value(named(a)[-1]) for a in named(field_of(node, "subscript"))]
        return bind_index(b, inner, indexes, b.place(node))
    raise b.error(node, "This form of '?.' is not supported within expressions")

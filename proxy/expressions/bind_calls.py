"""Calls: methods, extensions, delegates; arguments, out variables, params arrays."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, OBJECT, VOID, Binder, binds
from proxy.expressions.bind_application import finish_call
from proxy.expressions.bind_casts import reread
from proxy.expressions.bind_functions import call_local
from proxy.expressions.bind_members import (
    bind_index,
    bind_property,
    bind_receiver,
    candidates,
    member_value,
    tuple_index,
)
from proxy.expressions.bind_operators import apply_binary
from proxy.expressions.bind_types import bind_type, type_arguments
from proxy.expressions.dotnet.reflection import type_of_value as reflect
from proxy.expressions.errors import Finding, Place, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, Writing, delegate_signature, describe, misfit, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.table import extensions
from proxy.expressions.tree import (
    Constant,
    Expr,
    Invoke,
    Let,
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
    plain_name = function.named_children[0] if function.type == "generic_name" else function
    if function.type == "identifier" and text_of(function) == "nameof" and b.lookup("nameof") is None:
        return _nameof(b, node, named(named(arguments)[0])[-1])
    symbol = b.lookup(text_of(plain_name)) if plain_name.type == "identifier" else None
    if symbol is not None and symbol.local_function is not None:
        given = type_arguments(b, function) if function.type == "generic_name" else ()
        return call_local(b, symbol.local_function, bind_arguments(b, arguments), given, b.place(node))
    if function.type == "identifier" and symbol is None and text_of(function) not in ("context",):
        raise b.error(function, f"The name '{text_of(function)}' does not exist in the current context")
    target = b.value(function)
    return invoke(b, node, target, bind_arguments(b, arguments))


def _nameof(b: Binder, node: Node, operand: Node) -> Expr:
    last = operand
    while last.type in ("member_access_expression", "qualified_name", "alias_qualified_name"):
        last = field_of(last, "name") if last.type != "qualified_name" else named(last)[-1]
    if last.type == "generic_name":
        last = last.named_children[0]
    if last.type != "identifier":
        raise b.error(operand, "Expression does not have a name")
    first = operand
    while first.type == "member_access_expression":
        first = field_of(first, "expression")
    if first.type == "identifier" and b.lookup(text_of(first)) is None:
        bind_receiver(b, first)
    return Constant(type=type_of_name("string"), place=b.place(node), nonnull=True, value=text_of(last))


def invoke(b: Binder, node: Node, target: Expr, arguments: list[Argument]) -> Expr:
    """A call of a delegate value or local function."""
    signature = delegate_signature(target.type)
    if signature is None:
        raise b.error(node, f"Method name expected: a value of type '{target.type}' cannot be called")
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
        split = named(argument)[-1]
        declares = split.type == "declaration_expression" and argument.child_count == 1
        if declares and field_of(split, "type").type == "generic_name":
            found += _comparisons(b, split)
            continue
        values = [child for child in named(argument) if label is None or child.id != label.id]
        keyword = [child.type for child in argument.children if child.type in ("out", "ref", "in")]
        if keyword and keyword[0] != "in":
            target, write = _reference_target(b, values[0], ref=keyword[0] == "ref")
            name = text_of(label) if label else ""
            found.append(Argument(target, name, out=keyword[0] == "out", ref=keyword[0] == "ref", write=write))
        else:
            found.append(Argument(b.expr(values[0]), text_of(label) if label else ""))
    return found


def _comparisons(b: Binder, node: Node) -> list[Argument]:
    """`f(a < b, c > d)` parses as the declaration of a d of the generic type a<b, c>."""
    kind, name = field_of(node, "type"), field_of(node, "name")
    parts = [part for child in named(kind) if child.type == "type_argument_list" for part in named(child)]
    if len(parts) != 2:
        raise b.error(node, "A variable can be declared here only with out")
    place = b.place(node)
    first = apply_binary(b, "<", b.expr(named(kind)[0]), reread(b, parts[0]), place)
    return [Argument(first), Argument(apply_binary(b, ">", reread(b, parts[1]), b.expr(name), place))]


def _reference_target(b: Binder, node: Node, *, ref: bool) -> tuple[Expr, Writing | None]:
    """A declared variable, `out var x`, `out T x`, `out _`; a property or element with what writes to it."""
    from proxy.expressions.bind_assignment import local_target, target_of

    if node.type == "declaration_expression":
        kind_node, name = field_of(node, "type"), field_of(node, "name")
        kind = type_of_name("var") if kind_node.type == "implicit_type" else bind_type(b, kind_node)
        if name.type == "discard" or text_of(name) == "_":
            return Local(type=kind, place=b.place(node), symbol=b.symbol("_", kind)), None
        symbol = b.declare(name, text_of(name), kind, inline=True)
        return Local(type=kind, place=b.place(node), symbol=symbol), None
    if node.type in ("identifier", "discard") and text_of(node) == "_" and b.lookup("_") is None:
        return Local(type=type_of_name("var"), place=b.place(node), symbol=b.symbol("_", type_of_name("var"))), None
    symbol_given = local_target(b, node)
    if symbol_given is not None:
        return b.local(symbol_given, b.place(node)), None
    kind, bindings, read, write = target_of(b, node)
    held = b.symbol("_", kind)
    first = read() if ref else Constant(type=kind, value=None)
    start = Let(type=kind, place=b.place(node), bindings=bindings, effects=[], value=first)
    return Local(type=kind, place=b.place(node), symbol=held), (start, write)


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
    if not isinstance(receiver, Type) and not named(argument_list) and name == "GetType":
        return type_of_value(b, receiver, b.place(node))
    if not isinstance(receiver, Type) and kind.is_delegate and name == "Invoke":
        return invoke(b, node, receiver, bind_arguments(b, argument_list))
    for candidate in candidates(kind, name, static=static):
        if candidate.member.kind == "property" and candidate.member.returns.is_delegate:
            value = member_value(b, None if isinstance(receiver, Type) else receiver, candidate, place)
            return invoke(b, node, value, bind_arguments(b, argument_list))
    fields = kind.definition.parameters if kind.name == "anonymous" and kind.definition else ()
    if isinstance(receiver, Expr) and (name in fields or (kind.is_tuple and tuple_index(kind, name) >= 0)):
        return invoke(b, node, bind_property(b, receiver, name, place), bind_arguments(b, argument_list))
    return call_method(b, place, receiver, name, bind_arguments(b, argument_list), given, b.place(node))


def call_method(
    b: Binder,
    place: Place,
    receiver: Expr | Type,
    name: str,
    arguments: list[Argument],
    given: tuple[Type, ...] = (),
    whole: Place | None = None,
) -> Expr:
    """The method of that name that takes these arguments: the type's own, or an extension."""
    static = isinstance(receiver, Type)
    kind = receiver if isinstance(receiver, Type) else receiver.type
    found = [c for c in candidates(kind, name, static=static) if c.member.kind == "method"]
    match = resolve(found, arguments, given)
    if match is not None:
        return finish_call(b, match, None if isinstance(receiver, Type) else receiver, whole or place)
    if not isinstance(receiver, Type):
        extending = [Candidate(member, {}) for member in extensions(name)]
        match = resolve(extending, [Argument(receiver), *arguments], given)
        if match is not None:
            return finish_call(b, match, None, whole or place, checks=False)
    if not found and any(c.member.kind == "property" for c in candidates(kind, name, static=static)):
        raise Finding(f"Non-invocable member '{kind}.{name}' cannot be used like a method", place)
    if not found and (static or not extensions(name)):
        raise unsupported_member(name, kind.full_name, place)
    why = misfit(found, arguments)
    raise Finding(f"No overload of '{kind}.{name}' takes the arguments ({describe(arguments)}){why}", place)


def type_of_value(b: Binder, receiver: Expr, place: Place) -> Expr:
    """`x.GetType()`: of the value, not of the variable."""
    made = b.call(reflect, [b.convert(receiver, OBJECT)], type_of_name("Type"), place)
    made.checks = not receiver.nonnull or receiver.type.is_nullable
    return made


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

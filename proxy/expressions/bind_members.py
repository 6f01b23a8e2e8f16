"""Names, member access, indexers, calls and `?.`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, OBJECT, VOID, Binder, binds
from proxy.expressions.bind_types import bind_type, type_arguments
from proxy.expressions.errors import Finding, Place, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, Match, delegate_signature, parameter_type, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.table import EXTENSIONS
from proxy.expressions.tree import (
    Assign,
    Call,
    Constant,
    Context,
    Expr,
    Invoke,
    Item,
    Let,
    Local,
    Symbol,
    Unbound,
)
from proxy.expressions.types import (
    Member,
    Native,
    Type,
    array_of,
    find,
    generic,
    is_namespace,
    nullable_of,
    substitute,
    type_of_name,
)

Receiver = Expr | Type | str


@binds("identifier")
def bind_identifier(b: Binder, node: Node) -> Expr:
    name = text_of(node)
    if not name.isascii():
        raise b.error(node, f"The name '{name}' has characters outside ASCII, which expressions do not allow")
    symbol = b.lookup(name)
    if symbol is not None:
        return b.local(symbol, b.place(node))
    if name == "context":
        return Context(type=type_of_name("IProxyRequestContext"), place=b.place(node), nonnull=True)
    if find(name) is not None or is_namespace(name):
        raise b.error(node, f"'{name}' is a type, which is not valid here")
    raise b.error(node, f"The name '{name}' does not exist in the current context")


def bind_receiver(b: Binder, node: Node) -> Receiver:
    """What stands before a dot: a value, a type, or a namespace."""
    kind = node.type
    if kind == "predefined_type":
        return bind_type(b, node)
    if kind == "identifier":
        name = text_of(node)
        if b.lookup(name) is None and name != "context":
            found = find(name)
            if found is not None:
                return generic(found.name)
            if is_namespace(name):
                return name
            if name[:1].isupper() and name.isascii():
                raise unsupported_type(name, b.place(node))
    if kind == "generic_name":
        return bind_type(b, node)
    if kind == "member_access_expression":
        before = bind_receiver(b, field_of(node, "expression"))
        name_node = field_of(node, "name")
        if isinstance(before, str):
            full = f"{before}.{text_of(name_node.named_children[0] if name_node.type == 'generic_name' else name_node)}"
            arguments = type_arguments(b, name_node) if name_node.type == "generic_name" else ()
            found = find(full, len(arguments))
            if found is not None:
                return generic(found.name, *arguments)
            if is_namespace(full):
                return full
            raise unsupported_type(full, b.place(node))
        return bind_property(b, before, text_of(name_node), b.place(name_node))
    return b.raw(node) if kind in CHAIN else b.expr(node)


def candidates(kind: Type, name: str, *, static: bool) -> list[Candidate]:
    """The members of that name, nearest type first; an overridden signature is listed once."""
    found: list[Candidate] = []
    seen: set[tuple[tuple[Type, ...], bool]] = set()
    levels = [*kind.ancestry(), OBJECT]
    for level in levels:
        if level.definition is None:
            continue
        filling = dict(zip(level.definition.parameters, level.args, strict=False))
        for member in level.definition.members.get(name, ()):
            signature = tuple(substitute(p.type, filling) for p in member.parameters)
            if member.static is not static and not (static and member.extension):
                continue
            if (signature, bool(member.generics)) in seen:
                continue
            seen.add((signature, bool(member.generics)))
            found.append(Candidate(member, filling))
    return found


def bind_property(b: Binder, receiver: Receiver, name: str, place: Place) -> Expr:
    """`receiver.name`; a method without its call becomes a method group."""
    static = isinstance(receiver, Type)
    kind = receiver if isinstance(receiver, Type) else receiver.type  # type: ignore[union-attr]
    if kind is VOID:
        raise Finding("This call returns nothing and has no members", place)
    if isinstance(receiver, Unbound):
        raise Finding(f"'{name}' cannot be taken of this expression", place)
    found = candidates(kind, name, static=static)
    for candidate in found:
        if candidate.member.kind == "property":
            return member_value(b, None if static else receiver, candidate, place)  # type: ignore[arg-type]
    if kind.name == "anonymous" and not static:
        return _anonymous_member(b, receiver, name, place)  # type: ignore[arg-type]
    if found and static:
        return _method_group(b, found, name, place)
    raise unsupported_member(name, kind.full_name, place)


def member_value(b: Binder, receiver: Expr | None, candidate: Candidate, place: Place) -> Expr:
    member, filling = candidate
    returns = substitute(member.returns, filling)
    nonnull = not member.nullable
    native = member.native
    if native.function is None and not native.attribute:
        return Constant(type=returns, place=place, nonnull=nonnull, value=native.constant)
    arguments = [] if receiver is None else [receiver]
    checks = receiver is not None and not receiver.nonnull and not native.null_safe
    return Call(type=returns, place=place, nonnull=nonnull, native=native, arguments=arguments, checks=checks)


def _anonymous_member(b: Binder, receiver: Expr, name: str, place: Place) -> Expr:
    names = receiver.type.definition.parameters if receiver.type.definition else ()
    if name not in names:
        raise unsupported_member(name, "anonymous type", place)
    index = names.index(name)
    kind = receiver.type.args[index]
    return b.call(lambda value: value.items[index][1], [receiver], kind, place)


def _method_group(b: Binder, found: list[Candidate], name: str, place: Place) -> Expr:
    """`int.Parse` where a delegate is wanted."""

    def bind(target: Type) -> Expr:
        signature = delegate_signature(target)
        if signature is None:
            raise Finding(f"Cannot convert method group '{name}' to '{target}'", place)
        dummies = [Argument(Local(type=kind, symbol=Symbol("", kind, b.function, ""))) for kind in signature[0]]
        match = resolve(found, dummies)
        if match is None or match.member.native.function is None or match.member.native.exchange:
            raise Finding(f"No overload of '{name}' matches the delegate '{target}'", place)
        return Constant(type=target, place=place, nonnull=True, value=match.member.native.function)

    def body_type(inputs: list[Type]) -> Type | None:
        dummies = [Argument(Local(type=kind, symbol=Symbol("", kind, b.function, ""))) for kind in inputs]
        match = resolve(found, dummies)
        return substitute(match.member.returns, match.filling) if match else None

    return Unbound(type=type_of_name("<group>"), place=place, kind="group", bind=bind, body_type=body_type)


@binds("member_access_expression")
def bind_member_access(b: Binder, node: Node) -> Expr:
    receiver = bind_receiver(b, field_of(node, "expression"))
    name = field_of(node, "name")
    if isinstance(receiver, str):
        found = bind_receiver(b, node)
        raise b.error(node, f"'{found}' is a type, which is not valid here")
    return bind_property(b, receiver, text_of(name), b.place(name))


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


@binds("element_access_expression")
def bind_element_access(b: Binder, node: Node) -> Expr:
    target = bind_receiver(b, field_of(node, "expression"))
    if not isinstance(target, Expr):
        raise b.error(node, f"'{target}' is a type, which is not valid here")
    indexes = [b.value(named(argument)[-1]) for argument in named(field_of(node, "subscript"))]
    return bind_index(b, target, indexes, b.place(node))


def find_indexer(kind: Type, indexes: list[Expr]) -> Match | None:
    found: list[Candidate] = []
    for level in kind.ancestry():
        if level.definition is not None:
            filling = dict(zip(level.definition.parameters, level.args, strict=False))
            found += [Candidate(member, filling) for member in level.definition.indexers]
        match = resolve(found, [Argument(index) for index in indexes])
        if match is not None:
            return match
    return None


def bind_index(b: Binder, target: Expr, indexes: list[Expr], place: Place) -> Expr:
    match = find_indexer(target.type, indexes)
    if match is None:
        if not any(level.definition and level.definition.indexers for level in target.type.ancestry()):
            raise Finding(f"Cannot apply indexing with [] to an expression of type '{target.type}'", place)
        raise Finding(f"No indexer of '{target.type}' takes these arguments", place)
    return finish_call(b, match, target, place)


@binds("invocation_expression")
def bind_invocation(b: Binder, node: Node) -> Expr:
    function = field_of(node, "function")
    arguments = field_of(node, "arguments")
    if function.type == "member_access_expression":
        receiver = bind_receiver(b, field_of(function, "expression"))
        if isinstance(receiver, str):
            name = text_of(field_of(function, "name"))
            raise unsupported_type(receiver if receiver else f"{receiver}.{name}", b.place(function))
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
        extensions = [Candidate(member, {}) for member in EXTENSIONS.get(name, ())]
        match = resolve(extensions, [Argument(receiver), *arguments], given)
        if match is not None:
            return finish_call(b, match, None, b.place(node), checks=False)
        for candidate in candidates(kind, name, static=False):
            if candidate.member.kind == "property":
                return invoke(b, node, member_value(b, receiver, candidate, place), arguments)
        if not found and not any(resolve([c], [Argument(receiver)]) for c in extensions if _one(c)) and not extensions:
            raise unsupported_member(name, kind.full_name, place)
    if not found and (static or name not in EXTENSIONS):
        raise unsupported_member(name, kind.full_name, place)
    kinds = ", ".join("lambda" if isinstance(a.value, Unbound) else str(a.value.type) for a in arguments)
    raise Finding(f"No overload of '{kind}.{name}' takes the arguments ({kinds})", place)


def _one(candidate: Candidate) -> bool:
    return len(candidate.member.parameters) == 1


def finish_call(b: Binder, match: Match, receiver: Expr | None, place: Place, *, checks: bool = True) -> Expr:
    """The call with its arguments converted, defaults filled in and out results assigned."""
    member = match.member
    values: list[Expr] = [] if receiver is None else [receiver]
    outs: list[tuple[Symbol, Type]] = []
    for parameter, filled in zip(member.parameters, match.places, strict=True):
        target = parameter_type(parameter, match.filling)
        if parameter.out:
            outs.append((_out_symbol(b, filled[0].value, target), target))
        elif match.expanded and parameter.params:
            values.append(_spread_array(b, filled, target, place))
        elif filled:
            values.append(b.convert(filled[0].value, target))
        else:
            sure = parameter.default is not None
            values.append(Constant(type=target, place=place, nonnull=sure, value=parameter.default))
    returns = substitute(member.returns, match.filling)
    nonnull = not member.nullable and not (
        member.returns.is_parameter and not (returns.is_value and not returns.is_nullable)
    )
    null_check = checks and receiver is not None and not receiver.nonnull and not member.native.null_safe
    types: tuple[Type, ...] = ()
    if member.native.types:
        names = member.generics or (member.owner.parameters if member.owner else ())
        types = tuple(match.filling[name] for name in names)
    call = Call(
        type=returns,
        place=place,
        nonnull=nonnull,
        native=member.native,
        arguments=values,
        checks=null_check,
        types=types,
    )
    if not outs:
        return call
    held = b.symbol("", OBJECT, nonnull=True)
    results = Local(type=OBJECT, place=place, symbol=held, nonnull=True)
    effects: list[Expr] = []
    for index, (symbol, target) in enumerate(outs):
        b.assigned(symbol)
        effects.append(Assign(type=target, symbol=symbol, value=Item(type=target, source=results, index=index + 1)))
    return Let(
        type=returns,
        place=place,
        nonnull=nonnull,
        bindings=[(held, call)],
        effects=effects,
        value=Item(type=returns, source=results, index=0, nonnull=nonnull),
    )


def _out_symbol(b: Binder, target: Expr, kind: Type) -> Symbol:
    assert isinstance(target, Local)
    if target.symbol.type.name == "var":
        target.symbol.type = kind
    return target.symbol


def _spread_array(b: Binder, filled: list[Argument], target: Type, place: Place) -> Expr:
    element = target.args[0]
    items = [b.convert(argument.value, element) for argument in filled]
    return make_array(element, items, place)


def make_array(element: Type, items: list[Expr], place: Place) -> Expr:
    from proxy.expressions.dotnet.values import Array

    def build(*values: Any) -> Array:
        return Array(element, values)

    return Call(type=array_of(element), place=place, nonnull=True, native=Native(build), arguments=items)


def set_member(b: Binder, target: Type, name: str) -> tuple[Member, Type] | None:
    """The writable property of that name and its type."""
    for candidate in candidates(target, name, static=False):
        if candidate.member.setter is not None:
            return candidate.member, substitute(candidate.member.returns, candidate.filling)
    return None


__all__ = ["Callable", "bind_call", "bind_receiver", "nullable_of"]

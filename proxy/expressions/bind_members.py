"""Names, member access, indexers, calls and `?.`."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, OBJECT, VOID, Binder, binds
from proxy.expressions.bind_application import finish_call
from proxy.expressions.bind_types import bind_type, type_arguments
from proxy.expressions.errors import Finding, Place, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, Match, delegate_signature, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.table import extensions
from proxy.expressions.tree import (
    Call,
    Constant,
    Context,
    Expr,
    Function,
    Item,
    Lambda,
    Let,
    Local,
    Return,
    Symbol,
    Unbound,
)
from proxy.expressions.types import (
    Member,
    Type,
    find,
    generic,
    is_namespace,
    substitute,
    type_of_name,
)

Receiver = Expr | Type | str


@binds("identifier")
def bind_identifier(b: Binder, node: Node) -> Expr:
    name = text_of(node)
    symbol = b.lookup(name)
    if symbol is not None:
        if symbol.local_function is not None:
            from proxy.expressions.bind_functions import function_group

            return function_group(b, symbol.local_function, b.place(node))
        if symbol.value is not None:
            return Constant(
                type=symbol.type, place=b.place(node), nonnull=symbol.value.nonnull, value=symbol.value.value
            )
        if symbol.type.name == "var":
            raise b.error(node, f"Cannot use local variable '{name}' before it is declared")
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
    if kind == "alias_qualified_name":
        name = text_of(field_of(node, "name"))
        return name if find(name) is None and is_namespace(name) else bind_type(b, node)
    if kind == "identifier":
        name = text_of(node)
        if b.lookup(name) is None and name in b.type_names:
            return b.type_names[name]
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
    found = candidates(kind, name, static=static) if not kind.is_tuple else []
    for candidate in found:
        if candidate.member.kind == "property":
            return member_value(b, None if static else receiver, candidate, place)  # type: ignore[arg-type]
    if kind.is_tuple and not static:
        index = tuple_index(kind, name)
        if index >= 0:
            part = kind.args[index]
            sure = part.is_value and not part.is_nullable
            return Item(type=part, place=place, nonnull=sure, source=receiver, index=index)  # type: ignore[arg-type]
    if kind.name == "anonymous" and not static:
        return _anonymous_member(b, receiver, name, place)  # type: ignore[arg-type]
    if not static:
        found += [Candidate(member, {}) for member in extensions(name)]
    if found:
        return _method_group(b, found, None if static else receiver, name, place)  # type: ignore[arg-type]
    raise unsupported_member(name, kind.full_name, place)


def tuple_index(kind: Type, name: str) -> int:
    """The element of a tuple that `name` names, -1 when none does."""
    if name in kind.labels:
        return kind.labels.index(name)
    digits = name.removeprefix("Item")
    if name.startswith("Item") and digits.isdigit() and 1 <= int(digits) <= len(kind.args):
        return int(digits) - 1
    return -1


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


def _method_group(b: Binder, found: list[Candidate], receiver: Expr | None, name: str, place: Place) -> Expr:
    """`int.Parse` or `text.Contains` where a delegate is wanted: a lambda that calls it."""

    def match(inputs: list[Type]) -> tuple[Match, list[Argument]] | None:
        parameters = [Symbol("", kind, b.function, "") for kind in inputs]
        given = [Argument(Local(type=symbol.type, symbol=symbol, place=place)) for symbol in parameters]
        plain = [c for c in found if not c.member.extension or receiver is None]
        chosen = resolve([c for c in plain if len(c.member.parameters) == len(inputs)], given)
        if chosen is None and receiver is not None:
            given = [Argument(receiver), *given]
            extending = [c for c in found if c.member.extension and len(c.member.parameters) == len(given)]
            chosen = resolve(extending, given)
        return None if chosen is None or chosen.expanded else (chosen, given)

    def bind(target: Type) -> Expr:
        signature = delegate_signature(target)
        if signature is None:
            raise Finding(f"Cannot convert method group '{name}' to non-delegate type '{target}'", place)
        inputs, output = signature
        b.serial += 1
        function = Function(b.function, f"f{b.serial}")
        outer, b.function = b.function, function
        held = Symbol("", receiver.type, outer, f"v{b.serial}r", nonnull=receiver.nonnull) if receiver else None
        try:
            function.parameters = [b.symbol("", kind) for kind in inputs]
            chosen = match(inputs)
            if chosen is None:
                raise Finding(f"No overload for '{name}' matches delegate '{target}'", place)
            given = [Argument(b.local(symbol, place)) for symbol in function.parameters]
            local = b.local(held, place) if held is not None else None
            extends = len(chosen[1]) > len(inputs)
            if extends and local is not None:
                given.insert(0, Argument(local))
            real = resolve([Candidate(chosen[0].member, chosen[0].filling)], given) or chosen[0]
            value = finish_call(b, real, None if extends else local, place, checks=not extends)
            if output is not None:
                value = b.convert(value, output) if not output.is_parameter else value
            function.body = [Return(value=value, place=place)]
        finally:
            b.function = outer
        made = Lambda(type=target, place=place, nonnull=True, function=function)
        if held is None or receiver is None:
            return made
        outer.symbols.append(held)
        return Let(type=target, place=place, nonnull=True, bindings=[(held, receiver)], effects=[], value=made)

    def body_type(inputs: list[Type]) -> Type | None:
        chosen = match(inputs)
        return substitute(chosen[0].member.returns, chosen[0].filling) if chosen else None

    return Unbound(type=type_of_name("<group>"), place=place, kind="group", bind=bind, body_type=body_type)


@binds("member_access_expression")
def bind_member_access(b: Binder, node: Node) -> Expr:
    receiver = bind_receiver(b, field_of(node, "expression"))
    name = field_of(node, "name")
    if isinstance(receiver, str):
        found = bind_receiver(b, node)
        raise b.error(node, f"'{found}' is a type, which is not valid here")
    return bind_property(b, receiver, text_of(name), b.place(name))


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


def set_member(b: Binder, target: Type, name: str) -> tuple[Member, Type] | None:
    """The writable property of that name and its type."""
    for candidate in candidates(target, name, static=False):
        if candidate.member.setter is not None:
            return candidate.member, substitute(candidate.member.returns, candidate.filling)
    return None

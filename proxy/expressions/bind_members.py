"""Names, member access, indexers, calls and `?.`."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import CHAIN, OBJECT, VOID, Binder, binds
from proxy.expressions.bind_application import finish_call
from proxy.expressions.bind_types import bind_type, type_arguments
from proxy.expressions.errors import Finding, Place, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, Match, delegate_signature, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import (
    Call,
    Constant,
    Context,
    Expr,
    Local,
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

"""`a ?? b`, `c ? a : b` and `throw` as an expression."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import BOOL, Binder, binds
from proxy.expressions.conversions import NULL, implicit
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import UNTYPED_TUPLE, convertible
from proxy.expressions.parse import field_of, named
from proxy.expressions.tree import Call, Conditional, Expr, Let, Operator, Unbound
from proxy.expressions.types import Native, Type, type_of_name


def coalesce(b: Binder, left: Expr, right: Expr, place: Place) -> Expr:
    if left.type.is_value and not left.type.is_nullable:
        raise Finding(f"Operator '??' cannot be applied to operands of type '{left.type}' and '{right.type}'", place)
    if left.type is NULL:
        if right.type.is_value and not right.type.is_nullable:
            raise Finding(f"Operator '??' cannot be applied to operands of type '<null>' and '{right.type}'", place)
        return right
    target: Type
    if left.type.is_nullable and convertible(right, left.type.underlying) is not None:
        target = left.type.underlying
    elif left.type.is_nullable and not isinstance(right, Unbound) and implicit(left.type.underlying, right.type):
        target = right.type if convertible(right, left.type) is None else left.type
    elif convertible(right, left.type) is not None:
        target = left.type
    elif not isinstance(right, Unbound) and implicit(left.type, right.type) is not None:
        target = right.type
    else:
        raise Finding(f"Operator '??' cannot be applied to operands of type '{left.type}' and '{right.type}'", place)
    held = b.symbol("", left.type, nonnull=True)
    probe = Let(type=left.type, place=place, bindings=[(held, left)], effects=[], value=b.local(held, place))
    test = Operator(type=BOOL, place=place, nonnull=True, op="is not null", operands=[probe])
    local = b.local(held, place)
    if left.type.is_nullable and not target.is_nullable:
        local.type = left.type.underlying
        local.nonnull = True
    yes = b.convert(local, target)
    no = b.convert(right, target)
    return Conditional(type=target, place=place, nonnull=no.nonnull, test=test, yes=yes, no=no)


@binds("conditional_expression")
def bind_conditional(b: Binder, node: Node) -> Expr:
    test = b.condition(field_of(node, "condition"))
    yes = b.expr(field_of(node, "consequence"))
    no = b.expr(field_of(node, "alternative"))
    place = b.place(node)
    target = _common(yes, no)
    if target is None:
        names = [_spoken(side) for side in (yes, no)]
        raise Finding(
            "Type of conditional expression cannot be determined because there is no implicit conversion between "
            f"{names[0]} and {names[1]}",
            place,
        )
    yes, no = b.convert(yes, target), b.convert(no, target)
    return Conditional(type=target, place=place, nonnull=yes.nonnull and no.nonnull, test=test, yes=yes, no=no)


def _common(yes: Expr, no: Expr) -> Type | None:
    """The type of `c ? yes : no`: that of one side to which the other converts, and not the other way round."""
    known = [side for side in (yes, no) if not isinstance(side, Unbound) and side.type not in (NULL, UNTYPED_TUPLE)]
    if len(known) == 2 and known[0].type.plain is not known[1].type.plain:
        forth, back = implicit(yes.type, no.type), implicit(no.type, yes.type)
        order = [no.type, yes.type] if forth is not None and back is None else [yes.type, no.type]
        if forth is None and back is None:
            order = [kind for kind in order if convertible(yes, kind) and convertible(no, kind)]
            order = order if len(order) == 1 else []
    else:
        order = [side.type for side in known][:1]
    return next((kind for kind in order if convertible(yes, kind) and convertible(no, kind)), None)


def _spoken(side: Expr) -> str:
    if side.type is NULL:
        return "'<null>'"
    return "'lambda expression'" if isinstance(side, Unbound) else f"'{side.type}'"


@binds("throw_expression")
def bind_throw_expression(b: Binder, node: Node) -> Expr:
    """`a ?? throw x` and `c ? a : throw x`: takes the type that is asked for."""
    from proxy.expressions.dotnet.exceptions import raise_exception

    error = b.convert(b.value(named(node)[0]), type_of_name("Exception"))
    place = b.place(node)

    def bind(target: Type) -> Expr:
        return Call(type=target, place=place, nonnull=True, native=Native(raise_exception), arguments=[error])

    return Unbound(type=type_of_name("<throw>"), place=place, kind="default", bind=bind)

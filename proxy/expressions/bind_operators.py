"""Binary and prefix operators: arithmetic, comparison, logic, strings, enumerations; checked and unchecked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tree_sitter import Node

from proxy.expressions import operators as ops
from proxy.expressions.bind import BOOL, INT, OBJECT, STRING, VOID, Binder, binds
from proxy.expressions.bind_application import finish_call
from proxy.expressions.bind_choices import coalesce
from proxy.expressions.bind_members import candidates
from proxy.expressions.conversions import NULL, implicit
from proxy.expressions.dotnet.numeric import limits, negate_decimal, wrapper
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import Argument, Candidate, convertible, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.runtime import DotNetError
from proxy.expressions.tree import Concat, Constant, Expr, Operator, TupleLiteral, Unbound
from proxy.expressions.types import BITS, INTEGRAL, NUMERIC, Type, nullable_of, type_of_name

_USER = {
    "+": "op_Addition", "-": "op_Subtraction", "*": "op_Multiply", "/": "op_Division", "==": "op_Equality",
    "!=": "op_Inequality", "<": "op_LessThan", ">": "op_GreaterThan", "<=": "op_LessThanOrEqual",
    ">=": "op_GreaterThanOrEqual",
}  # fmt: skip


def as_text(b: Binder, value: Expr) -> Expr:
    """The operand as the string that concatenation makes of it; null becomes ""."""
    if value.type is NULL or (isinstance(value, Constant) and value.value is None):
        return Constant(type=STRING, place=value.place, nonnull=True, value="")
    if value.type is STRING or value.type.name == "char":
        if value.nonnull:
            return value
        return b.call(ops.or_empty, [value], STRING, value.place)
    if isinstance(value, Constant):
        boxed = implicit(value.type, OBJECT)
        box = boxed.native.function if boxed and boxed.native else None
        return Constant(
            type=STRING, place=value.place, nonnull=True, value=to_text(box(value.value) if box else value.value)
        )
    if value.type is INT:
        return b.call(str, [value], STRING, value.place)
    made = b.call(to_text, [b.convert(value, OBJECT)], STRING, value.place)
    made.nonnull = True
    return made


@binds("binary_expression")
def bind_binary(b: Binder, node: Node) -> Expr:
    """A left-leaning chain of operators is walked, not recursed into: concatenations can be long."""
    if b.has_conditional_access or _misread(node):
        from proxy.expressions.bind_precedence import flatten, regroup

        return regroup(b, flatten(b, node))
    spine: list[Node] = []
    cursor = node
    while cursor.type == "binary_expression":
        spine.append(cursor)
        cursor = field_of(cursor, "left")
    result = b.expr(cursor)
    for step in reversed(spine):
        result = binary(b, text_of(field_of(step, "operator")), result, field_of(step, "right"), b.place(step))
    return result


def _misread(node: Node) -> bool:
    """Whether an operand is something that the grammar groups otherwise than C#; see bind_precedence."""
    from proxy.expressions.bind_casts import holds_misread
    from proxy.expressions.bind_precedence import swallowed_operators

    operands: list[Node] = []
    while node.type == "binary_expression":
        operands.append(field_of(node, "right"))
        node = field_of(node, "left")
    return any(holds_misread(each) or swallowed_operators(each) is not None for each in (*operands, node))


def binary(b: Binder, op: str, left: Expr, right_node: Node, place: Place) -> Expr:
    right = b.expr(right_node)
    if op == "??":
        return coalesce(b, left, right, place)
    return apply_binary(b, op, left, right, place)


def apply_binary(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr:
    if op in ("==", "!=") and (_is_tuple(left) and _is_tuple(right)):
        from proxy.expressions.bind_tuples import tuple_equality

        return tuple_equality(b, op, left, right, place)
    left, right = _typed_default(left, right), _typed_default(right, left)
    if isinstance(left, Unbound) or isinstance(right, Unbound) or VOID in (left.type, right.type):
        raise Finding(f"Operator '{op}' cannot be applied to these operands", place)
    if op in ("&&", "||"):
        if any(implicit(side.type, BOOL) is None for side in (left, right)):
            raise Finding(
                f"Operator '{op}' cannot be applied to operands of type '{left.type}' and '{right.type}'", place
            )
        operands = [b.convert(left, BOOL), b.convert(right, BOOL)]
        if all(isinstance(side, Constant) for side in operands):
            truths = [side.value for side in operands if isinstance(side, Constant)]
            truth = all(truths) if op == "&&" else any(truths)
            return Constant(type=BOOL, place=place, nonnull=True, value=truth)
        return Operator(type=BOOL, place=place, nonnull=True, op="and" if op == "&&" else "or", operands=operands)
    if op == "+" and STRING in (left.type, right.type) and left.type.name != "XNamespace":
        return _concat(b, left, right, place)
    numeric = _numeric(b, op, left, right, place)
    if numeric is not None:
        return numeric
    if left.type.underlying.is_enum or right.type.underlying.is_enum:
        found = _enumeration(b, op, left, right, place)
        if found is not None:
            return found
    if op in _USER:
        found = _user_defined(b, op, left, right, place)
        if found is not None:
            return found
    if op in ("==", "!="):
        return _equality(b, op, left, right, place)
    if op in ("&", "|", "^") and left.type is BOOL and right.type is BOOL:
        return Operator(type=BOOL, place=place, nonnull=True, op=op, operands=[left, right])
    if op in ("&", "|", "^") and {left.type.underlying, right.type.underlying} in ({BOOL}, {BOOL, NULL}):
        return b.call(ops.three_valued(op), [left, right], nullable_of(BOOL), place)
    if op == "+" and left.type.is_delegate and left.type is right.type:
        return b.call(ops.combine, [left, right], left.type, place)
    names = [("<null>" if side.type is NULL else str(side.type)) for side in (left, right)]
    raise Finding(f"Operator '{op}' cannot be applied to operands of type '{names[0]}' and '{names[1]}'", place)


def _is_tuple(value: Expr) -> bool:
    return isinstance(value, TupleLiteral) or value.type.is_tuple


def _typed_default(value: Expr, other: Expr) -> Expr:
    """A `default` literal takes the type of the other operand."""
    if isinstance(value, Unbound) and value.type.name == "<default>" and not isinstance(other, Unbound):
        assert value.bind is not None
        return value.bind(other.type)
    return value


def _enumeration(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr | None:
    """E + n, n + E, E - n, E - E, comparisons and bit operators, null among them where a side is nullable."""
    one, two = left.type.underlying, right.type.underlying
    kind = one if one.is_enum else two
    if NULL in (one, two) or (one.is_enum and two.is_enum and one is not two):
        return None
    if op in ("==", "!=", "<", ">", "<=", ">=", "&", "|", "^"):
        if one is not two and convertible(right if one.is_enum else left, kind) is None:
            return None
        left, right = (side if side.type.underlying.is_enum else b.convert(side, kind) for side in (left, right))
        if op in ("<", ">", "<=", ">="):
            return b.call(ops.lifted_comparison(op), [left, right], BOOL, place)
        if op in ("==", "!="):
            return Operator(type=BOOL, place=place, nonnull=True, op=op, operands=[left, right])
        result = kind
    elif op == "-" and one is two:
        result = INT
    elif op in ("+", "-"):
        number = right if one.is_enum else left
        goal = nullable_of(INT) if number.type.is_nullable else INT
        if convertible(number, goal) is None:
            return None
        result = kind
        left, right = (b.convert(side, goal) if side is number else side for side in (left, right))
    else:
        return None
    if left.type.is_nullable or right.type.is_nullable:
        return b.call(ops.enum_operator(op, result, lifted=True), [left, right], nullable_of(result), place)
    return b.call(ops.enum_operator(op, result), [left, right], result, place)


def _concat(b: Binder, left: Expr, right: Expr, place: Place) -> Expr:
    operands: list[Expr] = []
    for side in (left, right):
        made = as_text(b, side)
        operands += made.operands if isinstance(made, Concat) else [made]
    if len(operands) == 2 and all(isinstance(part, Constant) for part in operands):
        text = "".join(part.value for part in operands if isinstance(part, Constant))
        return Constant(type=STRING, place=place, nonnull=True, value=text)
    return Concat(type=STRING, place=place, nonnull=True, operands=operands)


def promoted(left: Type, right: Type) -> Type | None:
    """The type that binary numeric promotion gives to non-nullable operands."""
    names = {left.name, right.name}
    if not names <= set(NUMERIC):
        return None
    for wide in ("decimal", "double", "float", "ulong", "long"):
        if wide in names:
            return type_of_name(wide)
    if "uint" in names:
        return type_of_name("uint" if names <= {"uint", "byte", "ushort", "char"} else "long")
    return INT


def _numeric(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr | None:
    kinds = [side.type.underlying for side in (left, right)]
    lifted = left.type.is_nullable or right.type.is_nullable or NULL in kinds
    if NULL in kinds:
        if op in ("==", "!=") or kinds[0] is kinds[1]:
            return None
        kinds = [kinds[0] if kinds[1] is NULL else kinds[1]] * 2
    if op in ("<<", ">>"):
        if not (kinds[0].name in (*INTEGRAL, "char") and kinds[1].name in NUMERIC):
            return None
        wide = kinds[0] if kinds[0].name in ("long", "ulong", "uint") else INT
        goals = [wide, INT]
    else:
        found = promoted(kinds[0], kinds[1])
        if found is None:
            return None
        # a constant next to a uint or ulong takes its type where it fits
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Constant) and other.type.name in ("ulong", "uint") and convertible(one, other.type):
                found = other.type
        if found.name == "ulong" and any(
            side.type is not NULL and not side.type.is_nullable and convertible(side, found) is None
            for side in (left, right)
        ):
            return None
        goals = [found, found]
        wide = found
    operation = ops.numeric(op, wide.name)
    if operation is None:
        return None
    result = BOOL if operation.comparison else wide
    if lifted:
        operands = [b.convert(side, nullable_of(goal)) for side, goal in zip((left, right), goals, strict=True)]
        if operation.comparison:
            return b.call(ops.lifted_comparison(op), operands, BOOL, place)
        return b.call(ops.lifted(operation), operands, nullable_of(result), place)
    operands = [b.convert(side, goal) for side, goal in zip((left, right), goals, strict=True)]
    folded = _folded(b, op, operation, operands, result, place)
    if folded is not None:
        return folded
    if b.checked and op in ("+", "-", "*") and wide.name in BITS:
        return b.call(ops.checked(op, wide.name), operands, result, place)
    if operation.function is not None:
        return b.call(operation.function, operands, result, place)
    return Operator(type=result, place=place, nonnull=True, op=op, operands=operands, wrap=operation.wrap)


def _folded(
    b: Binder, op: str, operation: ops.Operation, operands: list[Expr], result: Type, place: Place
) -> Expr | None:
    """Arithmetic on constants happens here; that on integers must not overflow."""
    left, right = operands
    if (
        isinstance(right, Constant)
        and op in ("/", "%")
        and right.value == 0
        and (right.type.name in BITS or (right.type.name == "decimal" and isinstance(left, Constant)))
    ):
        raise Finding("Division by constant zero", place)
    if not (isinstance(left, Constant) and isinstance(right, Constant)):
        return None
    exact = ops.exact(op, left.type.name)
    if exact is not None and result.name in BITS:
        value = exact(left.value, right.value)
        low, high = limits(result.name)
        if not low <= value <= high:
            if not b.unchecked:
                raise Finding("The operation overflows at compile time in checked mode", place)
            value = wrapper(result.name)(value)
    else:
        function = operation.function or operation.plain
        if function is None:
            return None
        try:
            value = function(left.value, right.value)
        except (DotNetError, ArithmeticError):
            return None
    return Constant(type=result, place=place, nonnull=True, value=value)


def _user_defined(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr | None:
    found: list[Candidate] = []
    for side in dict.fromkeys((left.type.underlying, right.type.underlying)):
        found += candidates(side, _USER[op], static=True) if side.definition else []
    if not found:
        return None
    lifted = left.type.is_nullable or right.type.is_nullable
    if lifted:
        if NULL in (left.type, right.type):
            return None
        raw = [Argument(_bare(side)) for side in (left, right)]
        match = resolve(found, raw)
        if match is None or match.member.native.function is None:
            return None
        function = ops.lifted_call(match.member.native.function, op)
        returns = match.member.returns if match.member.returns is BOOL else nullable_of(match.member.returns)
        return b.call(function, [left, right], returns, place)
    match = resolve(found, [Argument(left), Argument(right)])
    return finish_call(b, match, None, place) if match else None


def _bare(value: Expr) -> Expr:
    import copy

    made = copy.copy(value)
    made.type = value.type.underlying
    return made


def _equality(b: Binder, op: str, left: Expr, right: Expr, place: Place) -> Expr:
    one, two = left.type, right.type
    if NULL in (one, two):
        other = right if one is NULL else left
        if other.type.is_value and not other.type.is_nullable:
            return Constant(type=BOOL, place=place, nonnull=True, value=op == "!=")
        test = "is null" if op == "==" else "is not null"
        return Operator(type=BOOL, place=place, nonnull=True, op=test, operands=[other])
    by_value = (one is two and (one in (STRING, BOOL) or one.is_enum)) or (
        one.underlying is two.underlying and (one.underlying is BOOL or one.underlying.is_enum)
    )
    if by_value:
        return Operator(type=BOOL, place=place, nonnull=True, op=op, operands=[left, right])
    if one.underlying.is_enum != two.underlying.is_enum:
        literal, enum = (left, right) if two.underlying.is_enum else (right, left)
        if isinstance(literal, Constant) and literal.value == 0 and enum.type.is_enum:
            return Operator(type=BOOL, place=place, nonnull=True, op=op, operands=[left, right])
    references = (not one.is_value and not two.is_value) and (
        implicit(one, two) is not None or implicit(two, one) is not None or one.is_interface or two.is_interface
    )
    found = implicit(one, two) or implicit(two, one)
    if references and (found is None or found.native is None):
        function = ops.same_reference if op == "==" else ops.other_reference
        return b.call(function, [left, right], BOOL, place)
    raise Finding(f"Operator '{op}' cannot be applied to operands of type '{one}' and '{two}'", place)


@binds("parenthesized_expression")
def bind_parenthesized(b: Binder, node: Node) -> Expr:
    return b.expr(named(node)[0])


@binds("checked_expression")
def bind_checked(b: Binder, node: Node) -> Expr:
    with b.arithmetic(checked=node.children[0].type == "checked"):
        return b.expr(named(node)[-1])


@binds("prefix_unary_expression")
def bind_prefix(b: Binder, node: Node) -> Expr:
    op = node.children[0].type
    operand = named(node)[0]
    if op in ("++", "--"):
        from proxy.expressions.bind_assignment import step

        return step(b, node, operand, op, prefix=True)
    from proxy.expressions.bind_casts import holds_misread

    if holds_misread(node):
        from proxy.expressions.bind_precedence import flatten, regroup

        return regroup(b, flatten(b, node))
    value = b.value(operand)
    return unary(b, op, value, b.place(node))


def unary(b: Binder, op: str, value: Expr, place: Place) -> Expr:
    if op == "!" and value.type.is_nullable and value.type.underlying is BOOL:
        return b.call(lambda flag: None if flag is None else not flag, [value], value.type, place)
    if op == "!" and isinstance(value, Constant) and value.type is BOOL:
        return Constant(type=BOOL, place=place, nonnull=True, value=not value.value)
    if op == "!" and implicit(value.type, BOOL) is None:
        raise Finding(f"Operator '!' cannot be applied to operand of type '{value.type}'", place)
    if op == "!":
        return Operator(type=BOOL, place=place, nonnull=True, op="not", operands=[b.convert(value, BOOL)])
    kind = value.type.underlying
    if op == "~" and kind.is_enum and not value.type.is_nullable:
        return b.call(ops.enum_complement(kind), [value], kind, place)
    if op in ("-", "+", "~") and kind.name in NUMERIC:
        if isinstance(value, Constant) and op == "~" and kind.name in BITS:
            goal = kind if kind.name in ("long", "ulong", "uint") else INT
            return Constant(type=goal, place=place, nonnull=True, value=wrapper(goal.name)(~value.value))
        if isinstance(value, Constant) and op == "-" and kind.name in ("int", "long", "double", "decimal", "float"):
            return Constant(type=kind, place=place, nonnull=True, value=-value.value)
        if isinstance(value, Constant) and op == "-" and kind.name == "ulong" and value.value == 1 << 63:
            return Constant(type=type_of_name("long"), place=place, nonnull=True, value=-value.value)
        if isinstance(value, Constant) and op == "-" and kind.name == "uint":
            return Constant(
                type=INT if value.value == 1 << 31 else type_of_name("long"),
                place=place,
                nonnull=True,
                value=-value.value,
            )
        goal = kind if kind.name in ("long", "ulong", "uint", "double", "float", "decimal") else INT
        if op == "-" and goal.name == "uint":
            goal = type_of_name("long")
        if (op == "~" and goal.name in ("double", "float", "decimal")) or (op == "-" and goal.name == "ulong"):
            raise Finding(f"Operator '{op}' cannot be applied to operand of type '{value.type}'", place)
        if value.type.is_nullable:
            operation: Callable[[Any], Any] = ops.lifted_unary(op)
            return b.call(operation, [b.convert(value, nullable_of(goal))], nullable_of(goal), place)
        operand = b.convert(value, goal)
        if op == "+":
            return operand
        wrap = {"int": 32, "long": 64}.get(goal.name, 0) if op == "-" else 0
        if b.checked and wrap:
            zero = Constant(type=goal, place=place, nonnull=True, value=0)
            return b.call(ops.checked("-", goal.name), [zero, operand], goal, place)
        if goal.name in ("uint", "ulong") and op == "~":
            return b.call(ops.complement(goal.name), [operand], goal, place)
        if goal.name == "decimal" and op == "-":
            return b.call(negate_decimal, [operand], goal, place)
        return Operator(type=goal, place=place, nonnull=True, op=f"unary {op}", operands=[operand], wrap=wrap)
    name = {"-": "op_UnaryNegation", "+": "op_UnaryPlus"}.get(op, "")
    found = candidates(value.type, name, static=True) if name else []
    match = resolve(found, [Argument(value)]) if found else None
    if match is not None:
        return finish_call(b, match, None, place)
    raise Finding(f"Operator '{op}' cannot be applied to operand of type '{value.type}'", place)

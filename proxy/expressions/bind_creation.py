"""Objects, arrays, initialisers, anonymous types, `is`, `default`, `typeof`."""

from __future__ import annotations

from typing import Any

from tree_sitter import Node

from proxy.expressions.bind import BOOL, INT, OBJECT, Binder, binds
from proxy.expressions.bind_application import finish_call, make_array
from proxy.expressions.bind_assignment import element_target
from proxy.expressions.bind_calls import bind_arguments
from proxy.expressions.bind_lambdas import common_type
from proxy.expressions.bind_members import candidates, set_member
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL
from proxy.expressions.dotnet.values import Anonymous, Array, instance_of
from proxy.expressions.errors import Finding, unsupported_member, unsupported_type
from proxy.expressions.overloads import Argument, Candidate, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.runtime import allocate_elements, overflow
from proxy.expressions.tree import Assign, Call, Conditional, Constant, Expr, Let, Operator, Symbol, Unbound
from proxy.expressions.types import BITS, Definition, Native, Type, array_of, find, generic, type_of_name


@binds("object_creation_expression")
def bind_creation(b: Binder, node: Node) -> Expr:
    target = bind_type(b, field_of(node, "type"))
    arguments_node = node.child_by_field_name("arguments")
    arguments = bind_arguments(b, arguments_node) if arguments_node is not None else []
    place = b.place(node)
    definition = target.definition
    if definition is None or not definition.constructors:
        raise unsupported_member(".ctor", target.full_name, place)
    if target.is_delegate:
        return b.convert(arguments[0].value, target)
    filling = dict(zip(definition.parameters, target.args, strict=False))
    match = resolve([Candidate(member, filling) for member in definition.constructors], arguments)
    if match is None:
        raise Finding(f"'{target}' does not contain a constructor that takes these arguments", place)
    made = finish_call(b, match, None, place)
    made.type = target
    made.nonnull = True
    initializer = node.child_by_field_name("initializer")
    return made if initializer is None else initialise(b, made, initializer)


def initialise(b: Binder, made: Expr, node: Node) -> Expr:
    """`{ a, b }`, `{ {k, v} }`, `{ [k] = v }` and `{ Name = v }` after `new`."""
    held = b.symbol("", made.type, nonnull=True)
    place = b.place(node)
    effects: list[Expr] = []
    for child in named(node):
        if child.type == "assignment_expression":
            effects.append(_initialise_member(b, held, child))
            continue
        inner = named(child) if child.type == "initializer_expression" else [child]
        found = [c for c in candidates(made.type, "Add", static=False) if c.member.kind == "method"]
        match = resolve(found, [Argument(b.expr(item)) for item in inner])
        if match is None:
            raise Finding(f"'{made.type}' has no Add method for this element of the initializer", b.place(child))
        effects.append(finish_call(b, match, b.local(held, place), b.place(child)))
    return Let(
        type=made.type,
        place=made.place,
        nonnull=True,
        bindings=[(held, made)],
        effects=effects,
        value=b.local(held, place),
    )


def _initialise_member(b: Binder, held: Symbol, node: Node) -> Expr:
    left, right = field_of(node, "left"), field_of(node, "right")
    place = b.place(node)
    receiver = b.local(held, place)
    if left.type == "element_binding_expression":
        indexes = [b.value(named(argument)[-1]) for argument in named(left)]
        kind, bindings, _, write = element_target(b, receiver, indexes, place)
        value = b.convert(b.expr(right), kind)
        return Let(type=kind, place=place, bindings=bindings, effects=[write(value)], value=receiver)
    found = set_member(b, held.type, text_of(left))
    if found is None or found[0].setter is None:
        raise unsupported_member(text_of(left), held.type.full_name, place)
    value = b.convert(b.expr(right), found[1])
    return Call(type=found[1], place=place, native=found[0].setter, arguments=[receiver, value])


def default_of(kind: Type) -> Any:
    """The value of an uninitialised variable of this type."""
    name = kind.name
    if not kind.is_value or kind.is_nullable:
        return None
    if name == "bool":
        return False
    if name in BITS:
        return 0
    if name == "char":
        return "\0"
    if name in ("double", "float"):
        return 0.0
    from proxy.expressions.dotnet.defaults import value_type_default

    return value_type_default(kind)


def new_array(element: Type) -> Any:
    initial = default_of(element)

    def build(length: int) -> Array:
        if length < 0:
            overflow()
        allocate_elements(length)
        return Array(element, [initial]) if length == 1 else Array(element, [initial] * length)

    return build


@binds("array_creation_expression")
def bind_array(b: Binder, node: Node) -> Expr:
    kind_node = field_of(node, "type")
    element = bind_type(b, field_of(kind_node, "type"))
    ranks = [child for child in named(kind_node) if child.type == "array_rank_specifier"]
    for _ in ranks[1:]:
        element = array_of(element)
    sizes = named(ranks[0]) if ranks else []
    if len(sizes) > 1:
        raise b.error(node, "Arrays of more than one dimension are not supported within expressions")
    initializer = next((child for child in named(node) if child.type == "initializer_expression"), None)
    if initializer is not None:
        return array_initialiser(b, element, initializer)
    if not sizes:
        raise b.error(node, "Array creation must have array size or array initializer")
    length = b.convert(b.expr(sizes[0]), INT)
    made = b.call(new_array(element), [length], array_of(element), b.place(node))
    made.nonnull = True
    return made


def array_initialiser(b: Binder, element: Type, node: Node) -> Expr:
    items: list[Expr] = []
    for child in named(node):
        if child.type == "initializer_expression" and element.is_array:
            items.append(array_initialiser(b, element.args[0], child))
        else:
            items.append(b.convert(b.expr(child), element))
    return make_array(element, items, b.place(node))


@binds("implicit_array_creation_expression")
def bind_implicit_array(b: Binder, node: Node) -> Expr:
    items = [b.expr(child) for child in named(next(c for c in named(node) if c.type == "initializer_expression"))]
    kinds = [item.type for item in items if not isinstance(item, Unbound) and item.type is not NULL]
    element = common_type(kinds) if kinds else None
    if element is None:
        raise b.error(node, "No best type found for implicitly-typed array")
    return make_array(element, [b.convert(item, element) for item in items], b.place(node))


@binds("anonymous_object_creation_expression")
def bind_anonymous(b: Binder, node: Node) -> Expr:
    children = [child for child in node.children if child.type not in ("new", "{", "}", "comment")]
    names: list[str] = []
    values: list[Expr] = []
    index = 0
    while index < len(children):
        child = children[index]
        if child.type == ",":
            index += 1
            continue
        if index + 2 < len(children) and children[index + 1].type == "=":
            names.append(text_of(child))
            values.append(b.value(children[index + 2]))
            index += 3
            continue
        last = child
        if last.type == "member_access_expression":
            last = field_of(last, "name")
        if last.type != "identifier":
            raise b.error(child, "Invalid anonymous type member declarator; write Name = value")
        names.append(text_of(last))
        values.append(b.value(child))
        index += 1
    kind = anonymous_type(tuple(names), tuple(value.type for value in values))
    boxed = [b.convert(value, OBJECT) for value in values]
    labels = tuple(names)

    def build(*items: Any) -> Anonymous:
        return Anonymous(kind, tuple(zip(labels, items, strict=True)))

    return Call(type=kind, place=b.place(node), nonnull=True, native=Native(build), arguments=boxed)


_ANONYMOUS: dict[tuple[tuple[str, ...], tuple[Type, ...]], Type] = {}


def anonymous_type(names: tuple[str, ...], kinds: tuple[Type, ...]) -> Type:
    """One type per list of names and types, so that two of the same shape are compatible."""
    key = (names, kinds)
    if key not in _ANONYMOUS:
        if len(_ANONYMOUS) > 4096:
            _ANONYMOUS.clear()
        definition = Definition("anonymous", "<>f__AnonymousType", "class", names)
        _ANONYMOUS[key] = Type("anonymous", kinds, definition)
    return _ANONYMOUS[key]


@binds("default_expression")
def bind_default(b: Binder, node: Node) -> Expr:
    kind_node = node.child_by_field_name("type")
    place = b.place(node)

    def of(target: Type) -> Expr:
        return Constant(
            type=target, place=place, nonnull=target.is_value and not target.is_nullable, value=default_of(target)
        )

    if kind_node is None:
        return Unbound(type=type_of_name("<default>"), place=place, kind="default", bind=of)
    return of(bind_type(b, kind_node))


@binds("typeof_expression")
def bind_typeof(b: Binder, node: Node) -> Expr:
    bind_type(b, field_of(node, "type"))
    raise unsupported_type("System.Type", b.place(node))


def type_test(b: Binder, value: Expr, target: Type) -> Expr:
    return b.call(lambda item: instance_of(item, target), [b.convert(value, OBJECT)], BOOL, value.place)


@binds("is_expression")
def bind_is(b: Binder, node: Node) -> Expr:
    return type_test(b, b.value(field_of(node, "left")), bind_type(b, field_of(node, "right")))


@binds("is_pattern_expression")
def bind_is_pattern(b: Binder, node: Node) -> Expr:
    value = b.value(field_of(node, "expression"))
    pattern = field_of(node, "pattern")
    held = b.symbol("", value.type, nonnull=value.nonnull)
    test = bind_pattern(b, pattern, held)
    return Let(type=BOOL, place=b.place(node), nonnull=True, bindings=[(held, value)], effects=[], value=test)


def bind_pattern(b: Binder, node: Node, held: Symbol) -> Expr:
    """A C# 7 pattern as a test on the variable `held`: a constant, `T x`, `var x`, `_`, `not p`."""
    place = b.place(node)
    value = b.local(held, place)
    if node.type == "declaration_pattern":
        kind_node = field_of(node, "type")
        target = bind_type(b, kind_node)
        name = field_of(node, "name")
        symbol = b.declare(name, text_of(name), target)
        b.assigned(symbol)
        unboxed = b.call(lambda item: item, [b.convert(value, OBJECT)], target, place)
        store = Assign(type=target, place=place, symbol=symbol, value=unboxed)
        true = Constant(type=BOOL, nonnull=True, value=True)
        bound = Let(type=BOOL, place=place, nonnull=True, bindings=[], effects=[store], value=true)
        false = Constant(type=BOOL, nonnull=True, value=False)
        return Conditional(type=BOOL, place=place, nonnull=True, test=type_test(b, value, target), yes=bound, no=false)
    if node.type == "var_pattern":
        name = named(node)[-1]
        symbol = b.declare(name, text_of(name), held.type)
        b.assigned(symbol)
        store = Assign(type=held.type, place=place, symbol=symbol, value=value)
        return Let(
            type=BOOL,
            place=place,
            nonnull=True,
            bindings=[],
            effects=[store],
            value=Constant(type=BOOL, nonnull=True, value=True),
        )
    if node.type == "discard":
        return Constant(type=BOOL, nonnull=True, value=True)
    if node.type == "negated_pattern":
        return Operator(
            type=BOOL, place=place, nonnull=True, op="not", operands=[bind_pattern(b, named(node)[0], held)]
        )
    if node.type == "constant_pattern":
        inner = named(node)[0]
        named_type = _type_named(b, inner)
        return constant_test(b, value, b.expr(inner)) if named_type is None else type_test(b, value, named_type)
    if node.type in ("type_pattern", "identifier", "predefined_type"):
        return type_test(b, value, bind_type(b, named(node)[0] if node.type == "type_pattern" else node))
    raise b.error(node, f"A {node.type.replace('_', ' ')} is not supported within expressions")


def _type_named(b: Binder, node: Node) -> Type | None:
    """The type that a constant pattern really names: `x is JObject` parses as a constant."""
    if node.type == "predefined_type":
        return bind_type(b, node)
    if node.type not in ("identifier", "member_access_expression"):
        return None
    name = text_of(node)
    found = find(name) if b.lookup(name) is None else None
    return generic(found.name) if found is not None else None


def constant_test(b: Binder, value: Expr, wanted: Expr) -> Expr:
    """Value equality with a constant, as `case` and `is` test it."""
    from proxy.expressions.bind_operators import apply_binary

    if value.type is OBJECT and wanted.type is not NULL:
        boxed = b.convert(wanted, OBJECT)
        return b.call(lambda a, c: type(a) is type(c) and a == c, [value, boxed], BOOL, wanted.place)
    return apply_binary(b, "==", value, wanted, wanted.place)

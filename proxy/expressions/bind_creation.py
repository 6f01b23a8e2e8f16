"""Objects, arrays, initialisers, anonymous types, `default`, `typeof`, `sizeof`."""

from __future__ import annotations

from typing import Any

from tree_sitter import Node

from proxy.expressions.bind import INT, OBJECT, Binder, binds
from proxy.expressions.bind_application import finish_call, make_array
from proxy.expressions.bind_assignment import element_target
from proxy.expressions.bind_calls import bind_arguments
from proxy.expressions.bind_lambdas import common_type_of
from proxy.expressions.bind_members import bind_index, bind_property, candidates, set_member
from proxy.expressions.bind_types import array_parts, array_type, bind_type
from proxy.expressions.conversions import NULL
from proxy.expressions.dotnet.matrices import matrix_of_items, new_matrix
from proxy.expressions.dotnet.values import Anonymous, Array
from proxy.expressions.errors import Finding, unsupported_member
from proxy.expressions.overloads import Argument, Candidate, describe, misfit, resolve
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.runtime import allocate_elements, overflow
from proxy.expressions.tree import Call, Constant, Expr, Let, Symbol, Unbound
from proxy.expressions.types import BITS, Definition, Native, Type, array_of, matrix_of, type_of_name


@binds("object_creation_expression")
def bind_creation(b: Binder, node: Node) -> Expr:
    target = bind_type(b, field_of(node, "type"))
    arguments_node = node.child_by_field_name("arguments")
    arguments = bind_arguments(b, arguments_node) if arguments_node is not None else []
    place = b.place(node)
    if arguments_node is None and node.child_by_field_name("initializer") is None:
        raise b.error(node, "A new expression requires an argument list or (), [], or {} after type")
    definition = target.definition
    if target.is_delegate and len(arguments) == 1:
        return b.convert(arguments[0].value, target, place)
    if definition is None or not definition.constructors:
        raise unsupported_member(".ctor", target.full_name, place)
    filling = dict(zip(definition.parameters, target.args, strict=False))
    match = resolve([Candidate(member, filling) for member in definition.constructors], arguments)
    if match is None:
        why = misfit([Candidate(member, filling) for member in definition.constructors], arguments)
        raise Finding(
            f"'{target}' does not contain a constructor that takes these arguments ({describe(arguments)}){why}", place
        )
    made = finish_call(b, match, None, place)
    made.type = target
    made.nonnull = True
    initializer = node.child_by_field_name("initializer")
    return made if initializer is None else initialise(b, made, initializer)


def initialise(b: Binder, made: Expr, node: Node) -> Expr:
    """`{ a, b }`, `{ {k, v} }`, `{ [k] = v }` and `{ Name = v }` after `new`."""
    held = b.symbol("", made.type, nonnull=True)
    place = b.place(node)
    effects = _initialisers(b, held, node)
    return Let(
        type=made.type,
        place=made.place,
        nonnull=True,
        bindings=[(held, made)],
        effects=effects,
        value=b.local(held, place),
    )


def _initialisers(b: Binder, held: Symbol, node: Node) -> list[Expr]:
    """What the braces do to the object in `held`."""
    place = b.place(node)
    effects: list[Expr] = []
    for child in named(node):
        if child.type == "assignment_expression":
            effects.append(_initialise_member(b, held, child))
            continue
        inner = named(child) if child.type == "initializer_expression" else [child]
        found = [c for c in candidates(held.type, "Add", static=False) if c.member.kind == "method"]
        match = resolve(found, [Argument(b.expr(item)) for item in inner])
        if match is None:
            raise Finding(f"'{held.type}' has no Add method for this element of the initializer", b.place(child))
        effects.append(finish_call(b, match, b.local(held, place), b.place(child)))
    return effects


def _initialise_member(b: Binder, held: Symbol, node: Node) -> Expr:
    left, right = field_of(node, "left"), field_of(node, "right")
    place = b.place(node)
    receiver = b.local(held, place)
    if right.type == "initializer_expression":  # { Items = { 1, 2 } } adds to what the property holds
        if left.type == "element_binding_expression":
            indexes = [b.value(named(argument)[-1]) for argument in named(left)]
            found_value = bind_index(b, receiver, indexes, place)
        else:
            found_value = bind_property(b, receiver, text_of(left), place)
        inner = b.symbol("", found_value.type, nonnull=found_value.nonnull)
        effects = _initialisers(b, inner, right)
        return Let(
            type=inner.type, place=place, bindings=[(inner, found_value)], effects=effects, value=b.local(inner, place)
        )
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
    held = element.plain

    def build(length: int) -> Array:
        if length < 0:
            overflow()
        allocate_elements(length)
        return Array(held, [initial]) if length == 1 else Array(held, [initial] * length)

    return build


@binds("array_creation_expression")
def bind_array(b: Binder, node: Node) -> Expr:
    element_node, ranks = array_parts(field_of(node, "type"))
    element = bind_type(b, element_node)
    for rank in reversed(ranks[1:]):
        element = array_type(b, element, rank)
    whole = array_type(b, element, ranks[0])
    sizes = named(ranks[0])
    initializer = next((child for child in named(node) if child.type == "initializer_expression"), None)
    if initializer is not None:
        if len(sizes) == 1:
            given = b.expr(sizes[0])
            if isinstance(given, Constant) and given.value != len(named(initializer)):
                raise b.error(initializer, f"An array initializer of length '{given.value}' is expected")
        return array_initialiser(b, whole, initializer)
    if not sizes:
        raise b.error(node, "Array creation must have array size or array initializer")
    lengths = [b.convert(b.expr(size), INT) for size in sizes]
    build = new_array(element) if len(lengths) == 1 else new_matrix(whole, default_of(element))
    made = b.call(build, lengths, whole, b.place(node))
    made.nonnull = True
    return made


def array_initialiser(b: Binder, whole: Type, node: Node) -> Expr:
    """`{ a, b }` as an array of the type `whole`; of more dimensions nested to their number."""
    element = whole.args[0]
    if whole.rank > 1:
        lengths: list[int] = []
        items: list[Expr] = []
        _matrix_items(b, node, element, whole.rank, lengths, items, 0)
        made = b.call(matrix_of_items(whole, tuple(lengths)), items, whole, b.place(node))
        made.nonnull = True
        return made
    values: list[Expr] = []
    for child in named(node):
        if child.type == "initializer_expression":
            raise b.error(child, "Array initializers can only be used in a variable or field initializer")
        values.append(b.convert(b.expr(child), element))
    return make_array(element, values, b.place(node))


def _matrix_items(
    b: Binder, node: Node, element: Type, rank: int, lengths: list[int], items: list[Expr], level: int
) -> None:
    children = named(node)
    if len(lengths) == level:
        lengths.append(len(children))
    elif lengths[level] != len(children):
        raise b.error(node, f"An array initializer of length '{lengths[level]}' is expected")
    for child in children:
        if level + 1 == rank:
            items.append(b.convert(b.expr(child), element))
        elif child.type == "initializer_expression":
            _matrix_items(b, child, element, rank, lengths, items, level + 1)
        else:
            raise b.error(child, "A nested array initializer is expected")


@binds("implicit_array_creation_expression")
def bind_implicit_array(b: Binder, node: Node) -> Expr:
    initializer = next(child for child in named(node) if child.type == "initializer_expression")
    rank = 1 + sum(child.type == "," for child in node.children)
    flat = [initializer]
    for _ in range(rank):
        flat = [child for outer in flat for child in named(outer)]
    element = common_type_of([b.expr(child) for child in flat])
    if element is None:
        raise b.error(node, "No best type found for implicitly-typed array")
    return array_initialiser(b, matrix_of(element, rank) if rank > 1 else array_of(element), initializer)


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
    if len(set(names)) < len(names):
        raise b.error(node, "An anonymous type cannot have multiple properties with the same name")
    for label, value in zip(names, values, strict=True):
        if value.type is NULL:
            raise Finding(f"Cannot assign <null> to anonymous type property '{label}'", value.place)
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
    kind = bind_type(b, field_of(node, "type"))
    return Constant(type=type_of_name("Type"), place=b.place(node), nonnull=True, value=kind.plain)


@binds("sizeof_expression")
def bind_sizeof(b: Binder, node: Node) -> Expr:
    kind = bind_type(b, field_of(node, "type"))
    sizes = {**{name: bits // 8 for name, bits in BITS.items()}, "bool": 1, "char": 2, "float": 4, "double": 8}
    size = {**sizes, "decimal": 16}.get("int" if kind.is_enum else kind.name)
    if size is None:
        raise b.error(node, f"'{kind}' does not have a predefined size")
    return Constant(type=INT, place=b.place(node), nonnull=True, value=size)

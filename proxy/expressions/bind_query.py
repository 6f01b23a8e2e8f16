"""Query syntax: from, where, select, orderby, group, join, let, into, as the method calls that C# makes of them.

The range variables in scope travel in one tuple; each lambda takes it apart into variables of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

from proxy.expressions.bind import BOOL, Binder, Scope, binds
from proxy.expressions.bind_calls import call_method
from proxy.expressions.bind_types import bind_type
from proxy.expressions.errors import Finding
from proxy.expressions.overloads import Argument, delegate_signature
from proxy.expressions.parse import named, text_of
from proxy.expressions.tree import Expr, Function, Item, Lambda, Let, Return, Symbol, TupleLiteral, Unbound
from proxy.expressions.types import Type, has_parameters, tuple_of, type_of_name

Body = Callable[[], Expr]


class Query:
    """A query under construction: its source so far, and the names that one element of it carries."""

    def __init__(self, b: Binder, source: Expr, name: Node) -> None:
        self.b = b
        self.source = source
        self.names: list[Node] = [name]
        # one element is a tuple of the variables' values, not the only variable's value
        self.packed = False

    def call(self, node: Node, method: str, *arguments: Expr, given: tuple[Type, ...] = ()) -> None:
        place = self.b.place(node)
        self.source = call_method(self.b, place, self.source, method, [Argument(value) for value in arguments], given)

    def function(self, node: Node, body: Body, *more: Node) -> Unbound:
        """A lambda over one element, and over the variables `more` beside it."""
        b = self.b
        place = b.place(node)
        scopes, parent = list(b.scopes), b.function
        names, packed = list(self.names), self.packed
        bound: dict[tuple[Type, ...], tuple[Function, Return]] = {}

        def make(inputs: list[Type]) -> tuple[Function, Return]:
            key = tuple(inputs)
            if key in bound:
                return bound[key]
            b.serial += 1
            function = Function(parent, f"f{b.serial}")
            saved = (b.scopes, b.function, b.loops, b.guards)
            b.scopes, b.function, b.loops, b.guards = [*scopes, Scope()], function, 0, []
            try:
                bindings: list[tuple[Symbol, Expr]] = []
                if packed:
                    whole = b.symbol("", inputs[0], nonnull=True)
                    function.parameters.append(whole)
                    for index, (name, kind) in enumerate(zip(names, inputs[0].args, strict=True)):
                        item = Item(type=kind, source=b.local(whole, place), index=index)
                        bindings.append((b.declare(name, text_of(name), kind), item))
                else:
                    function.parameters.append(b.declare(names[0], text_of(names[0]), inputs[0]))
                for name, kind in zip(more, inputs[1:], strict=True):
                    function.parameters.append(b.declare(name, text_of(name), kind))
                value = body()
                if isinstance(value, Unbound):
                    raise Finding("The type of this expression cannot be known here; name it", value.place)
                if bindings:
                    value = Let(
                        type=value.type, place=place, nonnull=value.nonnull, bindings=bindings, effects=[], value=value
                    )
                found = Return(value=value, place=place)
                function.body = [found]
            finally:
                b.scopes, b.function, b.loops, b.guards = saved
            bound[key] = (function, found)
            return bound[key]

        def bind(target: Type) -> Expr:
            signature = delegate_signature(target)
            assert signature is not None
            function, found = make(signature[0])
            output = signature[1]
            if found.value is not None and output is not None and not has_parameters(output):
                found.value = b.convert(found.value, output)
            return Lambda(type=target, place=place, nonnull=True, function=function)

        def body_type(inputs: list[Type]) -> Type | None:
            value = make(inputs)[1].value
            return value.type if value is not None else None

        return Unbound(type=type_of_name("<lambda>"), place=place, bind=bind, arity=1 + len(more), body_type=body_type)

    def packing(self, *more: Body) -> Body:
        """The tuple of all variables in scope and of further values."""
        names = list(self.names)

        def build() -> Expr:
            elements = [self.variable(name) for name in names] + [value() for value in more]
            kind = tuple_of(tuple(element.type for element in elements))
            return TupleLiteral(type=kind, nonnull=True, elements=elements)

        return build

    def variable(self, name: Node) -> Expr:
        symbol = self.b.lookup(text_of(name))
        assert symbol is not None
        return self.b.local(symbol, self.b.place(name))

    def extend(self, name: Node) -> None:
        if any(text_of(name) == text_of(other) for other in self.names):
            raise self.b.error(name, f"A range variable named '{text_of(name)}' is already declared")
        self.names.append(name)
        self.packed = True


def _source(b: Binder, node: Node, kind: Node | None) -> Expr:
    value = b.value(node)
    if kind is None:
        return value
    return call_method(b, b.place(node), value, "Cast", [], (bind_type(b, kind),))


def _from(node: Node) -> tuple[Node, Node, Node | None]:
    """Variable, source and type of a `from`."""
    kind = node.child_by_field_name("type")
    rest = [child for child in named(node) if kind is None or child.id != kind.id]
    return rest[0], rest[1], kind


@binds("query_expression")
def bind_query(b: Binder, node: Node) -> Expr:
    clauses = [child for child in node.children if child.type != "comment"]
    name, source, kind = _from(clauses[0])
    query = Query(b, _source(b, source, kind), name)
    index = 1
    while index < len(clauses):
        clause = clauses[index]
        following = clauses[index + 1] if index + 1 < len(clauses) else None
        if clause.type == "into":
            assert following is not None
            query.names, query.packed = [following], False
            index += 2
        elif clause.type == "from_clause":
            selecting = following if following is not None and following.type == "select_clause" else None
            _select_many(query, clause, selecting)
            index += 1 if selecting is None else 2
        else:
            _CLAUSES[clause.type](query, clause)
            index += 1
    return query.source


def _select_many(query: Query, clause: Node, selecting: Node | None) -> None:
    b = query.b
    name, source, kind = _from(clause)
    inner = query.function(clause, lambda: _source(b, source, kind))
    if selecting is not None:
        result = named(selecting)[0]
        query.call(clause, "SelectMany", inner, query.function(clause, lambda: b.value(result), name))
        return
    pack = query.packing(lambda: query.variable(name))
    query.call(clause, "SelectMany", inner, query.function(clause, pack, name))
    query.extend(name)


def _where(query: Query, clause: Node) -> None:
    b, test = query.b, named(clause)[0]
    query.call(clause, "Where", query.function(clause, lambda: b.convert(b.expr(test), BOOL, b.place(test))))


def _select(query: Query, clause: Node) -> None:
    b, value = query.b, named(clause)[0]
    query.call(clause, "Select", query.function(clause, lambda: b.value(value)))


def _let(query: Query, clause: Node) -> None:
    b = query.b
    name, value = named(clause)
    query.call(clause, "Select", query.function(clause, query.packing(lambda: b.value(value))))
    query.extend(name)


def _order(query: Query, clause: Node) -> None:
    b = query.b
    parts = [child for child in clause.children if child.type not in ("orderby", ",", "comment")]
    method = "OrderBy"
    for index, part in enumerate(parts):
        if part.type in ("ascending", "descending"):
            continue
        falling = index + 1 < len(parts) and parts[index + 1].type == "descending"
        key = query.function(part, lambda part=part: b.value(part))  # type: ignore[misc]
        query.call(part, method + ("Descending" if falling else ""), key)
        method = "ThenBy"


def _group(query: Query, clause: Node) -> None:
    b = query.b
    value, key = named(clause)
    arguments = [query.function(clause, lambda: b.value(key))]
    if query.packed or text_of(value) != text_of(query.names[0]):
        arguments.append(query.function(clause, lambda: b.value(value)))
    query.call(clause, "GroupBy", *arguments)


def _join(query: Query, clause: Node) -> None:
    b = query.b
    into = next((child for child in named(clause) if child.type == "join_into_clause"), None)
    kind = clause.child_by_field_name("type")
    skipped = {part.id for part in (into, kind) if part is not None}
    name, source, outer_key, inner_key = [child for child in named(clause) if child.id not in skipped]
    inner = Query(b, _source(b, source, kind), name)
    outer = query.function(clause, lambda: b.value(outer_key))
    own = inner.function(clause, lambda: b.value(inner_key))
    result = name if into is None else named(into)[0]
    pack = query.function(clause, query.packing(lambda: query.variable(result)), result)
    query.call(clause, "Join" if into is None else "GroupJoin", inner.source, outer, own, pack)
    query.extend(result)


_CLAUSES: dict[str, Callable[[Query, Node], None]] = {
    "where_clause": _where,
    "select_clause": _select,
    "let_clause": _let,
    "order_by_clause": _order,
    "group_clause": _group,
    "join_clause": _join,
}

"""Local functions: overload-style calls with optional, named, params, ref and out arguments; generics; iterators.

Rules
1. A generic function is bound anew for each list of type arguments, as its body means something else for each.
2. A `ref` or `out` argument is a shared variable (see `Symbol`); what is no variable is copied into one and back.
3. A function with `yield` is an iterator: its body runs when, and each time that, the result is enumerated.
"""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import OBJECT, VOID, Binder, binds_statement
from proxy.expressions.bind_application import out_symbol, spread_array
from proxy.expressions.bind_flow import falls_through, has_yield
from proxy.expressions.bind_lambdas import Pending, convert_returns
from proxy.expressions.bind_types import bind_type
from proxy.expressions.errors import Finding, Place
from proxy.expressions.overloads import (
    Argument,
    Candidate,
    Match,
    delegate_signature,
    describe,
    parameter_type,
    resolve,
)
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import (
    Assign,
    Constant,
    Define,
    Expr,
    Function,
    Invoke,
    Let,
    Local,
    Reference,
    Statement,
    Symbol,
    Unbound,
)
from proxy.expressions.types import Member, Native, Parameter, Type, generic, substitute, type_of_name

# How many versions of one generic local function there may be: one that calls itself with List<T> has no end.
MAX_INSTANCES = 32


class LocalFunction:
    """A declared local function: its signature, and a symbol per list of type arguments."""

    def __init__(self, b: Binder, node: Node, block: list[Statement]) -> None:
        self.b, self.node, self.block = b, node, block
        _refuse_modifiers(b, node)
        self.name = text_of(field_of(node, "name"))
        self.scopes = list(b.scopes)
        self.parent = b.function
        self.outer_types = dict(b.type_names)
        self.arithmetic = (b.checked, b.unchecked)
        listed = node.child_by_field_name("type_parameters")
        self.generics = tuple(text_of(field_of(child, "name")) for child in named(listed)) if listed else ()
        # a name of its own, so that no type of the table is meant
        own = {name: generic(f"!{name}") for name in self.generics}
        saved, b.type_names = b.type_names, {**b.type_names, **own}
        try:
            self.names, parameters = _parameters(b, field_of(node, "parameters"))
            result = field_of(node, "type")
            returns = VOID if text_of(result) == "void" else bind_type(b, result)
        finally:
            b.type_names = saved
        self.body = field_of(node, "body")
        if self.body.type == "arrow_expression_clause":
            self.body = named(self.body)[0]
        generics = tuple(f"!{name}" for name in self.generics)
        self.member = Member(self.name, "method", returns, True, tuple(parameters), Native(), generics=generics)
        self.instances: dict[tuple[Type, ...], Symbol] = {}

    def instance(self, filling: dict[str, Type]) -> Symbol:
        """The symbol of the function with these type arguments; its body is bound when it is first wanted."""
        key = tuple(filling[f"!{name}"] for name in self.generics)
        if key not in self.instances:
            if len(self.instances) >= MAX_INSTANCES:
                raise self.b.error(self.node, f"'{self.name}' calls itself with ever more type arguments")
            saved, self.b.function = self.b.function, self.parent
            try:
                symbol = self.b.symbol(self.name, self._delegate(filling), nonnull=True)
            finally:
                self.b.function = saved
            symbol.local_function = self
            self.instances[key] = symbol
            if self.generics:
                self.block.insert(0, self.define(key, symbol))
        return self.instances[key]

    def _delegate(self, filling: dict[str, Type]) -> Type:
        inputs = [parameter_type(parameter, filling) for parameter in self.member.parameters]
        returns = substitute(self.member.returns, filling)
        return generic("Action", *inputs) if returns is VOID else generic("Func", *inputs, returns)

    def define(self, key: tuple[Type, ...], symbol: Symbol) -> Statement:
        """The statement that makes the function; binds the body."""
        b = self.b
        filling = {f"!{name}": kind for name, kind in zip(self.generics, key, strict=True)}
        returns = substitute(self.member.returns, filling)
        inputs = [parameter_type(parameter, filling) for parameter in self.member.parameters]
        b.serial += 1
        function = Function(self.parent, f"f{b.serial}", calls_out=True, hoisted=True)
        if has_yield(self.body):
            if returns.name != "IEnumerable" or not returns.args:
                raise b.error(
                    self.node,
                    f"The body of '{self.name}' cannot be an iterator block because '{returns}' is not IEnumerable<T>",
                )
            function.yields = returns.args[0]
        pending = Pending(b, self.node, self.names, self.body)
        pending.scopes, pending.parent, pending.function = self.scopes, self.parent, function
        pending.references = ["ref" if one.ref else "out" if one.out else "" for one in self.member.parameters]
        types = {**self.outer_types, **dict(zip(self.generics, key, strict=True))}
        pending.around = (types, *self.arithmetic)
        _, found, _ = pending.with_parameters(inputs)
        output = None if returns is VOID or function.yields is not None else returns
        convert_returns(b, found, output, output)
        if output is not None and falls_through(function.body):
            raise b.error(field_of(self.node, "name"), f"'{self.name}': not all code paths return a value")
        return Define(place=b.place(self.node), symbol=symbol, function=function)


def _refuse_modifiers(b: Binder, node: Node) -> None:
    for child in node.children:
        if child.type == "modifier" and text_of(child) != "static":
            raise b.error(child, f"The modifier '{text_of(child)}' is not supported on local functions")


def _parameters(b: Binder, node: Node) -> tuple[list[Node], list[Parameter]]:
    names: list[Node] = []
    found: list[Parameter] = []
    params = False
    loose: Node | None = None
    for index, child in enumerate(node.children):
        field = node.field_name_for_child(index)
        if child.type == "params":
            params = True
        elif field == "type":  # a params parameter has no node of its own
            loose = child
        elif field == "name" and loose is not None:
            names.append(child)
            found.append(Parameter(bind_type(b, loose), text_of(child), params=params))
        elif child.type == "parameter":
            name = field_of(child, "name")
            words = [text_of(part) for part in child.children if part.type == "modifier"]
            kind = bind_type(b, field_of(child, "type"))
            parameter = Parameter(kind, text_of(name), out="out" in words, ref="ref" in words)
            default = _default(b, child, name)
            if default is not None:
                parameter.optional = True
                parameter.default = _constant_default(b, default, kind)
            names.append(name)
            found.append(parameter)
    return names, found


def _default(b: Binder, node: Node, name: Node) -> Expr | None:
    after = [child for child in named(node) if child.start_byte > name.end_byte]
    return b.expr(after[-1]) if after else None


def _constant_default(b: Binder, value: Expr, kind: Type) -> object:
    if kind.is_parameter:
        return None
    made = b.convert(value, kind)
    if not isinstance(made, Constant):
        raise Finding("Default parameter value must be a compile-time constant", value.place)
    return made.value


def declare_local_function(b: Binder, node: Node, block: list[Statement]) -> None:
    """Put the name in scope, in the whole of the block."""
    name = field_of(node, "name")
    symbol = b.declare(name, text_of(name), type_of_name("<function>"))
    symbol.name = ""
    function = LocalFunction(b, node, block)
    symbol.local_function = function


@binds_statement("local_function_statement")
def bind_function(b: Binder, node: Node, into: list[Statement]) -> None:
    symbol = b.lookup(text_of(field_of(node, "name")))
    function: LocalFunction | None = symbol.local_function if symbol is not None else None
    if function is None or function.node.id != node.id:
        raise b.error(node, "A local function needs a block around it")
    if not function.generics:
        into.insert(0, function.define((), function.instance({})))


def function_group(b: Binder, function: LocalFunction, place: Place) -> Expr:
    """The function's name without a call: it becomes a delegate where one is wanted."""

    def matching(inputs: list[Type]) -> Match | None:
        dummies = [Argument(Local(type=kind, symbol=Symbol("", kind, b.function, ""))) for kind in inputs]
        return resolve([Candidate(function.member, {})], dummies)

    def bind(target: Type) -> Expr:
        signature = delegate_signature(target)
        found = matching(signature[0]) if signature is not None else None
        if signature is None or found is None or len(signature[0]) != len(function.member.parameters):
            raise Finding(f"No overload for '{function.name}' matches delegate '{target}'", place)
        symbol = function.instance(found.filling)
        b.function.calls_out = True
        return Local(type=target, place=place, symbol=b.local(symbol, place).symbol, nonnull=True)

    def body_type(inputs: list[Type]) -> Type | None:
        found = matching(inputs)
        return substitute(found.member.returns, found.filling) if found is not None else None

    return Unbound(
        type=type_of_name("<group>"),
        place=place,
        kind="group",
        arity=len(function.member.parameters),
        bind=bind,
        body_type=body_type,
    )


def call_local(
    b: Binder, function: LocalFunction, arguments: list[Argument], given: tuple[Type, ...], place: Place
) -> Expr:
    """A call of a local function."""
    match = resolve([Candidate(function.member, {})], arguments, given)
    if match is None:
        wanted = ", ".join(str(parameter.type).replace("!", "") for parameter in function.member.parameters)
        raise Finding(f"No overload for '{function.name}({wanted})' takes the arguments ({describe(arguments)})", place)
    symbol = function.instance(match.filling)
    values: list[Expr] = []
    before: list[Expr] = []
    after: list[Expr] = []
    for parameter, filled in zip(match.member.parameters, match.places, strict=True):
        target = parameter_type(parameter, match.filling)
        if parameter.out or parameter.ref:
            held = out_symbol(filled[0].value, target)
            held.by_reference = True
            b.assigned(held)
            where = filled[0].value.place
            values.append(Reference(type=target, place=where, symbol=held, nonnull=True, out=parameter.out))
            write = filled[0].write
            if write is not None:
                before.append(Assign(type=target, place=place, symbol=held, value=write[0]))
                after.append(write[1](b.local(held, place)))
        elif match.expanded and parameter.params:
            values.append(spread_array(b, filled, target, place))
        elif filled:
            values.append(b.convert(filled[0].value, target))
        else:
            values.append(_omitted(parameter, target, place))
    b.function.calls_out = True
    returns = substitute(match.member.returns, match.filling)
    sure = returns.is_value and not returns.is_nullable
    call = Invoke(type=returns, place=place, nonnull=sure, target=b.local(symbol, place), arguments=values)
    if not after and not before:
        return call
    result = b.symbol("", OBJECT if returns is VOID else returns)
    value = Local(type=returns, place=place, symbol=result, nonnull=sure)
    kept = Assign(type=returns, place=place, symbol=result, value=call)
    effects: list[Expr] = [*before, kept, *after]
    return Let(type=returns, place=place, nonnull=sure, bindings=[], effects=effects, value=value)


def _omitted(parameter: Parameter, target: Type, place: Place) -> Expr:
    from proxy.expressions.bind_creation import default_of

    value = default_of(target) if parameter.default is None else parameter.default
    return Constant(type=target, place=place, nonnull=value is not None, value=value)

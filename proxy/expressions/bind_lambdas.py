"""Lambdas, anonymous methods and local functions."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import OBJECT, VOID, Binder, binds
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import implicit
from proxy.expressions.errors import Finding
from proxy.expressions.overloads import delegate_signature
from proxy.expressions.parse import field_of, named, text_of
from proxy.expressions.tree import Evaluate, Expr, Function, Lambda, Return, Symbol, Unbound
from proxy.expressions.types import Type, generic, has_parameters, type_of_name


def _parameters(b: Binder, node: Node | None) -> tuple[list[Node], tuple[Type, ...]]:
    """Name nodes and, where written, types."""
    if node is None:
        return [], ()
    if node.type in ("implicit_parameter", "identifier"):
        return [node], ()
    names: list[Node] = []
    kinds: list[Type] = []
    for parameter in named(node):
        if any(child.type == "modifier" for child in parameter.children):
            raise b.error(parameter, "'out' and 'ref' parameters are not supported within expressions")
        names.append(parameter.child_by_field_name("name") or parameter)
        kind = parameter.child_by_field_name("type")
        if kind is not None:
            kinds.append(bind_type(b, kind))
    return names, tuple(kinds)


def common_type(kinds: list[Type]) -> Type | None:
    """The type that all of them convert to, chosen among them."""
    for target in kinds:
        if all(implicit(kind, target) is not None for kind in kinds):
            return target
    return None


class Pending:
    """A lambda before its delegate type is known; bound once per list of parameter types."""

    def __init__(self, b: Binder, node: Node, names: list[Node], body: Node) -> None:
        self.b, self.node, self.names, self.body = b, node, names, body
        self.scopes = list(b.scopes)
        self.parent = b.function
        self.loops = b.loops
        self.bound: dict[tuple[Type, ...], tuple[Function, list[Return], Type | None]] = {}

    def with_parameters(self, inputs: list[Type]) -> tuple[Function, list[Return], Type | None]:
        """The function, its returns before conversion, and the type of its result (None: no result)."""
        key = tuple(inputs)
        if key not in self.bound:
            self.bound[key] = self._bind(inputs)
        return self.bound[key]

    def _bind(self, inputs: list[Type]) -> tuple[Function, list[Return], Type | None]:
        b = self.b
        b.serial += 1
        function = Function(self.parent, f"f{b.serial}")
        saved = (b.scopes, b.function, b.returns, b.loops, b.guards, b.jumps)
        b.scopes, b.function, b.returns, b.loops, b.guards, b.jumps = [*self.scopes, {}], function, [], 0, [], []
        try:
            for name, kind in zip(self.names, inputs, strict=True):
                function.parameters.append(b.declare(name, text_of(name), kind))
            result: Type | None
            if self.body.type == "block":
                from proxy.expressions.bind_statements import bind_block

                function.body = bind_block(b, self.body)
                kinds = [found.value.type for found in b.returns if found.value is not None]
                result = common_type(kinds) if kinds else None
                if kinds and result is None:
                    result = OBJECT
            else:
                value = b.expr(self.body)
                if value.type is VOID:
                    function.body = [Evaluate(value=value, place=value.place)]
                    result = None
                else:
                    found = Return(value=value, place=value.place)
                    function.body = [found]
                    b.returns.append(found)
                    result = value.type
            return function, b.returns, result
        finally:
            b.scopes, b.function, b.returns, b.loops, b.guards, b.jumps = saved

    def finish(self, target: Type) -> Expr:
        signature = delegate_signature(target)
        place = self.b.place(self.node)
        if signature is None:
            raise Finding(
                f"Cannot convert lambda expression to type '{target}' because it is not a delegate type", place
            )
        inputs, output = signature
        if len(inputs) != len(self.names):
            raise Finding(f"Delegate '{target}' does not take {len(self.names)} arguments", place)
        function, returns, result = self.with_parameters(inputs)
        convert_returns(self.b, returns, output, result)
        return Lambda(type=target, place=place, nonnull=True, function=function)


def convert_returns(b: Binder, returns: list[Return], output: Type | None, result: Type | None) -> None:
    """Make every `return` give the type that the delegate promises."""
    for found in returns:
        if found.value is None:
            if output is not None:
                raise Finding(f"An object of a type convertible to '{output}' is required", found.place)
        elif output is None:
            continue
        else:
            target = result if has_parameters(output) and result is not None else output
            found.value = b.convert(found.value, target, found.place)


@binds("lambda_expression", "anonymous_method_expression")
def bind_lambda(b: Binder, node: Node) -> Expr:
    if any(child.type in ("modifier", "async") for child in node.children):
        raise b.error(node, "Asynchronous lambdas are not supported within expressions")
    names, explicit = _parameters(b, node.child_by_field_name("parameters"))
    body = node.child_by_field_name("body") or named(node)[-1]
    pending = Pending(b, node, names, body)
    return Unbound(
        type=type_of_name("<lambda>"),
        place=b.place(node),
        bind=pending.finish,
        arity=len(names),
        explicit=explicit,
        body_type=lambda inputs: pending.with_parameters(inputs)[2],
    )


def declare_local_function(b: Binder, node: Node) -> Symbol:
    """A local function is a delegate variable, in scope in the whole of its block."""
    names, kinds = _parameters(b, field_of(node, "parameters"))
    if len(kinds) != len(names):
        raise b.error(node, "Every parameter needs a type")
    result_node = field_of(node, "type")
    result = VOID if text_of(result_node) == "void" else bind_type(b, result_node)
    target = generic("Action", *kinds) if result is VOID else generic("Func", *kinds, result)
    name = field_of(node, "name")
    symbol = b.declare(name, text_of(name), target)
    symbol.nonnull = True
    return symbol


def bind_local_function(b: Binder, node: Node, symbol: Symbol) -> Function:
    """The body of a declared local function."""
    names, _ = _parameters(b, field_of(node, "parameters"))
    body = field_of(node, "body")
    if body.type == "arrow_expression_clause":
        body = named(body)[0]
    value = Pending(b, node, names, body).finish(symbol.type)
    assert isinstance(value, Lambda)
    value.function.calls_out = True
    value.function.hoisted = True
    return value.function


__all__ = ["bind_lambda", "bind_local_function", "common_type", "declare_local_function"]

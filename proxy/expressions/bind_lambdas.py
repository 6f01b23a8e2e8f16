"""Lambdas and anonymous methods."""

from __future__ import annotations

from tree_sitter import Node

from proxy.expressions.bind import OBJECT, VOID, Binder, Scope, binds
from proxy.expressions.bind_flow import falls_through, has_goto
from proxy.expressions.bind_types import bind_type
from proxy.expressions.conversions import NULL, implicit
from proxy.expressions.errors import Finding
from proxy.expressions.overloads import NEVER, convertible, delegate_signature
from proxy.expressions.parse import named, text_of
from proxy.expressions.tree import Evaluate, Expr, Function, Lambda, Return, Unbound
from proxy.expressions.types import Type, has_parameters, type_of_name


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


def common_type_of(values: list[Expr]) -> Type | None:
    """The best common type of expressions: among their types, the one that all of them convert to."""
    kinds = [value.type for value in values if not isinstance(value, Unbound) and value.type is not NULL]
    found = common_type(kinds)
    return found if found is not None and all(convertible(value, found) for value in values) else None


class Pending:
    """A lambda before its delegate type is known; bound once per list of parameter types."""

    def __init__(self, b: Binder, node: Node, names: list[Node], body: Node) -> None:
        # a local function's own, made before its body is looked at
        self.function: Function | None = None
        # how each parameter arrives: "ref", "out" or ""
        self.references = [""] * len(names)
        self.b, self.node, self.names, self.body = b, node, names, body
        self.scopes = list(b.scopes)
        self.parent = b.function
        self.around = (b.type_names, b.checked, b.unchecked)
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
        function = self.function or Function(self.parent, f"f{b.serial}")
        saved = (b.scopes, b.function, b.returns, b.loops, b.guards, b.jumps)
        around = (b.labels, b.switches, b.type_names, b.checked, b.unchecked)
        b.labels, b.switches, b.type_names, b.checked, b.unchecked = [], [], *self.around
        b.scopes, b.function, b.returns, b.guards, b.jumps = [*self.scopes, Scope()], function, [], [], []
        b.loops = 1 if has_goto(self.body) else 0
        try:
            for name, kind in zip(self.names, inputs, strict=True):
                parameter = b.symbol("_", kind) if self._discards(name) else b.declare(name, text_of(name), kind)
                reference = self.references[len(function.parameters)]
                parameter.by_reference = parameter.given = bool(reference)
                if reference == "out":
                    b.unassigned.append(parameter)
                function.parameters.append(parameter)
            result: Type | None
            if self.body.type == "block":
                from proxy.expressions.bind_statements import bind_block

                function.body = bind_block(b, self.body)
                values = [found.value for found in b.returns if found.value is not None]
                result = common_type_of(values) if values else None
                if values and result is None:
                    result = OBJECT
                if not values and not falls_through(function.body):
                    result = NEVER
                if values and self.function is None and falls_through(function.body):
                    raise Finding("Not all code paths return a value in lambda expression", b.place(self.node))
            else:
                value = b.expr(self.body)
                if value.type is VOID:
                    function.body = [Evaluate(value=value, place=value.place)]
                    result = None
                else:
                    found = Return(value=value, place=value.place)
                    function.body = [found]
                    b.returns.append(found)
                    result = NEVER if value.type.name == "<throw>" else value.type
            return function, b.returns, result
        finally:
            own = b.scopes[-1]
            b.scopes, b.function, b.returns, b.loops, b.guards, b.jumps = saved
            b.labels, b.switches, b.type_names, b.checked, b.unchecked = around
            self.scopes[-1].inner |= own.keys() | own.inner

    def _discards(self, name: Node) -> bool:
        """Of several parameters named `_` none has a name."""
        return text_of(name) == "_" and sum(text_of(other) == "_" for other in self.names) > 1

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
            if isinstance(found.value, Unbound):
                found.value = b.convert(found.value, OBJECT, found.place)
        else:
            target = result if has_parameters(output) and result not in (None, NEVER) else output
            assert target is not None
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


__all__ = ["Pending", "bind_lambda", "common_type"]

"""The expressions of ARM templates: "[concat(parameters('name'), '/orders')]" -> a value. Pure.

Rules: https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
- A text in brackets is an expression; one that begins with "[[" is that text with one bracket less.
- Names of functions and of properties have no case. `if`, `and`, `or` and `coalesce` evaluate what they need.
- What asks Azure (`reference` of what the template does not hold, `listKeys` ...) is refused where its value is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from passerelle.templates.functions import FUNCTIONS, get, same
from passerelle.templates.wrong import TemplateWrong

DEEPEST = 120
LONGEST = 1024 * 1024  # characters of one expression
LARGEST = 16 * 1024 * 1024  # characters or items of a value
LARGEST_NUMBER = 2**63

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_$][\w$]*)|(?P<mark>[()\[\],.]))"
)
_QUOTED = re.compile("'[^']*'?")  # may be a secret
ASKS_AZURE = re.compile(r"list\w*|providers|pickzones|tologicalzone|tophysicalzone|getsecret|managementgroup", re.I)


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    name: str  # lower case; with its namespace and a dot for a function of the template
    arguments: tuple[Node, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class Select:
    """`of.name` and `of[expression]`."""

    of: Node
    key: Node


Node = Literal | Call | Select


@dataclass(frozen=True)
class Scope:
    """What an expression may name. `special` are functions that know where they stand."""

    special: Mapping[str, Callable[..., Any]]
    own: Mapping[str, Callable[[list[Any]], Any]] = field(default_factory=dict)
    locals: Mapping[str, Any] = field(default_factory=dict)  # variables of lambdas, by lower-case name
    loops: Mapping[str, int] = field(default_factory=dict)  # `copy` loop -> index; "" is the innermost

    def within(self, loop: str, index: int) -> Scope:
        return Scope(self.special, self.own, self.locals, {**self.loops, loop.lower(): index, "": index})

    def knowing(self, values: Mapping[str, Any]) -> Scope:
        return Scope(self.special, self.own, {**self.locals, **values}, self.loops)


def is_expression(text: str) -> bool:
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def evaluate(value: Any, scope: Scope) -> Any:
    """`value` with every expression in it replaced by what it gives. Raises TemplateWrong."""
    if isinstance(value, str):
        if is_expression(value):
            return _run(parse(value[1:-1]), scope)
        return value[1:] if value.startswith("[[") else value
    if isinstance(value, dict):
        return {
            evaluate(key, scope) if is_expression(key) else key: evaluate(each, scope) for key, each in value.items()
        }
    return [evaluate(each, scope) for each in value] if isinstance(value, list) else value


def parse(text: str) -> Node:
    """The tree of an expression, without its brackets. Raises TemplateWrong with the column."""
    if len(text) > LONGEST:
        raise TemplateWrong(f"an expression is longer than {LONGEST} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._node()
        if self._text[self._at :].strip():
            raise self._wrong("more than one expression")
        return node

    def _node(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"nested deeper than {DEEPEST} levels")
        kind, token = self._next()
        node: Node
        if kind == "text":
            node = Literal(token[1:-1].replace("''", "'"))
        elif kind == "number":
            node = Literal(int(token))
        elif kind == "name":
            node = self._call(token)
        else:
            raise self._wrong("a function, a text in quotes or a number belongs")
        while self._peek() in (".", "["):
            _, mark = self._next()
            if mark == "[":
                node = Select(node, self._node())
                self._expect("]")
                continue
            kind, name = self._next()
            if kind != "name":
                raise self._wrong("the name of a property belongs")
            node = Select(node, Literal(name))
        self._depth -= 1
        return node

    def _call(self, name: str) -> Node:
        if self._peek() == ".":
            self._next()
            kind, member = self._next()
            if kind != "name":
                raise self._wrong("the name of a function belongs")
            name = f"{name}.{member}"
        if self._peek() != "(":
            raise self._wrong(f'"(" after {name} belongs')
        self._next()
        arguments: list[Node] = []
        while self._peek() != ")":
            arguments.append(self._node())
            if self._peek() == ",":
                self._next()
                if self._peek() == ")":
                    raise self._wrong("an argument belongs")
            elif self._peek() != ")":
                raise self._wrong('"," or ")" belongs')
        self._next()
        return Call(name.lower(), tuple(arguments), name)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match["mark"] or "" if match else ""

    def _next(self) -> tuple[str, str]:
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._wrong("something else belongs")
        self._at = match.end()
        kind = str(match.lastgroup)
        return kind, match[kind]

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._wrong(f'"{mark}" belongs')
        self._next()

    def _wrong(self, what: str) -> TemplateWrong:
        near = _QUOTED.sub("'...'", self._text[: self._at + 20])[-60:].strip()
        return TemplateWrong(f"the expression cannot be read at column {self._at + 2}, near «{near}»: {what} here")


def _run(node: Node, scope: Scope) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Select):
        return get(_run(node.of, scope), _run(node.key, scope))
    lazy = _LAZY.get(node.name)
    if lazy is not None:
        return lazy(node, scope)
    arguments = [_run(each, scope) for each in node.arguments]
    if node.name in scope.own:
        return scope.own[node.name](arguments)
    special = scope.special.get(node.name)
    if special is not None:
        return _called(node, lambda: special(*arguments))
    function = FUNCTIONS.get(node.name)
    if function is not None:
        return _called(node, lambda: function(*arguments))
    if ASKS_AZURE.fullmatch(node.name):
        raise TemplateWrong(f"{node.shown}() asks Azure, and this is not Azure: give the value by --property")
    raise TemplateWrong(f"there is no function {node.shown}()")


def _called(node: Call, call: Callable[[], Any]) -> Any:
    try:
        value = call()
        if isinstance(value, (str, list)) and len(value) > LARGEST:
            raise TemplateWrong(f"{node.shown}() gives more than {LARGEST} characters or items")
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise TemplateWrong(f"{node.shown}() gives a number of more than 64 bits")
        return value
    except TemplateWrong:
        raise
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError, RecursionError) as error:
        # never the values: one of them may be a secret
        raise TemplateWrong(
            f"{node.shown}() does not take these {len(node.arguments)} arguments ({type(error).__name__})"
        ) from None


def _if(node: Call, scope: Scope) -> Any:
    condition, then, otherwise = _exactly(node, 3)
    return _run(then if _truth(condition, scope, node) else otherwise, scope)


def _and(node: Call, scope: Scope) -> bool:
    return all(_truth(each, scope, node) for each in node.arguments)


def _or(node: Call, scope: Scope) -> bool:
    return any(_truth(each, scope, node) for each in node.arguments)


def _coalesce(node: Call, scope: Scope) -> Any:
    return next((value for each in node.arguments if (value := _run(each, scope)) is not None), None)


def _copy_index(node: Call, scope: Scope) -> int:
    arguments = [_run(each, scope) for each in node.arguments]
    loop = str(arguments.pop(0)).lower() if arguments and isinstance(arguments[0], str) else ""
    if loop not in scope.loops:
        raise TemplateWrong("copyIndex() stands outside of that loop")
    return scope.loops[loop] + (int(arguments[0]) if arguments else 0)


def _lambda_variables(node: Call, scope: Scope) -> Any:
    name = str(_run(_exactly(node, 1)[0], scope)).lower()
    if name not in scope.locals:
        raise TemplateWrong(f"there is no lambda variable {name}")
    return scope.locals[name]


def _map(node: Call, scope: Scope) -> list[Any]:
    items, call = _with_lambda(node, scope)
    return [call(*_known(each, n)) for n, each in enumerate(items)]


def _filter(node: Call, scope: Scope) -> list[Any]:
    items, call = _with_lambda(node, scope)
    return [each for n, each in enumerate(items) if call(*_known(each, n))]


def _reduce(node: Call, scope: Scope) -> Any:
    items, call = _with_lambda(node, scope, 2)
    value = _run(node.arguments[1], scope)
    for each in items:
        value = call(value, each)
    return value


def _sort(node: Call, scope: Scope) -> list[Any]:
    items, call = _with_lambda(node, scope)
    found: list[Any] = []
    for each in items:
        at = next((n for n, other in enumerate(found) if call(each, other) and not call(other, each)), len(found))
        found.insert(at, each)
    return found


def _to_object(node: Call, scope: Scope) -> dict[str, Any]:
    items = _list(_run(node.arguments[0], scope))
    key = _lambda(node.arguments[1], scope)
    value = _lambda(node.arguments[2], scope) if len(node.arguments) > 2 else None
    return {str(key(each)): value(each) if value else each for each in items}


def _group_by(node: Call, scope: Scope) -> dict[str, list[Any]]:
    items, call = _with_lambda(node, scope)
    found: dict[str, list[Any]] = {}
    for each in items:
        found.setdefault(str(call(each)), []).append(each)
    return found


def _map_values(node: Call, scope: Scope) -> dict[str, Any]:
    holder = _run(node.arguments[0], scope)
    if not isinstance(holder, dict):
        raise TemplateWrong("mapValues() takes an object")
    call = _lambda(node.arguments[1], scope)
    return {key: call(value) for key, value in holder.items()}


def _known(value: Any, index: int) -> tuple[Any, int]:
    return value, index


def _with_lambda(node: Call, scope: Scope, at: int = 1) -> tuple[list[Any], Callable[..., Any]]:
    if len(node.arguments) <= at:
        raise TemplateWrong(f"{node.shown}() takes a list and a lambda")
    return _list(_run(node.arguments[0], scope)), _lambda(node.arguments[at], scope)


def _lambda(node: Node, scope: Scope) -> Callable[..., Any]:
    if not isinstance(node, Call) or node.name != "lambda" or not node.arguments:
        raise TemplateWrong("a lambda belongs here")
    *names, body = node.arguments
    known = [str(_run(each, scope)).lower() for each in names]
    return lambda *values: _run(body, scope.knowing(dict(zip(known, values, strict=False))))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateWrong("a list belongs here")
    return value


def _exactly(node: Call, count: int) -> tuple[Node, ...]:
    if len(node.arguments) != count:
        raise TemplateWrong(f"{node.shown}() takes {count} arguments, not {len(node.arguments)}")
    return node.arguments


def _truth(node: Node, scope: Scope, of: Call) -> bool:
    value = _run(node, scope)
    if isinstance(value, str) and (same(value, "true") or same(value, "false")):
        return same(value, "true")
    if not isinstance(value, bool):
        raise TemplateWrong(f"{of.shown}() takes true or false")
    return value


_LAZY: dict[str, Callable[[Call, Scope], Any]] = {
    "if": _if,
    "and": _and,
    "or": _or,
    "coalesce": _coalesce,
    "copyindex": _copy_index,
    "lambdavariables": _lambda_variables,
    "map": _map,
    "filter": _filter,
    "reduce": _reduce,
    "sort": _sort,
    "toobject": _to_object,
    "groupby": _group_by,
    "mapvalues": _map_values,
}

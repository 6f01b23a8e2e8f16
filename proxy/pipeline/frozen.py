"""Values of expressions to bytes and back: what a cache holds, so that nobody can change a value that is cached.

Rules
1. A value thaws as what it was when it froze: a `long` stays a `long`, a JObject a JObject, each time a new one.
2. Bytes from outside cannot do harm: thawing builds the kinds named here and nothing else, never Python objects.
3. What has no lasting meaning (a deferred sequence, a message that is still a stream) is refused with its .NET name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from proxy.errors import ExpressionFailed
from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.guid import Guid
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JConstructor,
    JObject,
    JProperty,
    JRaw,
    JToken,
    JValue,
    adopt,
)
from proxy.expressions.dotnet.uri import Uri
from proxy.expressions.dotnet.values import BOXES, Array, List, name_of
from proxy.expressions.types import Type, array_of, generic
from proxy.messages import Body, Headers, Response

_BOX_NAMES = {made: name for name, made in BOXES.items()}
_BYTE = "System.Byte"
_DEEPEST = 200
_TEXT, _BYTES, _TREE, _RESPONSE = b"s", b"b", b"j", b"r"


class Thawless(ValueError):
    """These bytes are no frozen value: another program wrote them, or another version of this one."""


def freeze(value: Any) -> bytes:
    """The value as bytes. Raises ExpressionFailed for what cannot be kept."""
    if type(value) is str:
        return _TEXT + value.encode("utf-8", "surrogatepass")
    if type(value) is Array and value.element.full_name == _BYTE:
        return _BYTES + bytes(value)
    if isinstance(value, Response):
        if not value.body.buffered:
            raise ExpressionFailed("A response whose body was not read yet cannot be cached. Cache its content.")
        return freeze_response(value, value.body.content())
    try:
        return _TREE + json.dumps(_tree(value, 0), separators=(",", ":")).encode()
    except (RecursionError, ValueError) as problem:
        raise ExpressionFailed(f"The value cannot be cached: {problem}.") from problem


def freeze_response(response: Response, content: bytes) -> bytes:
    """A response as it is now, with this content for a body."""
    head = json.dumps([response.status, response.reason, list(response.headers.items())]).encode()
    return _RESPONSE + len(head).to_bytes(4, "big") + head + content


def thaw(frozen: bytes) -> Any:
    """A new value from frozen bytes. Raises Thawless."""
    kind, rest = frozen[:1], frozen[1:]
    try:
        if kind == _TEXT:
            return rest.decode("utf-8", "surrogatepass")
        if kind == _BYTES:
            return Array(generic("byte"), rest)
        if kind == _RESPONSE:
            size = 4 + int.from_bytes(rest[:4], "big")
            status, reason, headers = json.loads(rest[4:size])
            fields = Headers((str(name), str(text)) for name, text in headers)
            return Response(int(status), str(reason), fields, Body(rest[size:]))
        if kind == _TREE:
            return _value(json.loads(rest))
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, RecursionError) as problem:
        raise Thawless(f"not a cached value: {problem!r}") from problem
    raise Thawless("not a cached value: unknown kind")


def _tree(value: Any, depth: int) -> Any:
    """JSON for a value: null, bool, string and int as they are, anything else a list that begins with its kind."""
    if value is None or type(value) in (bool, str, int):
        return value
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if type(value) is float:
        return ["double", repr(value)]
    if type(value) is Decimal:
        return ["decimal", str(value)]
    if (box := _BOX_NAMES.get(type(value))) is not None:
        return [box, repr(float(value)) if box == "float" else str(value) if box == "char" else int(value)]
    if isinstance(value, JToken):
        return ["json", _token(value, depth + 1)]
    if type(value) in (DateTime, DateTimeOffset, TimeSpan):
        return [type(value).__name__, *value]
    if type(value) is Guid:
        return ["Guid", str(int(value))]
    if type(value) is Uri:
        return ["Uri", value.original]
    if type(value) is Array or type(value) is List:
        items = [_tree(item, depth + 1) for item in value]
        return [type(value).__name__, _type_tree(value.element), items]
    if type(value) is Dictionary and value.fold is None:
        pairs = [[_tree(key, depth + 1), _tree(item, depth + 1)] for key, item in value]
        return ["Dictionary", _type_tree(value.kind), pairs]
    raise ExpressionFailed(f"A value of type '{name_of(value)}' cannot be cached. Cache a text, a number or JSON.")


def _token(token: JToken, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(token, JObject):
        return {name: _token(item, depth + 1) for name, item in token.items.items()}
    if isinstance(token, JConstructor):
        return ["constructor", token.name, *(_token(item, depth + 1) for item in token.items)]
    if isinstance(token, JArray):
        return ["array", *(_token(item, depth + 1) for item in token.items)]
    if isinstance(token, JProperty):
        return ["property", token.name, _token(token.value, depth + 1)]
    assert isinstance(token, JValue)
    leaf = _tree(token.value, depth + 1)
    if token.label:
        return ["labelled", token.label, leaf]
    return ["leaf", leaf] if isinstance(leaf, list) else leaf


def _value(tree: Any) -> Any:
    if not isinstance(tree, list):
        return tree
    kind, *rest = tree
    return _KINDS[kind](*rest)


def _json(tree: Any) -> JToken:
    if isinstance(tree, dict):
        object_ = JObject()
        for name, item in tree.items():
            object_.items[name] = adopt(_json(item), object_)
        return object_
    if not isinstance(tree, list):
        return JValue(tree)
    kind, *rest = tree
    if kind == "array":
        array = JArray()
        for item in rest:
            array.append(_json(item))
        return array
    if kind == "property":
        return JProperty(rest[0], _json(rest[1]))
    if kind == "constructor":
        made = JConstructor(rest[0])
        for item in rest[1:]:
            made.append(_json(item))
        return made
    if kind == "labelled":
        return JRaw(_value(rest[1])) if rest[0] == "Raw" else JValue(_value(rest[1]), rest[0])
    return JValue(_value(rest[0]))


def _type_tree(kind: Type) -> list[Any]:
    return [kind.name, *(_type_tree(each) for each in kind.args)]


def _type(tree: list[Any]) -> Type:
    name, *args = tree
    kinds = [_type(each) for each in args]
    made = array_of(*kinds) if name == "[]" else generic(name, *kinds)
    if made.definition is None:
        raise ValueError(f"no type {name!r}")
    return made


def _dictionary(kind: list[Any], pairs: list[Any]) -> Dictionary:
    made = Dictionary(_type(kind))
    for key, item in pairs:
        made.put(_value(key), _value(item))
    return made


_KINDS: dict[str, Callable[..., Any]] = {
    **BOXES,
    "float": lambda text: BOXES["float"](float(text)),
    "double": float,
    "decimal": Decimal,
    "json": _json,
    "DateTime": DateTime,
    "DateTimeOffset": DateTimeOffset,
    "TimeSpan": TimeSpan,
    "Guid": lambda digits: Guid(int(digits)),
    "Uri": lambda text: Uri(text, 0),
    "Array": lambda kind, items: Array(_type(kind), [_value(item) for item in items]),
    "List": lambda kind, items: List(_type(kind), [_value(item) for item in items]),
    "Dictionary": _dictionary,
}

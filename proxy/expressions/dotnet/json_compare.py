"""Equality and order of tokens as JValue.Equals, CompareTo and JToken.DeepEquals see them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet.convert import change_type
from proxy.expressions.dotnet.datetime import DateTimeOffset
from proxy.expressions.dotnet.json_tokens import JArray, JConstructor, JObject, JProperty, JToken, JValue, kind_of
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import argument, spend

# how far doubles may be apart to count as equal
_EPSILON = 2.2204460492503131e-16


def _order(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _floats(left: float, right: float) -> int:
    if left == right or abs(left - right) < (abs(left) + abs(right) + 10.0) * _EPSILON:
        return 0
    return _order(left, right)


def compare(kind: str, left: Any, right: Any) -> int:
    """JValue.Compare: two values as if both were of the kind."""
    if left is None or right is None:
        return int(left is not None) - int(right is not None)
    spend(1)
    if kind in ("Integer", "Float"):
        return _numbers(kind, left, right)
    if kind == "Boolean":
        return _order(change_type(left, "bool"), change_type(right, "bool"))
    if kind == "Date":
        return _dates(left, right)
    if kind == "Bytes":
        if not isinstance(right, Array):
            argument("Object must be of type byte[].")
        return _order(bytes(left), bytes(right))
    if kind in ("Guid", "TimeSpan") and type(left) is type(right):
        return _order(left, right)
    one, two = to_text(left), to_text(right)
    # ordinal order is that of UTF-16 units
    return _order(one.encode("utf-16-be", "surrogatepass"), two.encode("utf-16-be", "surrogatepass"))


def _numbers(kind: str, left: Any, right: Any) -> int:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _order(change_type(left, "decimal"), change_type(right, "decimal"))
    if kind == "Float" or isinstance(left, float) or isinstance(right, float):
        return _floats(change_type(left, "double"), change_type(right, "double"))
    if isinstance(left, int) and isinstance(right, int):
        return _order(left, right)
    return _order(change_type(left, "long"), change_type(right, "long"))


def _dates(left: Any, right: Any) -> int:
    if isinstance(left, DateTimeOffset):
        other = right.utc if isinstance(right, DateTimeOffset) else change_type(right, "DateTime").ticks
        return _order(left.utc, other)
    other = right.ticks if isinstance(right, DateTimeOffset) else change_type(right, "DateTime").ticks
    return _order(left.ticks, other)


def same_value(left: JToken | None, right: Any) -> bool:
    """JValue.Equals: the same kind and an equal value."""
    if not isinstance(left, JValue) or not isinstance(right, JValue):
        return left is right
    kind = kind_of(left)
    return left is right or (kind == kind_of(right) and compare(kind, left.value, right.value) == 0)


def compare_tokens(left: JValue, right: JValue | None) -> int:
    """JValue.CompareTo."""
    if right is None:
        return 1
    kind = kind_of(left)
    return compare(kind_of(right) if kind == "String" else kind, left.value, right.value)


def deep_equals(left: JToken | None, right: JToken | None) -> bool:
    """JToken.DeepEquals: objects without regard to the order of their properties."""
    if left is None or right is None:
        return left is right
    spend(1)
    if isinstance(left, JValue) or isinstance(right, JValue):
        return same_value(left, right)
    if type(left) is not type(right):
        return False
    if isinstance(left, JObject) and isinstance(right, JObject):
        return left.items.keys() == right.items.keys() and all(
            deep_equals(value, right.items[name]) for name, value in left.items.items()
        )
    if isinstance(left, (JProperty, JConstructor)) and left.name != getattr(right, "name", ""):
        return False
    if isinstance(left, JArray) and isinstance(right, JArray) and len(left) != len(right):
        return False
    return all(deep_equals(one, two) for one, two in zip(left.children(), right.children(), strict=True))

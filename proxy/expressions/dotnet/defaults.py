"""Default values of value types that are not primitive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from proxy.expressions.types import Type


def value_type_default(kind: Type) -> Any:
    if kind.is_enum:
        from proxy.expressions.dotnet.enums import enum_value

        return enum_value(kind, 0)
    if kind.name == "decimal":
        return Decimal(0)
    if kind.is_tuple:
        from proxy.expressions.bind_creation import default_of
        from proxy.expressions.dotnet.value_tuples import tuple_builder

        return tuple_builder(kind)(*(default_of(arg) for arg in kind.args))
    if kind.name == "KeyValuePair":
        from proxy.expressions.bind_creation import default_of
        from proxy.expressions.dotnet.collections import Pair

        return Pair(*(default_of(arg) for arg in kind.args))
    if kind.name == "Guid":
        from proxy.expressions.dotnet.guid import EMPTY

        return EMPTY
    from proxy.expressions.dotnet import datetime as dates

    return {"DateTime": dates.MIN, "DateTimeOffset": dates.OFFSET_MIN, "TimeSpan": dates.ZERO}.get(kind.name)

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
    if kind.name == "Guid":
        from proxy.expressions.dotnet.guid import EMPTY

        return EMPTY
    from proxy.expressions.dotnet import datetime as dates

    return {"DateTime": dates.MIN, "DateTimeOffset": dates.OFFSET_MIN, "TimeSpan": dates.ZERO}.get(kind.name)

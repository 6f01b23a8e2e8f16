"""Tokens and .NET values to JSON text, Formatting.None or Indented (two spaces, \\n)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

from multidict import CIMultiDict

from proxy.expressions.dotnet.collections import Dictionary, Pair, iterate
from proxy.expressions.dotnet.datetext import format_date, format_span
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.guid import Guid
from proxy.expressions.dotnet.json_tokens import JArray, JConstructor, JObject, JProperty, JToken, JValue, is_many
from proxy.expressions.dotnet.text import decimal_text, double_text, single_text, to_text
from proxy.expressions.dotnet.values import Anonymous, Array, EnumValue, Single, runtime_type
from proxy.expressions.runtime import DotNetError, allocate, spend, tick

_quote = json.JSONEncoder(ensure_ascii=False).encode
_MAX_DEPTH = 200


def quote(text: str) -> str:
    """Json.NET escapes control characters, quotes, backslashes, and U+0085, U+2028, U+2029."""
    made = _quote(text)
    if not text.isascii():
        made = made.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return made


def escaped(text: str, delimiter: str) -> str:
    """The inside of a text that stands between such quotes."""
    inner = quote(text)[1:-1]
    return inner if delimiter == '"' else inner.replace('\\"', '"').replace(delimiter, f"\\{delimiter}")


def float_text(value: float) -> str:
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    text = single_text(value) if isinstance(value, Single) else double_text(value)
    return text if any(mark in text for mark in ".E") else f"{text}.0"


def date_text(value: DateTime | DateTimeOffset) -> str:
    pattern = "yyyy'-'MM'-'dd'T'HH':'mm':'ss.FFFFFFFK"
    return f'"{format_date(value, pattern)}"'


def leaf(value: Any) -> str | None:
    """The JSON of a value that is not a container; None for a container."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Guid):
        return f'"{value}"'
    if isinstance(value, EnumValue):
        return int.__repr__(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, Decimal):
        text = decimal_text(value)
        return text if "." in text else f"{text}.0"
    if isinstance(value, (DateTime, DateTimeOffset)):
        return date_text(value)
    if isinstance(value, TimeSpan):
        return f'"{format_span(value)}"'
    if isinstance(value, Array) and value.element.name == "byte":
        import base64

        return f'"{base64.b64encode(bytes(value)).decode()}"'
    from proxy.expressions.dotnet.uri import Uri

    return quote(value.original) if isinstance(value, Uri) else None


def write(value: Any, indented: bool = False) -> str:
    parts: list[str] = []
    _write(value, parts, "\n" if indented else None, 0)
    text = "".join(parts)
    allocate(len(text))
    return text


def _write(value: Any, parts: list[str], line: str | None, depth: int) -> None:
    tick()
    if depth > _MAX_DEPTH:
        raise DotNetError("Newtonsoft.Json.JsonSerializationException", "Self referencing loop or nesting too deep.")
    if isinstance(value, JValue):
        parts.append(_leaf_token(value))
        return
    simple = leaf(value)
    if simple is not None:
        parts.append(simple)
        return
    if isinstance(value, JProperty):
        parts.append(f"{quote(value.name)}:{' ' if line else ''}")
        _write(value.value, parts, line, depth)
        return
    entries = entries_of(value)
    inner = line + "  " * (depth + 1) if line else ""
    if entries is not None:
        parts.append("{")
        for index, (name, item) in enumerate(entries):
            parts.append(f"{',' if index else ''}{inner}{quote(name)}:{' ' if line else ''}")
            _write(item, parts, line, depth + 1)
        parts.append(f"{line + '  ' * depth if line and entries else ''}}}")
        return
    items = list(value.children() if isinstance(value, JToken) else iterate(value))
    begin, end = (f"new {value.name}(", ")") if isinstance(value, JConstructor) else ("[", "]")
    parts.append(begin)
    comma = ""
    for item in items:
        note = isinstance(item, JValue) and item.label == "Comment"
        parts.append(f"{'' if note else comma}{inner}")
        _write(item, parts, line, depth + 1)
        comma = comma if note else ","
    # Json.NET breaks the line in a constructor without arguments too
    broken = line and (items or end == ")")
    parts.append(f"{line + '  ' * depth if line and broken else ''}{end}")


def _leaf_token(token: JValue) -> str:
    if token.label == "Raw":
        return to_text(token.value)
    if token.label == "Comment":
        return f"/*{to_text(token.value)}*/"
    return "undefined" if token.label == "Undefined" else leaf(token.value) or "null"


def entries_of(value: Any) -> list[tuple[str, Any]] | None:
    """Names and values of what serializes as an object; None for a sequence."""
    if isinstance(value, JObject):
        return list(value.items.items())
    if isinstance(value, Anonymous):
        return list(value.items)
    if isinstance(value, Dictionary):
        return [(to_text(key), item) for key, item in value.items.values()]
    if isinstance(value, Pair):
        return [("Key", value.key), ("Value", value.value)]
    if isinstance(value, JArray):
        return None
    if type(value) is dict:
        return list(value.items())
    if isinstance(value, CIMultiDict):
        from proxy.expressions.dotnet.context_headers import pairs

        return [(pair.key, pair.value) for pair in pairs(value)]
    return None if is_many(value) else _properties(value)


def _properties(value: Any) -> list[tuple[str, Any]]:
    """The readable properties of an instance, in the order of the table."""
    definition = runtime_type(value).definition
    found: list[tuple[str, Any]] = []
    for name, overloads in definition.members.items() if definition else ():
        native = overloads[0].native
        if overloads[0].kind == "property" and not overloads[0].static and not native.exchange and not native.types:
            spend(8)
            if native.function is not None:
                found.append((name, native.function(value)))
            else:
                found.append((name, getattr(value, native.attribute) if native.attribute else native.constant))
    return found


def token_text(token: JToken, indented: bool = True) -> str:
    """JToken.ToString(): a leaf prints its bare value, a container indented JSON."""
    if isinstance(token, JValue):
        value = token.value
        return "" if value is None else to_text(value)
    return write(token, indented)

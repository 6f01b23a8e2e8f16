"""The members of the JToken family and JsonConvert."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet import json_path
from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.convert import change_type, to_base64
from proxy.expressions.dotnet.datetext import parse_offset, parse_span
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.dotnet.guid import Guid, parse_guid
from proxy.expressions.dotnet.json_convert import from_object, to_object
from proxy.expressions.dotnet.json_reader import read_json
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JObject,
    JProperty,
    JToken,
    JValue,
    detach,
    parent_of,
    path_of,
    replace,
)  # fmt: skip
from proxy.expressions.dotnet.json_writer import token_text, write
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, Sequence, instance_of
from proxy.expressions.runtime import (
    DotNetError,
    argument,
    argument_null,
    invalid_cast,
    invalid_operation,
    out_of_range,
    tick,
)
from proxy.expressions.table import define, members, setters, with_types
from proxy.expressions.types import Type, type_of_name

_LINQ = "Newtonsoft.Json.Linq"
TOKEN = define("JToken", f"{_LINQ}.JToken", bases=("IEnumerable<JToken>",))
CONTAINER = define("JContainer", f"{_LINQ}.JContainer", bases=("JToken",))
VALUE = define("JValue", f"{_LINQ}.JValue", bases=("JToken",))
PROPERTY = define("JProperty", f"{_LINQ}.JProperty", bases=("JContainer",))
OBJECT = define("JObject", f"{_LINQ}.JObject", bases=("JContainer", "IEnumerable<KeyValuePair<string, JToken>>"))
ARRAY = define("JArray", f"{_LINQ}.JArray", bases=("JContainer", "IList<JToken>"))
CONVERT = define("JsonConvert", "Newtonsoft.Json.JsonConvert", kind="static")
_TYPES = type_of_name("JTokenType")
_STRING = type_of_name("string")

for _class in (JValue, JProperty, JObject, JArray):
    TEXTS[_class] = token_text


def kind_of(token: JToken) -> str:
    """The name of the JTokenType."""
    if isinstance(token, JObject):
        return "Object"
    if isinstance(token, JArray):
        return "Array"
    if isinstance(token, JProperty):
        return "Property"
    assert isinstance(token, JValue)
    if token.undefined:
        return "Undefined"
    value = token.value
    if value is None:
        return "Null"
    table = (
        (bool, "Boolean"), (Guid, "Guid"), (str, "String"), (int, "Integer"), ((float, Decimal), "Float"),
        ((DateTime, DateTimeOffset), "Date"), (TimeSpan, "TimeSpan"), (Array, "Bytes"),
    )  # fmt: skip
    return next((name for classes, name in table if isinstance(value, classes)), "Uri")


_NUMBERS = {
    "None": 0, "Object": 1, "Array": 2, "Constructor": 3, "Property": 4, "Comment": 5, "Integer": 6, "Float": 7,
    "String": 8, "Boolean": 9, "Null": 10, "Undefined": 11, "Date": 12, "Raw": 13, "Bytes": 14, "Guid": 15, "Uri": 16,
    "TimeSpan": 17,
}  # fmt: skip


def get(token: JToken, key: Any) -> JToken | None:
    """token[key] with a key of type object."""
    if isinstance(token, JObject):
        if not isinstance(key, str):
            argument(f"Accessed JObject values with invalid key value: {key}. Object property name expected.")
        return token.items.get(key)
    if isinstance(token, JArray):
        if isinstance(key, str) or not isinstance(key, int):
            argument(f'Accessed JArray values with invalid key value: "{key}". Int32 array index expected.')
        return item(token, key)
    name = "JValue" if isinstance(token, JValue) else "JProperty"
    return invalid_operation(f"Cannot access child value on Newtonsoft.Json.Linq.{name}.")


def item(array: JArray, index: int) -> JToken:
    if 0 <= index < len(array.items):
        return array.items[index]
    out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")
    return None


def put(token: JToken, key: Any, value: JToken | None) -> None:
    if isinstance(token, JObject):
        if not isinstance(key, str):
            argument(f"Set JObject values with invalid key value: {key}. Object property name expected.")
        token.put(key, value)
    elif isinstance(token, JArray):
        if isinstance(key, str) or not isinstance(key, int):
            argument(f'Set JArray values with invalid key value: "{key}". Int32 array index expected.')
        replace(item(token, key), value)
    else:
        name = "JValue" if isinstance(token, JValue) else "JProperty"
        invalid_operation(f"Cannot set child value on Newtonsoft.Json.Linq.{name}.")


_CONVERTIBLE = {"Integer", "Float", "String", "Boolean"}
_LABELS = {
    "int": "Int32", "long": "Int64", "short": "Int16", "uint": "UInt32", "ulong": "UInt64", "ushort": "UInt16",
    "byte": "Byte", "sbyte": "SByte", "double": "Double", "float": "Single",
    "decimal": "Decimal", "bool": "Boolean", "char": "Char",
}  # fmt: skip


def _explicit(name: str, nullable: bool) -> Callable[[JToken | None], Any]:
    """(T)token: what the operator of Json.NET accepts."""
    label = _LABELS.get(name, name if name != "string" else "String")

    def convert(token: JToken | None) -> Any:
        if token is None:
            return None if nullable else argument_null("value")
        if isinstance(token, JProperty):
            token = token.value
        kind = kind_of(token)
        value = token.value if isinstance(token, JValue) else None
        if kind in ("Null", "Undefined") and nullable:
            return None
        if name == "string":
            if kind not in (*_CONVERTIBLE, "Date", "Guid", "TimeSpan", "Uri", "Bytes"):
                argument(f"Can not convert {kind} to String.")
            return to_base64(value) if kind == "Bytes" else change_type(value, "string")
        if name in _LABELS:
            if kind not in _CONVERTIBLE:
                argument(f"Can not convert {kind} to {label}.")
            return change_type(value, name)
        return _special(value, kind, name)

    return convert


def _special(value: Any, kind: str, name: str) -> Any:
    accepted: dict[str, tuple[type, Callable[[Any], Any]]] = {
        "DateTime": (DateTime, lambda v: change_type(v, "DateTime")),
        "DateTimeOffset": (DateTimeOffset, parse_offset),
        "Guid": (Guid, parse_guid),
        "TimeSpan": (TimeSpan, parse_span),
    }
    if name in accepted:
        wanted, parse = accepted[name]
        if isinstance(value, wanted):
            return value
        if name == "DateTime" and isinstance(value, DateTimeOffset):
            return DateTime(value.ticks)
        if name == "DateTimeOffset" and isinstance(value, DateTime):
            return DateTimeOffset(value.ticks)
        if isinstance(value, str):
            return parse(value)
    if name == "byte[]":
        from proxy.expressions.dotnet.convert import from_base64

        if isinstance(value, Array):
            return value
        if isinstance(value, str):
            return from_base64(value)
    return argument(f"Can not convert {kind} to {name}.")


def value_as(kind: Type, token: JToken | None) -> Any:
    """token.Value<T>(): converts a leaf, casts a container, null for a missing token."""
    from proxy.expressions.bind_creation import default_of

    if token is None:
        return default_of(kind)
    if kind.name == "object" or instance_of(token, kind):
        return token
    if not isinstance(token, JValue):
        from proxy.expressions.dotnet.values import name_of

        raise DotNetError(
            "System.InvalidCastException", f"Cannot cast {name_of(token)} to Newtonsoft.Json.Linq.JToken."
        )
    value = token.value
    target = kind.underlying
    if value is not None and instance_of(value, target):
        return value
    if value is None and (kind.is_nullable or not kind.is_value):
        return None
    if target.name in ("Guid", "TimeSpan", "DateTimeOffset", "JObject", "JArray", "JToken"):
        return invalid_cast(type_name(value), target.full_name)
    return change_type(value, target.name)


def type_name(value: Any) -> str:
    from proxy.expressions.dotnet.values import name_of

    return name_of(value) if value is not None else "null"


def _child_as(kind: Type, token: JToken, key: Any) -> Any:
    return value_as(kind, get(token, key))


def _values(kind: Type, token: Any) -> Sequence:
    return Sequence(lambda: (value_as(kind, child) for child in _children(token)), kind)


def _children(token: Any) -> Any:
    return token.children() if isinstance(token, JToken) else iterate(token)


def _deep_equals(left: JToken | None, right: JToken | None) -> bool:
    tick()
    if left is None or right is None:
        return left is right
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, JValue) and isinstance(right, JValue):
        return bool(left.value == right.value)
    if isinstance(left, JObject) and isinstance(right, JObject):
        return left.items.keys() == right.items.keys() and all(
            _deep_equals(v, right.items[k]) for k, v in left.items.items()
        )
    if isinstance(left, JProperty) and isinstance(right, JProperty) and left.name != right.name:
        return False
    one, two = list(left.children()), list(right.children())
    return len(one) == len(two) and all(_deep_equals(a, b) for a, b in zip(one, two, strict=True))


def _show(token: JToken, formatting: Any = 1) -> str:
    if int(formatting) and isinstance(token, JValue):
        return token_text(token)
    return write(token, bool(int(formatting)))


def _neighbours(after: bool) -> Callable[[JToken, Any], None]:
    def add(token: JToken, content: Any) -> None:
        parent = token.parent
        if isinstance(parent, JArray):
            from proxy.expressions.dotnet.json_tokens import adopt

            index = next(i for i, other in enumerate(parent.items) if other is token)
            parent.items.insert(index + int(after), adopt(from_object(content), parent))
            return
        if isinstance(token, JProperty) and isinstance(parent, JObject) and isinstance(content, JProperty):
            before = list(parent.items.items())
            index = next(i for i, (name, _) in enumerate(before) if name == token.name)
            parent.add(content.name, content.value)
            before.insert(index + int(after), (content.name, parent.items[content.name]))
            parent.items = dict(before)
            content.parent = parent
            return
        invalid_operation("The parent is missing.")

    return add


def _descendants(token: JToken) -> Sequence:
    def run(current: JToken) -> Any:
        for child in current.children():
            yield child
            yield from run(child)

    return Sequence(lambda: run(token), type_of_name("JToken"))


def _root(token: JToken) -> JToken:
    while token.parent is not None:
        token = token.parent
    return token


def _ends(last: bool) -> Callable[[JToken], JToken | None]:
    def pick(token: JToken) -> JToken | None:
        children = list(token.children())
        if isinstance(token, JValue):
            invalid_operation("Cannot access child value on Newtonsoft.Json.Linq.JValue.")
        return children[-1 if last else 0] if children else None

    return pick


def _sibling(step: int) -> Callable[[JToken], JToken | None]:
    def find(token: JToken) -> JToken | None:
        parent = token.parent
        children = list(parent.children()) if parent is not None else []
        for index, child in enumerate(children):
            if child is token or (
                isinstance(child, JProperty) and isinstance(token, JProperty) and child.name == token.name
            ):
                at = index + step
                return children[at] if 0 <= at < len(children) else None
        return None

    return find


members(
    TOKEN,
    {
        "JToken? this[object key]": get,
        "JTokenType Type": lambda token: enum_value(_TYPES, _NUMBERS[kind_of(token)]),
        "bool HasValues": lambda token: next(iter(token.children()), None) is not None,
        "JContainer? Parent": parent_of,
        "string Path": path_of,
        "JToken Root": _root,
        "JToken? First": _ends(False),
        "JToken? Last": _ends(True),
        "JToken? Next": _sibling(1),
        "JToken? Previous": _sibling(-1),
        "T? Value<T>(object key)": with_types(_child_as),
        "IEnumerable<JToken> Children()": lambda token: Sequence(token.children, type_of_name("JToken")),
        "IEnumerable<T> Children<T>()": with_types(
            lambda kind, token: Sequence(lambda: (c for c in token.children() if instance_of(c, kind)), kind)
        ),
        "IEnumerable<T> Values<T>()": with_types(_values),
        "IEnumerable<JToken> Values()": lambda token: Sequence(token.children, type_of_name("JToken")),
        "JToken? SelectToken(string path)": json_path.select_one,
        "JToken? SelectToken(string path, bool errorWhenNoMatch)": json_path.select_one,
        "IEnumerable<JToken> SelectTokens(string path)": json_path.select,
        "JToken DeepClone()": lambda token: token.clone(),
        "static bool DeepEquals(JToken a, JToken b)": _deep_equals,
        "void Remove()": detach,
        "void Replace(JToken value)": replace,
        "void AddAfterSelf(object content)": _neighbours(True),
        "void AddBeforeSelf(object content)": _neighbours(False),
        "T? ToObject<T>()": with_types(to_object),
        "string ToString()": token_text,
        "string ToString(Formatting formatting)": _show,
        "static JToken Parse(string json)": lambda text: read_json(_text(text)),
        "static JToken FromObject(object o)": lambda value: from_object(_given(value)),
    },
)


def _text(text: str | None) -> str:
    return argument_null("s") if text is None else text


def _given(value: Any) -> Any:
    return argument_null("o") if value is None else value


def _value_of(kind: Type, token: JToken | None) -> Any:
    return argument_null("value") if token is None else value_as(kind, token)


def _above(token: JToken) -> Any:
    above = parent_of(token)
    while above is not None:
        yield above
        above = parent_of(above)


def _same_value(left: JToken, right: Any) -> bool:
    if isinstance(left, JValue) and isinstance(right, JValue):
        return bool(_deep_equals(left, right))
    return left is right


_TOKENS = type_of_name("JToken")
members(
    TOKEN,
    {
        "IEnumerable<JToken> Ancestors()": lambda token: Sequence(lambda: _above(token), _TOKENS),
        "bool Equals(JToken other)": _same_value,
    },
)
setters(TOKEN, {"this[object]": put})
_EXTENSIONS = define("JsonExtensions", f"{_LINQ}.Extensions", kind="static")
members(
    _EXTENSIONS,
    {
        "static T? Value<T>(this IEnumerable<JToken> value)": with_types(_value_of),
        "static IEnumerable<T> Values<T>(this IEnumerable<JToken> source)": with_types(_values),
    },
)
for _name in (*_LABELS, "DateTime", "DateTimeOffset", "Guid", "TimeSpan"):
    members(
        TOKEN,
        {
            f"explicit {_name}(JToken value)": _explicit(_name, False),
            f"explicit {_name}?(JToken value)": _explicit(_name, True),
        },
    )
members(
    TOKEN,
    {
        "explicit string?(JToken value)": _explicit("string", True),
        "explicit byte[]?(JToken value)": _explicit("byte[]", True),
    },
)
for _name in (*_LABELS, "DateTime", "DateTimeOffset", "Guid", "TimeSpan"):
    members(TOKEN, {f"implicit JToken({_name} value)": JValue, f"implicit JToken({_name}? value)": JValue})
members(TOKEN, {"implicit JToken(string value)": JValue, "implicit JToken(byte[] value)": JValue})

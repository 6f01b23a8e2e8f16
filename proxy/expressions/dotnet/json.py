"""The members of JToken and what its conversions accept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from proxy.expressions.dotnet import json_path
from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.convert import CHANGES, change_type, from_base64, to_base64
from proxy.expressions.dotnet.datetext import parse_offset, parse_span
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset, TimeSpan
from proxy.expressions.dotnet.enums import enum_value
from proxy.expressions.dotnet.guid import Guid, _of_bytes, parse_guid
from proxy.expressions.dotnet.json_compare import deep_equals, same_value
from proxy.expressions.dotnet.json_convert import from_object, to_object
from proxy.expressions.dotnet.json_reader import read_json
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JConstructor,
    JContainer,
    JObject,
    JProperty,
    JRaw,
    JToken,
    JValue,
    add_beside,
    detach,
    kind_of,
    parent_of,
    path_of,
    place_of,
    replace,
)
from proxy.expressions.dotnet.json_writer import token_text, write
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.values import Array, Sequence, Single, instance_of, name_of
from proxy.expressions.runtime import DotNetError, argument, argument_null, index_range, invalid_operation, tick
from proxy.expressions.table import define, members, setters, with_types
from proxy.expressions.types import Type, type_of_name

_LINQ = "Newtonsoft.Json.Linq"
TOKEN = define("JToken", f"{_LINQ}.JToken", bases=("IEnumerable<JToken>",))
CONTAINER = define("JContainer", f"{_LINQ}.JContainer", bases=("JToken",))
VALUE = define("JValue", f"{_LINQ}.JValue", bases=("JToken",))
RAW = define("JRaw", f"{_LINQ}.JRaw", bases=("JValue",))
PROPERTY = define("JProperty", f"{_LINQ}.JProperty", bases=("JContainer",))
OBJECT = define("JObject", f"{_LINQ}.JObject", bases=("JContainer", "IEnumerable<KeyValuePair<string, JToken>>"))
ARRAY = define("JArray", f"{_LINQ}.JArray", bases=("JContainer", "IList<JToken>"))
CONSTRUCTOR = define("JConstructor", f"{_LINQ}.JConstructor", bases=("JContainer",))
CONVERT = define("JsonConvert", "Newtonsoft.Json.JsonConvert", kind="static")
_TYPES = type_of_name("JTokenType")
TOKENS = type_of_name("JToken")

for _class in (JValue, JRaw, JProperty, JObject, JArray, JConstructor):
    TEXTS[_class] = token_text

_NUMBERS = {
    "None": 0, "Object": 1, "Array": 2, "Constructor": 3, "Property": 4, "Comment": 5, "Integer": 6, "Float": 7,
    "String": 8, "Boolean": 9, "Null": 10, "Undefined": 11, "Date": 12, "Raw": 13, "Bytes": 14, "Guid": 15, "Uri": 16,
    "TimeSpan": 17,
}  # fmt: skip


# token[key]


def _shown(key: Any) -> str:
    return "{null}" if key is None else f'"{key}"' if isinstance(key, str) else to_text(key)


_EXPECTED = {
    JObject: ("JObject", "Object property name"),
    JArray: ("JArray", "Int32 array index"),
    JConstructor: ("JConstructor", "Argument position index"),
}


def _bad_key(verb: str, token: JToken, key: Any) -> Any:
    name, wanted = _EXPECTED[type(token)]
    return argument(f"{verb} {name} values with invalid key value: {_shown(key)}. {wanted} expected.")


def get(token: JToken, key: Any) -> JToken | None:
    """token[key] with a key of type object."""
    if key is None and not isinstance(token, JValue):
        argument_null("key")
    if isinstance(token, JObject):
        return token.items.get(key) if isinstance(key, str) else _bad_key("Accessed", token, key)
    if isinstance(token, JArray):
        if type(key) is not int:
            _bad_key("Accessed", token, key)
        return item(token, key)
    return invalid_operation(f"Cannot access child value on {name_of(token)}.")


def item(array: JArray, index: int) -> JToken:
    if 0 <= index < len(array.items):
        return array.items[index]
    index_range()


def put(token: JToken, key: Any, value: JToken | None) -> None:
    if key is None and not isinstance(token, JValue):
        argument_null("key")
    if isinstance(token, JObject):
        if not isinstance(key, str):
            _bad_key("Set", token, key)
        token.put(key, value)
    elif isinstance(token, JArray):
        if type(key) is not int:
            _bad_key("Set", token, key)
        token.replace(key, value)
    else:
        invalid_operation(f"Cannot set child value on {name_of(token)}.")


# (T)token

_TEXTUAL = {"String", "Comment", "Raw"}
_NUMERIC = {"Integer", "Float", "Boolean", *_TEXTUAL}
_ACCEPTED = {
    "string": {"Date", "Bytes", "Guid", "TimeSpan", "Uri", *_NUMERIC}, "char": {"Integer", "Float", *_TEXTUAL},
    "DateTime": {"Date", *_TEXTUAL}, "DateTimeOffset": {"Date", *_TEXTUAL}, "Guid": {"Guid", "Bytes", *_TEXTUAL},
    "TimeSpan": {"TimeSpan", *_TEXTUAL}, "Uri": {"Uri", *_TEXTUAL}, "byte[]": {"Bytes", "Integer", *_TEXTUAL},
}  # fmt: skip
_LABELS = {
    "int": "Int32", "long": "Int64", "short": "Int16", "uint": "UInt32", "ulong": "UInt64", "ushort": "UInt16",
    "byte": "Byte", "sbyte": "SByte", "double": "Double", "float": "Single", "decimal": "Decimal", "bool": "Boolean",
    "char": "Char", "string": "String", "byte[]": "byte array",
}  # fmt: skip
_VALUE_TYPES = (*(name for name in _LABELS if name not in ("string", "byte[]")), "DateTime", "DateTimeOffset", "Guid",
                "TimeSpan")  # fmt: skip


def _explicit(name: str, nullable: bool) -> Callable[[JToken | None], Any]:
    """(T)token: what the operator of Json.NET accepts."""
    label = _LABELS.get(name, name)
    accepted = _ACCEPTED.get(name, _NUMERIC)
    special = _SPECIAL.get(name)

    def convert(token: JToken | None) -> Any:
        if token is None:
            return None if nullable else argument_null("value")
        if isinstance(token, JProperty):
            token = token.value
        kind = kind_of(token)
        empty = nullable and name != "byte[]" and kind in ("Null", "Undefined")
        if not isinstance(token, JValue) or not (kind in accepted or empty):
            argument(f"Can not convert {kind} to {label}.")
        value = token.value
        if value is None and nullable:
            return None
        return special(value) if special else _change(value, name)

    return convert


_SOURCES: tuple[tuple[Any, str], ...] = (
    (bool, "Boolean"), (int, "Int64"), (Single, "Single"), (float, "Double"), (Decimal, "Decimal"),
    (DateTime, "DateTime"),
)  # fmt: skip


def _change(value: Any, name: str) -> Any:
    """Convert.ChangeType of what a token holds."""
    if isinstance(value, str) or value is None or name == "string":
        return change_type(value, name)
    if isinstance(value, _NOT_CONVERTIBLE):
        raise DotNetError("System.InvalidCastException", "Object must implement IConvertible.")
    bad = isinstance(value, DateTime) != (name == "DateTime")
    if bad or (name == "char" and (isinstance(value, bool) or not isinstance(value, int))):
        source = next((word for classes, word in _SOURCES if isinstance(value, classes)), name_of(value))
        raise DotNetError(
            "System.InvalidCastException", f"Invalid cast from '{source}' to '{_LABELS.get(name, name)}'."
        )
    return change_type(value, name)


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return from_base64(value)
    return value if isinstance(value, Array) else argument("Can not convert Integer to byte array.")


def _date(value: Any) -> DateTime:
    return DateTime(value.ticks) if isinstance(value, DateTimeOffset) else _change(value, "DateTime")


def _offset(value: Any) -> DateTimeOffset:
    if isinstance(value, DateTimeOffset):
        return value
    return DateTimeOffset(value.ticks) if isinstance(value, DateTime) else parse_offset(value)


def _guid(value: Any) -> Any:
    if isinstance(value, Array):
        return _of_bytes(value)
    return value if isinstance(value, Guid) else parse_guid(to_text(value))


def _uri(value: Any) -> Any:
    from proxy.expressions.dotnet.uri import Uri

    return value if isinstance(value, Uri) else Uri(to_text(value))


_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: to_base64(value) if isinstance(value, Array) else to_text(value),
    "DateTime": _date, "DateTimeOffset": _offset, "Guid": _guid, "Uri": _uri,
    "TimeSpan": lambda value: value if isinstance(value, TimeSpan) else parse_span(to_text(value)),
    "byte[]": _bytes,
}  # fmt: skip


# Value<T>, Values, Children


def value_as(kind: Type, token: JToken | None) -> Any:
    """token.Value<T>(): converts a leaf, casts a container, default for a missing token."""
    from proxy.expressions.bind_creation import default_of

    if token is None:
        return default_of(kind)
    if kind.name == "object" or instance_of(token, kind):
        return token
    if not isinstance(token, JValue):
        raise DotNetError("System.InvalidCastException", f"Cannot cast {name_of(token)} to {_LINQ}.JToken.")
    value = token.value
    target = kind.underlying
    # what was parsed is an Int64, and only that is there as it is
    if value is not None and type(value) is not int and instance_of(value, target):
        return value
    if value is None and (kind.is_nullable or not kind.is_value):
        return None
    if value is not None and target.name not in CHANGES and not isinstance(value, _NOT_CONVERTIBLE):
        source = "System.Int64" if type(value) is int else name_of(value)
        raise DotNetError("System.InvalidCastException", f"Invalid cast from '{source}' to '{target.full_name}'.")
    return _change(value, target.name)


_NOT_CONVERTIBLE = (Guid, TimeSpan, DateTimeOffset, Array)


def _value_of(kind: Type, token: Any) -> Any:
    if token is None:
        argument_null("value")
    return value_as(kind, token) if isinstance(token, JToken) else argument("Source value must be a JToken.")


def _own_values(kind: Type, token: JToken) -> Sequence:
    if not isinstance(token, JContainer):
        invalid_operation(f"Cannot access child value on {name_of(token)}.")
    return Sequence(lambda: (value_as(kind, child) for child in token.children()), kind)


def of_type(tokens: Iterator[JToken], kind: Type) -> Iterator[Any]:
    return (token for token in tokens if instance_of(token, kind))


def _each(source: Any) -> Iterator[JToken]:
    return source.children() if isinstance(source, JToken) else iterate(source)


def each_of(source: Any, step: Callable[[JToken], Iterator[Any]]) -> Sequence:
    """Of each token of the source, what the step gives."""
    if source is None:
        argument_null("source")
    return Sequence(lambda: (found for token in _each(source) for found in step(token)), TOKENS)


def _keyed(token: JToken, key: Any) -> Iterator[JToken]:
    if isinstance(token, JValue):
        return iter((token,))
    found = get(token, key)
    return iter(()) if found is None else iter((found,))


# neighbours


def ancestors(token: JToken | None) -> Iterator[JToken]:
    above = parent_of(token) if token is not None else None
    while above is not None:
        tick()
        yield above
        above = parent_of(above)


def with_self(walk: Callable[[JToken], Iterator[JToken]]) -> Callable[[JToken], Iterator[JToken]]:
    def run(token: JToken) -> Iterator[JToken]:
        yield token
        yield from walk(token)

    return run


def descendants(token: JToken) -> Iterator[JToken]:
    for child in token.children():
        tick()
        yield child
        yield from descendants(child)


def _root(token: JToken) -> JToken:
    while (parent := parent_of(token)) is not None:
        token = parent
    return token


def _ends(last: bool) -> Callable[[JToken], JToken | None]:
    def pick(token: JToken) -> JToken | None:
        if isinstance(token, JValue):
            invalid_operation(f"Cannot access child value on {name_of(token)}.")
        children = list(token.children())
        return children[-1 if last else 0] if children else None

    return pick


def _siblings(token: JToken, after: bool) -> list[JToken]:
    parent = parent_of(token)
    if parent is None:
        return []
    children = list(parent.children())
    at = place_of(parent, token)
    return children[at + 1 :] if after else children[:at]


def sequence(walk: Callable[[Any], Any]) -> Callable[[Any], Sequence]:
    """A member that gives a deferred IEnumerable<JToken>."""
    return lambda token: Sequence(lambda: iter(walk(token)), TOKENS)


def _show(token: JToken, formatting: Any = 1) -> str:
    return write(token, bool(int(formatting)))


def text_value(text: str | None) -> JValue:
    """Of a string; one that is null has the type String all the same."""
    return JValue(text, "String" if text is None else "")


def text_of(text: str | None) -> str:
    return argument_null("s") if text is None else text


def given(value: Any) -> Any:
    return argument_null("o") if value is None else value


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
        "JToken? Next": lambda token: next(iter(_siblings(token, True)), None),
        "JToken? Previous": lambda token: next(reversed(_siblings(token, False)), None),
        "T? Value<T>(object key)": with_types(lambda kind, token, key: value_as(kind, get(token, key))),
        "IEnumerable<JToken> Children()": sequence(lambda token: token.children()),
        "IEnumerable<T> Children<T>()": with_types(
            lambda kind, token: Sequence(lambda: of_type(token.children(), kind), kind)
        ),
        "IEnumerable<T> Values<T>()": with_types(_own_values),
        "JToken? SelectToken(string path)": json_path.select_one,
        "JToken? SelectToken(string path, bool errorWhenNoMatch)": json_path.select_one,
        "IEnumerable<JToken> SelectTokens(string path)": json_path.select,
        "IEnumerable<JToken> SelectTokens(string path, bool errorWhenNoMatch)": json_path.select,
        "JToken DeepClone()": lambda token: token.clone(),
        "static bool DeepEquals(JToken a, JToken b)": deep_equals,
        "void Remove()": detach,
        "void Replace(JToken value)": replace,
        "void AddAfterSelf(object content)": lambda token, content: add_beside(token, content, after=True),
        "void AddBeforeSelf(object content)": lambda token, content: add_beside(token, content, after=False),
        "IEnumerable<JToken> Ancestors()": sequence(ancestors),
        "IEnumerable<JToken> AncestorsAndSelf()": sequence(with_self(ancestors)),
        "IEnumerable<JToken> AfterSelf()": sequence(lambda token: _siblings(token, True)),
        "IEnumerable<JToken> BeforeSelf()": sequence(lambda token: _siblings(token, False)),
        "T? ToObject<T>()": with_types(to_object),
        "string ToString()": token_text,
        "string ToString(Formatting formatting)": _show,
        "static JToken Parse(string json)": lambda text: read_json(text_of(text)),
        "static JToken FromObject(object o)": lambda value: from_object(given(value)),
        "bool Equals(object other)": same_value,
    },
)
setters(TOKEN, {"this[object]": put})
_EXTENSIONS = define("JsonExtensions", f"{_LINQ}.Extensions", kind="static")
_SOURCE = "this IEnumerable<JToken> source"
members(
    _EXTENSIONS,
    {
        "static T? Value<T>(this IEnumerable<JToken> value)": with_types(_value_of),
        f"static IEnumerable<T> Values<T>({_SOURCE})": with_types(
            lambda kind, source: Sequence(
                lambda: (value_as(kind, child) for token in _each(source) for child in token.children()), kind
            )
        ),
        f"static IEnumerable<T> Values<T>({_SOURCE}, object key)": with_types(
            lambda kind, source, key: Sequence(
                lambda: (value_as(kind, found) for token in _each(source) for found in _keyed(token, key)), kind
            )
        ),
        f"static IEnumerable<JToken> Values({_SOURCE})": lambda source: each_of(source, lambda token: token.children()),
        f"static IEnumerable<JToken> Values({_SOURCE}, object key)": lambda source, key: each_of(
            source, lambda token: _keyed(token, key)
        ),
        f"static IEnumerable<JToken> Children({_SOURCE})": lambda source: each_of(
            source, lambda token: token.children()
        ),
        f"static IEnumerable<JToken> Ancestors({_SOURCE})": lambda source: each_of(source, ancestors),
        f"static IEnumerable<JToken> AncestorsAndSelf({_SOURCE})": lambda s: each_of(s, with_self(ancestors)),
        f"static IEnumerable<JToken> Descendants({_SOURCE})": lambda source: each_of(source, descendants),
        f"static IEnumerable<JToken> DescendantsAndSelf({_SOURCE})": lambda s: each_of(s, with_self(descendants)),
        "static IEnumerable<JProperty> Properties(this IEnumerable<JObject> source)": lambda source: Sequence(
            lambda: (found for token in _each(source) for found in token.properties()), type_of_name("JProperty")
        ),
        f"static IEnumerable<JToken> AsJEnumerable({_SOURCE})": lambda source: source,
    },
)
for _name in _VALUE_TYPES:
    members(
        TOKEN,
        {
            f"explicit {_name}(JToken value)": _explicit(_name, False),
            f"explicit {_name}?(JToken value)": _explicit(_name, True),
        },
    )
    # a char has none of its own and goes as a number
    if _name != "char":
        members(TOKEN, {f"implicit JToken({_name} value)": JValue, f"implicit JToken({_name}? value)": JValue})
for _name in ("string", "byte[]", "Uri"):
    members(TOKEN, {f"explicit {_name}?(JToken value)": _explicit(_name, True)})
members(TOKEN, {"implicit JToken(string value)": text_value, "implicit JToken(byte[] value)": JValue})

"""The members of JValue, JRaw, JProperty, JContainer, JObject, JArray, JConstructor and JsonConvert."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.culture import upper
from proxy.expressions.dotnet.json import (
    ARRAY,
    CONSTRUCTOR,
    CONTAINER,
    CONVERT,
    OBJECT,
    PROPERTY,
    RAW,
    TOKENS,
    VALUE,
    descendants,
    given,
    item,
    sequence,
    text_value,
    with_self,
)
from proxy.expressions.dotnet.json_compare import compare_tokens, same_value
from proxy.expressions.dotnet.json_convert import deserialize, deserialize_any, from_object
from proxy.expressions.dotnet.json_reader import parse
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JConstructor,
    JContainer,
    JObject,
    JProperty,
    JRaw,
    JToken,
    JValue,
    add_content,
    is_many,
    kind_of,
    token_of,
)
from proxy.expressions.dotnet.json_writer import write
from proxy.expressions.dotnet.values import Int64, List, Sequence, name_of
from proxy.expressions.runtime import argument, argument_null, invalid_cast
from proxy.expressions.table import attribute, members, setters, with_types
from proxy.expressions.types import type_of_name

# JValue, JRaw


def _set_value(token: JValue, value: Any) -> None:
    token.value = token_of(value).value  # type: ignore[attr-defined]
    if token.label not in ("Comment", "Raw") or not isinstance(value, str):
        token.label = ""


def _value(token: JValue) -> Any:
    """What was parsed is an Int64."""
    return Int64(token.value) if type(token.value) is int else token.value


def _format(token: JValue, pattern: str | None) -> str:
    from proxy.expressions.dotnet.format import format_value
    from proxy.expressions.dotnet.text import to_text

    value = token.value
    if value is None:
        return ""
    return to_text(value) if isinstance(value, (str, bool)) else str(format_value(value, pattern or ""))


def _compare(token: JValue, other: Any) -> int:
    if other is None:
        return 1
    return compare_tokens(token, other if isinstance(other, JValue) else JValue(other))


_CLOCK = ("DateTime", "DateTimeOffset", "TimeSpan", "Guid", "Uri")
members(
    VALUE,
    {
        **{f"new({kind} value)": JValue for kind in ("long", "decimal", "ulong", "double", "float", "bool", *_CLOCK)},
        "new(string value)": text_value,
        "new(char value)": lambda value: JValue(str(value)),
        "new(JValue other)": lambda other: argument_null("other") if other is None else other.clone(),
        "new(object value)": lambda value: JValue(token_of(value).value),  # type: ignore[attr-defined]
        "object? Value": _value,
        "string ToString(string format)": _format,
        "static JValue CreateNull()": lambda: JValue(None),
        "static JValue CreateUndefined()": lambda: JValue(None, "Undefined"),
        "static JValue CreateString(string value)": text_value,
        "static JValue CreateComment(string value)": lambda text: JValue(text, "Comment"),
        "int CompareTo(JValue other)": _compare,
        "bool Equals(JValue other)": same_value,
    },
)
setters(VALUE, {"Value": _set_value})
members(RAW, {"new(object rawJson)": JRaw, "new(JRaw other)": lambda other: other.clone()})

# JProperty


def _property(name: str, content: Any) -> JProperty:
    if name is None:
        argument_null("name")
    return JProperty(name, _content_array(content) if is_many(content) else token_of(content))


def _set_property(token: JProperty, value: JToken | None) -> None:
    token.value = value


members(
    PROPERTY,
    {
        "new(JProperty other)": lambda other: other.clone(),
        "new(string name, object content)": _property,
        "new(string name, params object[] content)": _property,
        "string Name": attribute("name"),
        "JToken Value": attribute("value"),
    },
)
setters(PROPERTY, {"Value": _set_property})

# JContainer


def _replace_all(container: JContainer, content: Any) -> None:
    container.clear()
    add_content(container, content)


def _merge(target: JToken, content: Any) -> None:
    """Objects merge by name, arrays are concatenated, anything else is replaced."""
    if isinstance(target, JObject) and isinstance(content, JObject):
        for name, value in list(content.items.items()):
            current = target.items.get(name)
            if current is None:
                target.put(name, value)
            elif isinstance(current, JContainer) and kind_of(current) == kind_of(value):
                _merge(current, value)
            elif kind_of(value) != "Null":
                target.put(name, value)
    elif isinstance(target, JArray) and (isinstance(content, JArray) or is_many(content)):
        for value in list(content):
            if value is not None and not isinstance(value, JToken):
                invalid_cast(name_of(value), "Newtonsoft.Json.Linq.JToken")
            target.append(value)
    elif isinstance(target, JProperty) and isinstance(content, JProperty) and kind_of(content.value) != "Null":
        target.value = content.value


members(
    CONTAINER,
    {
        "int Count": lambda token: token.count(),
        "void Add(object content)": add_content,
        "void AddFirst(object content)": lambda container, content: add_content(container, content, 0),
        "void RemoveAll()": lambda container: container.clear(),
        "void ReplaceAll(object content)": _replace_all,
        "void Merge(object content)": _merge,
        "IEnumerable<JToken> Descendants()": sequence(descendants),
        "IEnumerable<JToken> DescendantsAndSelf()": sequence(with_self(descendants)),
    },
)

# JObject


def _new_object(content: Any) -> JObject:
    made = JObject()
    add_content(made, content)
    return made


def find(token: JObject, name: str | None, comparison: Any = 4) -> str | None:
    """The name of the property that is found: the very name first, then one that compares equal."""
    if name is None:
        return None
    if name in token.items:
        return name
    if int(comparison) % 2 == 0:
        return None
    wanted = upper(name)
    return next((key for key in token.items if upper(key) == wanted), None)


def _get_value(token: JObject, name: str | None, comparison: Any = 4) -> JToken | None:
    found = find(token, name, comparison)
    return None if found is None else token.items[found]


def _try_get(token: JObject, name: str | None, comparison: Any = 4) -> tuple[bool, JToken | None]:
    found = _get_value(token, name, comparison)
    return found is not None, found


def _view(token: JObject, name: str | None, comparison: Any = 4) -> JProperty | None:
    found = find(token, name, comparison)
    return None if found is None else token.view(found)


def _remove(token: JObject, name: str | None) -> bool:
    if name is None or name not in token.items:
        return False
    token.drop(name)
    return True


def _by_name(token: JObject, name: str | None) -> JToken | None:
    return argument_null("propertyName") if name is None else token.items.get(name)


def expect_object(token: JToken | None) -> JObject:
    if not isinstance(token, JObject):
        argument(f"Object serialized to {kind_of(token) if token else 'Null'}. JObject instance expected.")
    return token


members(
    OBJECT,
    {
        "new()": JObject,
        "new(JObject other)": lambda other: argument_null("other") if other is None else other.clone(),
        "new(object content)": _new_object,
        "new(params object[] content)": _new_object,
        "JToken? this[string name]": _by_name,
        "void Add(string name, JToken value)": JObject.add,
        "bool ContainsKey(string name)": lambda token, name: _by_name(token, name) is not None,
        "JToken? GetValue(string name)": _get_value,
        "JToken? GetValue(string name, StringComparison comparison)": _get_value,
        "bool TryGetValue(string name, out JToken value)": _try_get,
        "bool TryGetValue(string name, StringComparison comparison, out JToken value)": _try_get,
        "JProperty? Property(string name)": _view,
        "JProperty? Property(string name, StringComparison comparison)": _view,
        "IJEnumerable<JProperty> Properties()": lambda token: Sequence(token.properties, type_of_name("JProperty")),
        "IJEnumerable<JToken> PropertyValues()": lambda token: List(TOKENS, token.items.values()),
        "bool Remove(string name)": _remove,
        "static JObject Parse(string json)": lambda text: parse(text, JObject, "JObject"),
        "static JObject FromObject(object o)": lambda value: expect_object(from_object(given(value))),
    },
)
setters(OBJECT, {"this[string]": JObject.put})

# JArray, JConstructor


def _content_array(content: Any) -> JArray:
    made = JArray()
    add_content(made, content)
    return made


def _expect_array(token: JToken) -> JArray:
    if not isinstance(token, JArray):
        argument(f"Object serialized to {kind_of(token)}. JArray instance expected.")
    return token


def _remove_item(array: JArray, token: JToken) -> bool:
    at = array.place(token)
    if at >= 0:
        array.remove_at(at)
    return at >= 0


members(
    ARRAY,
    {
        "new()": JArray,
        "new(JArray other)": lambda other: argument_null("other") if other is None else other.clone(),
        "new(object content)": _content_array,
        "new(params object[] content)": _content_array,
        "JToken this[int index]": item,
        "void Add(JToken item)": JArray.append,
        "void Insert(int index, JToken item)": JArray.insert,
        "void Clear()": JArray.clear,
        "void RemoveAt(int index)": JArray.remove_at,
        "bool Remove(JToken item)": _remove_item,
        "bool Contains(JToken item)": lambda array, token: array.place(token) >= 0,
        "int IndexOf(JToken item)": JArray.place,
        "bool IsReadOnly": lambda array: False,
        "static JArray Parse(string json)": lambda text: parse(text, JArray, "JArray"),
        "static JArray FromObject(object o)": lambda value: _expect_array(from_object(given(value))),
    },
)
setters(ARRAY, {"this[int]": JArray.replace})


def _constructor(name: str, *content: Any) -> JConstructor:
    made = JConstructor(name)
    for piece in content:
        add_content(made, piece)
    return made


def _set_name(token: JConstructor, name: str) -> None:
    token.name = name


members(
    CONSTRUCTOR,
    {
        "new()": JConstructor,
        "new(string name)": _constructor,
        "new(string name, object content)": _constructor,
        "new(string name, params object[] content)": _constructor,
        "new(JConstructor other)": lambda other: other.clone(),
        "string Name": attribute("name"),
    },
)
setters(CONSTRUCTOR, {"Name": _set_name})
members(
    CONVERT,
    {
        "static string SerializeObject(object value)": write,
        "static string SerializeObject(object value, Formatting formatting)": lambda v, f: write(v, bool(int(f))),
        "static T? DeserializeObject<T>(string value)": with_types(deserialize),
        "static object? DeserializeObject(string value)": deserialize_any,
    },
)

"""The members of JValue, JProperty, JObject, JArray and JsonConvert."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.collections import iterate
from proxy.expressions.dotnet.json import (
    ARRAY,
    CONTAINER,
    CONVERT,
    OBJECT,
    PROPERTY,
    VALUE,
    _descendants,
    _given,
    _text,
    item,
    kind_of,
)
from proxy.expressions.dotnet.json_convert import deserialize, from_object
from proxy.expressions.dotnet.json_reader import expect, read_json
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JObject,
    JProperty,
    JToken,
    JValue,
    detach,
    replace,
)  # fmt: skip
from proxy.expressions.dotnet.json_writer import write
from proxy.expressions.dotnet.values import Array, List, Sequence
from proxy.expressions.runtime import (
    argument,
    out_of_range,
)
from proxy.expressions.table import attribute, members, setters, with_types
from proxy.expressions.types import type_of_name

# JValue, JProperty


def _set_value(token: JValue, value: Any) -> None:
    token.value = value


members(
    VALUE,
    {
        "new(object value)": lambda value: JValue(value.value if isinstance(value, JValue) else value),
        "object? Value": attribute("value"),
        "static JValue CreateNull()": lambda: JValue(None),
        "static JValue CreateString(string value)": JValue,
        "int CompareTo(JValue other)": lambda a, b: int(a.value > b.value) - int(a.value < b.value),
    },
)
setters(VALUE, {"Value": _set_value})


def _property(name: str, content: Any) -> JProperty:
    return JProperty(name, from_object(content))


def _property_many(name: str, content: Any) -> JProperty:
    array = JArray()
    for inner in content:
        array.append(from_object(inner))
    return JProperty(name, array)


def _set_property(token: JProperty, value: JToken | None) -> None:
    token.value = value


members(
    PROPERTY,
    {
        "new(string name, object content)": _property,
        "new(string name, params object[] content)": _property_many,
        "string Name": attribute("name"),
        "JToken Value": attribute("value"),
    },
)
setters(PROPERTY, {"Value": _set_property})

# JObject


def _new_object(content: Any = ()) -> JObject:
    made = JObject()
    if isinstance(content, JObject):
        clone = content.clone()
        assert isinstance(clone, JObject)
        return clone
    for inner in content:
        made.add_content(inner)
    return made


def _required_property(token: JObject, name: str, comparison: Any = 4) -> JToken | None:
    found = token.items.get(name) if name is not None else None
    if found is None and int(comparison) % 2 == 1 and name is not None:
        found = next((value for key, value in token.items.items() if key.lower() == name.lower()), None)
    return found


def _try_get(token: JObject, name: str, comparison: Any = 4) -> tuple[bool, JToken | None]:
    found = _required_property(token, name, comparison)
    return found is not None, found


def _remove(token: JObject, name: str) -> bool:
    found = token.items.pop(name, None)
    if found is not None:
        found.parent = None
    return found is not None


def _merge(target: JToken, content: Any) -> None:
    """Objects merge by name, arrays are concatenated, anything else is replaced."""
    if isinstance(target, JObject) and isinstance(content, JObject):
        for name, value in content.items.items():
            current = target.items.get(name)
            if type(current) is type(value) and isinstance(current, (JObject, JArray)):
                _merge(current, value)
            elif not (isinstance(value, JValue) and value.value is None and current is not None):
                target.put(name, value)
    elif isinstance(target, JArray) and isinstance(content, JArray):
        for value in list(content.items):
            target.append(value)


def _view(token: JObject, name: str) -> JProperty | None:
    return JProperty.view(token, name) if name in token.items else None


_TOKEN_TYPE = type_of_name("JToken")


def _remove_all(token: Any) -> None:
    token.items.clear()


members(
    OBJECT,
    {
        "new()": _new_object,
        "new(JObject other)": _new_object,
        "new(object content)": lambda content: _new_object([content]),
        "new(params object[] content)": _new_object,
        "JToken? this[string name]": lambda token, name: token.items.get(name),
        "void Add(string name, JToken value)": JObject.add,
        "void Add(object content)": JObject.add_content,
        "bool ContainsKey(string name)": lambda token, name: name in token.items,
        "int Count": lambda token: len(token.items),
        "JToken? GetValue(string name)": _required_property,
        "JToken? GetValue(string name, StringComparison comparison)": _required_property,
        "bool TryGetValue(string name, out JToken value)": _try_get,
        "bool TryGetValue(string name, StringComparison comparison, out JToken value)": _try_get,
        "JProperty? Property(string name)": _view,
        "IEnumerable<JProperty> Properties()": lambda token: List(type_of_name("JProperty"), token.properties()),
        "IEnumerable<JToken> PropertyValues()": lambda token: List(_TOKEN_TYPE, token.items.values()),
        "bool Remove(string name)": _remove,
        "void RemoveAll()": _remove_all,
        "void Merge(object content)": _merge,
        "IEnumerable<JToken> Descendants()": _descendants,
        "static JObject Parse(string json)": lambda text: expect(read_json(_text(text), "JObject"), JObject, "JObject"),
        "static JObject FromObject(object o)": lambda value: expect_object(from_object(_given(value))),
    },
)
setters(OBJECT, {"this[string]": JObject.put})


def expect_object(token: JToken | None) -> JObject:
    if not isinstance(token, JObject):
        argument(f"Object serialized to {kind_of(token) if token else 'Null'}. JObject instance expected.")
    return token


# JArray


def _new_array(content: Any = ()) -> JArray:
    made = JArray()
    for inner in content:
        _add(made, inner)
    return made


def _content_array(content: Any) -> JArray:
    """new JArray(x): the elements of a sequence, or the one value; a JArray is copied."""
    if isinstance(content, JArray):
        clone = content.clone()
        assert isinstance(clone, JArray)
        return clone
    if isinstance(content, (Array, List, Sequence)) or (
        hasattr(content, "__iter__") and not isinstance(content, (str, JToken))
    ):
        return _new_array(iterate(content))
    return _new_array([content])


def _add(array: JArray, content: Any) -> None:
    array.append(from_object(content))


def _insert(array: JArray, index: int, token: JToken | None) -> None:
    from proxy.expressions.dotnet.json_tokens import adopt

    if not 0 <= index <= len(array.items):
        out_of_range("Index was out of range. Must be non-negative and less than the size of the collection.", "index")
    array.items.insert(index, adopt(token, array))


def _remove_item(array: JArray, token: JToken) -> bool:
    found = next((item for item in array.items if item is token or _leaf_equals(item, token)), None)
    if found is not None:
        detach(found)
    return found is not None


def _leaf_equals(left: JToken, right: JToken) -> bool:
    return isinstance(left, JValue) and isinstance(right, JValue) and bool(left.value == right.value)


def _index_of(array: JArray, token: JToken) -> int:
    return next((i for i, found in enumerate(array.items) if found is token or _leaf_equals(found, token)), -1)


members(
    ARRAY,
    {
        "new()": _new_array,
        "new(object content)": _content_array,
        "new(params object[] content)": _new_array,
        "JToken this[int index]": item,
        "int Count": len,
        "void Add(JToken item)": lambda array, token: array.append(token),
        "void Add(object content)": _add,
        "void AddFirst(object content)": lambda array, content: _insert(array, 0, from_object(content)),
        "void Insert(int index, JToken item)": _insert,
        "void Clear()": _remove_all,
        "void RemoveAll()": _remove_all,
        "void RemoveAt(int index)": lambda array, index: detach(item(array, index)),
        "bool Remove(JToken item)": _remove_item,
        "bool Contains(JToken item)": lambda array, token: _index_of(array, token) >= 0,
        "int IndexOf(JToken item)": _index_of,
        "void Merge(object content)": _merge,
        "IEnumerable<JToken> Descendants()": _descendants,
        "static JArray Parse(string json)": lambda text: expect(read_json(_text(text), "JArray"), JArray, "JArray"),
        "static JArray FromObject(object o)": lambda value: from_object(_given(value)),
    },
)
setters(ARRAY, {"this[int]": lambda array, index, token: replace(item(array, index), token)})


def _first(container: JToken, content: Any) -> None:
    if isinstance(container, JArray):
        _insert(container, 0, from_object(content))
    elif isinstance(container, JObject) and isinstance(content, JProperty):
        container.add(content.name, content.value)
        container.items = {content.name: container.items.pop(content.name), **container.items}


members(
    CONTAINER,
    {
        "int Count": lambda token: len(list(token.children())),
        "void AddFirst(object content)": _first,
        "void RemoveAll()": _remove_all,
    },
)
members(
    CONVERT,
    {
        "static string SerializeObject(object value)": write,
        "static string SerializeObject(object value, Formatting formatting)": lambda v, f: write(v, bool(int(f))),
        "static T? DeserializeObject<T>(string value)": with_types(deserialize),
        "static object? DeserializeObject(string value)": lambda text: read_json(_text(text)),
    },
)

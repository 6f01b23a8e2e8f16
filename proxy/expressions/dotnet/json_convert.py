"""Between tokens and .NET values: FromObject, ToObject<T>, DeserializeObject<T>."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet.collections import Dictionary, HashSet, iterate
from proxy.expressions.dotnet.json_reader import read_json
from proxy.expressions.dotnet.json_tokens import JArray, JObject, JProperty, JToken, JValue
from proxy.expressions.dotnet.json_writer import entries_of, leaf
from proxy.expressions.dotnet.values import Array, List, instance_of, name_of
from proxy.expressions.runtime import DotNetError, argument_null
from proxy.expressions.types import Type, generic, type_of_name


def from_object(value: Any) -> JToken:
    """A .NET value as a token; a token is itself."""
    if isinstance(value, JToken):
        return value
    if value is None:
        return JValue(None)
    if leaf(value) is not None:
        return JValue(value)
    entries = entries_of(value)
    if entries is not None:
        made = JObject()
        for name, inner in entries:
            made.put(name, from_object(inner))
        return made
    array = JArray()
    for inner in iterate(value):
        array.append(from_object(inner))
    return array


def _bad(token: JToken, target: Type) -> Any:
    kind = "array" if isinstance(token, JArray) else "object" if isinstance(token, JObject) else "value"
    raise DotNetError(
        "Newtonsoft.Json.JsonSerializationException",
        f"Cannot deserialize the current JSON {kind} into type '{target.full_name}'.",
    )


def to_object(kind: Type, token: JToken) -> Any:
    """token.ToObject<T>() for leaves, sequences, dictionaries and tokens."""
    from proxy.expressions.dotnet.json import value_as

    if isinstance(token, JProperty):
        token = token.value
    if kind.name == "object":
        return token.value if isinstance(token, JValue) else token
    if instance_of(token, kind):
        return token
    if isinstance(token, JValue) and token.value is None:
        if kind.is_value and not kind.is_nullable:
            raise DotNetError(
                "Newtonsoft.Json.JsonSerializationException",
                f"Error converting value {{null}} to type '{kind.full_name}'.",
            )
        return None
    name = kind.name
    if name in ("[]", "List", "IList", "IEnumerable", "ICollection", "IReadOnlyList", "IReadOnlyCollection", "HashSet"):
        if not isinstance(token, JArray):
            return _bad(token, kind)
        element = kind.args[0]
        items = [to_object(element, inner) for inner in token.items]
        if name == "[]":
            return Array(element, items)
        return HashSet(element, items) if name == "HashSet" else List(element, items)
    if name in ("Dictionary", "IDictionary", "IReadOnlyDictionary"):
        if not isinstance(token, JObject):
            return _bad(token, kind)
        made = Dictionary(generic("Dictionary", *kind.args))
        for key, inner in token.items.items():
            made.put(_key(key, kind.args[0]), to_object(kind.args[1], inner))
        return made
    if not isinstance(token, JValue):
        if name == "string":
            from proxy.expressions.runtime import argument

            argument(f"Can not convert {'Array' if isinstance(token, JArray) else 'Object'} to String.")
        return _bad(token, kind)
    if kind.definition is not None and name.startswith("J"):
        return _bad(token, kind)
    from proxy.expressions.conversions import explicit

    found = explicit(type_of_name("JToken"), kind)
    if found is not None and found.native is not None and found.native.function is not None:
        return found.native.function(token)
    return value_as(kind, token)


def _key(text: str, kind: Type) -> Any:
    if kind.name == "string":
        return text
    from proxy.expressions.dotnet.convert import change_type

    return change_type(text, kind.name)


def deserialize(kind: Type, text: str | None) -> Any:
    if text is None:
        argument_null("value")
    if not text.strip():
        return None
    token = read_json(text)
    if kind.name in ("JObject", "JArray") and not instance_of(token, kind):
        raise DotNetError(
            "System.InvalidCastException",
            f"Unable to cast object of type '{name_of(token)}' to type '{kind.full_name}'.",
        )
    return token if kind.name == "object" else to_object(kind, token)

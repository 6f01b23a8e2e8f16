"""Headers, query parameters and variables as expressions see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multidict import CIMultiDict

from proxy.expressions.dotnet.collections import Dictionary, Pair
from proxy.expressions.dotnet.values import Array, List, instance_of, name_of
from proxy.expressions.runtime import DotNetError, argument_null, invalid_cast
from proxy.expressions.table import define, members, with_types
from proxy.expressions.types import Native, Type, generic, type_of_name

STRING = type_of_name("string")
VALUES = generic("IReadOnlyDictionary", STRING, generic("[]", STRING))
TEXT_MAP = generic("IReadOnlyDictionary", STRING, STRING)

# Headers are a case-insensitive multi-dictionary; statically a type of its own below the interface APIM documents.
HEADERS = define(
    "HeaderDictionary",
    "System.Collections.Generic.IReadOnlyDictionary",
    bases=("IReadOnlyCollection<KeyValuePair<string, string[]>>",),
)
Headers = CIMultiDict[str]


def _missing(key: Any) -> Any:
    raise DotNetError(
        "System.Collections.Generic.KeyNotFoundException", f"The given key '{key}' was not present in the dictionary."
    )


def header(headers: Headers, name: str | None, default: str | None = None) -> str | None:
    """All values of a header joined by commas."""
    if name is None:
        argument_null("key")
    found = headers.getall(name, None)
    if found is None:
        return default
    return found[0] if len(found) == 1 else ",".join(found)


def _values(headers: Headers, name: str) -> Array:
    if name is None:
        argument_null("key")
    found = headers.getall(name, None)
    return _missing(name) if found is None else Array(STRING, found)


def _try_values(headers: Headers, name: str) -> tuple[bool, Array | None]:
    found = headers.getall(name, None) if name is not None else argument_null("key")
    return (False, None) if found is None else (True, Array(STRING, found))


def _names(headers: Headers) -> list[str]:
    return list({name.lower(): name for name in reversed(list(headers.keys()))}.values())[::-1]


def pairs(headers: Headers) -> Iterator[Pair]:
    return (Pair(name, Array(STRING, headers.getall(name))) for name in _names(headers))


def _as_dictionary(headers: Headers) -> Dictionary:
    return Dictionary(VALUES, {pair.key: pair.value for pair in pairs(headers)}, str.lower)


def _contains(headers: Headers, name: str | None) -> bool:
    if name is None:
        argument_null("key")
    return name in headers


members(
    HEADERS,
    {
        "string? GetValueOrDefault(string name)": header,
        "string? GetValueOrDefault(string name, string defaultValue)": header,
        "bool ContainsKey(string name)": _contains,
        "bool TryGetValue(string name, out string[] value)": _try_values,
        "string[] this[string name]": _values,
        "implicit IReadOnlyDictionary<string, string[]>(HeaderDictionary headers)": _as_dictionary,
        "int Count": lambda headers: len(_names(headers)),
        "IEnumerable<string> Keys": lambda headers: List(STRING, _names(headers)),
        "IEnumerable<string[]> Values": lambda headers: List(
            generic("[]", STRING), [pair.value for pair in pairs(headers)]
        ),
    },
)


def joined(items: Dictionary, name: str, default: str | None = None) -> str | None:
    """GetValueOrDefault of query parameters and claims."""
    found = items.find(name)
    return default if found is None else ",".join(found[1])


_LISTS = "this IReadOnlyDictionary<string, string[]> source"
EXTENSIONS = define("ContextExtensions", "Microsoft.Azure.ApiManagement.Extensions", kind="static")
members(
    EXTENSIONS,
    {
        f"static string? GetValueOrDefault({_LISTS}, string name)": joined,
        f"static string? GetValueOrDefault({_LISTS}, string name, string other)": joined,
    },
)

# Variables: a plain dict from name to object

VARIABLES = define(
    "Variables",
    "System.Collections.Generic.IReadOnlyDictionary",
    bases=("IReadOnlyCollection<KeyValuePair<string, object>>",),
)
# What a wrong type does in GetValueOrDefault<T>: the documentation says that it throws
STRICT_VARIABLES = True


def typed(kind: Type, variables: dict[str, Any], name: str | None, *default: Any) -> Any:
    """GetValueOrDefault<T>(name[, default])."""
    if name is None:
        argument_null("key")
    value = variables.get(name, variables)
    if value is variables:
        if default:
            return default[0]
        from proxy.expressions.bind_creation import default_of

        return default_of(kind)
    if value is None or (type(value) is str and kind.name == "string") or instance_of(value, kind):
        return value if value is not None or not kind.is_value or kind.is_nullable else _null_value()
    if not STRICT_VARIABLES and default:
        return default[0]
    return invalid_cast(name_of(value), kind.full_name)


def _null_value() -> Any:
    raise DotNetError("System.NullReferenceException", "Object reference not set to an instance of an object.")


def _variable(variables: dict[str, Any], name: str | None) -> Any:
    if name is None:
        argument_null("key")
    return variables.get(name)


def _variable_or(variables: dict[str, Any], name: str | None, default: Any) -> Any:
    if name is None:
        argument_null("key")
    return variables.get(name, default)


def _try_variable(variables: dict[str, Any], name: str) -> tuple[bool, Any]:
    return name in variables, variables.get(name)


members(
    VARIABLES,
    {
        "object? this[string name]": _variable,
        "T? GetValueOrDefault<T>(string name)": with_types(typed),
        "T? GetValueOrDefault<T>(string name, T defaultValue)": with_types(typed),
        "object? GetValueOrDefault(string name)": _variable,
        "object? GetValueOrDefault(string name, object? defaultValue)": _variable_or,  # for null, which has no type
        "bool ContainsKey(string name)": lambda variables, name: name in variables,
        "bool TryGetValue(string name, out object value)": _try_variable,
        "int Count": len,
        "IEnumerable<string> Keys": lambda variables: List(STRING, variables),
        "IEnumerable<object> Values": lambda variables: List(type_of_name("object"), variables.values()),
    },
)
VALUE_OF_DICT = Native(lambda variables: variables)

"""Between tokens, JSON text and .NET values: FromObject, ToObject<T>, DeserializeObject<T>."""

from __future__ import annotations

from typing import Any, NoReturn

from proxy.expressions.dotnet.collections import Dictionary, HashSet
from proxy.expressions.dotnet.convert import CHANGES, change_type, from_base64
from proxy.expressions.dotnet.json_reader import NOT_PLAIN, plain_data, wrap, write_token
from proxy.expressions.dotnet.json_text import JsonReader, JsonTextReader, dated
from proxy.expressions.dotnet.json_tokens import JArray, JObject, JToken, JValue
from proxy.expressions.dotnet.json_writer import entries_of, leaf, rows_of
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import BOXES, Array, Char, EnumValue, List, instance_of, name_of
from proxy.expressions.runtime import DotNetError, argument, argument_null, invalid_cast, tick
from proxy.expressions.types import Type, generic, type_of_name


def from_object(value: Any) -> JToken:
    """A .NET value as a token; a token is itself."""
    if isinstance(value, JToken):
        return value
    if leaf(value) is not None:
        plain = int(value) if isinstance(value, EnumValue) else str(value) if isinstance(value, Char) else value
        return JValue(plain)
    entries = entries_of(value)
    if entries is not None:
        made = JObject()
        for name, inner in entries:
            tick()
            made.put(name, from_object(inner))
        return made
    array = JArray()
    for inner in rows_of(value):
        array.append(from_object(inner))
    return array


def _fail(reader: JsonReader, message: str) -> NoReturn:
    raise DotNetError("Newtonsoft.Json.JsonSerializationException", message)


def _place(reader: JsonReader, message: str) -> NoReturn:
    _fail(reader, reader.say(message))


_LISTS = {
    "[]", "List", "IList", "IEnumerable", "ICollection", "IReadOnlyList", "IReadOnlyCollection", "HashSet", "ISet",
}  # fmt: skip
_MAPS = {"Dictionary", "IDictionary", "IReadOnlyDictionary"}
_TOKEN = type_of_name("JToken")
_REMEDY = {
    "array": (
        "the type requires a JSON array (e.g. [1,2,3]) to deserialize correctly.\nTo fix this error "
        "either change the JSON to a JSON array (e.g. [1,2,3]) or change the deserialized type so that "
        "it is a normal .NET type (e.g. not a primitive type like integer, not a collection type like "
        "an array or List<T>) that can be deserialized from a JSON object. JsonObjectAttribute can also "
        "be added to the type to force it to deserialize from a JSON object."
    ),
    "object": (
        'the type requires a JSON object (e.g. {"name":"value"}) to deserialize correctly.\nTo fix this '
        'error either change the JSON to a JSON object (e.g. {"name":"value"}) or change the '
        "deserialized type to an array or a type that implements a collection interface (e.g. "
        "ICollection, IList) like List<T> that can be deserialized from a JSON array. "
        "JsonArrayAttribute can also be added to the type to force it to deserialize from a JSON array."
    ),
    "primitive": (
        "the type requires a JSON primitive value (e.g. string, number, boolean, null) to deserialize "
        "correctly.\nTo fix this error either change the JSON to a JSON primitive value (e.g. string, "
        "number, boolean, null) or change the deserialized type "
    ),
}
_PRIMITIVE = {
    "array": (
        "to an array or a type that implements a collection interface (e.g. ICollection, IList) like "
        "List<T> that can be deserialized from a JSON array. JsonArrayAttribute can also be added to "
        "the type to force it to deserialize from a JSON array."
    ),
    "object": (
        "so that it is a normal .NET type (e.g. not a primitive type like integer, not a collection "
        "type like an array or List<T>) that can be deserialized from a JSON object. "
        "JsonObjectAttribute can also be added to the type to force it to deserialize from a JSON "
        "object."
    ),
}


def _is_token(kind: Type) -> bool:
    return any(above is _TOKEN for above in kind.ancestry())


def _next(reader: JsonReader, kind: Type) -> bool:
    """To the next piece, read as the type wants it."""
    from proxy.expressions.dotnet.json_typed import read_type

    wanted = read_type(kind.underlying.name)
    if wanted:
        return reader.read_as(wanted)
    return reader.read() and (reader.piece != "Comment" or reader.content())


def build(reader: JsonReader, kind: Type) -> Any:
    """The value that starts at the reader's current piece."""
    if _is_token(kind):
        if reader.piece == "Null":
            return JValue(None) if kind.name in ("JToken", "JValue") else None
        return write_token(reader)
    piece = reader.piece
    if piece == "StartObject":
        return _object(reader, kind)
    if piece == "StartArray":
        return _array(reader, kind)
    if piece == "String" and not reader.value and kind.is_nullable:
        return None
    return _leaf(reader, kind)


def _wrong_shape(reader: JsonReader, kind: Type, found: str) -> NoReturn:
    example = "[1,2,3]" if found == "array" else '{"name":"value"}'
    name = kind.name
    if name in _LISTS or name in _MAPS:
        remedy = _REMEDY["array" if name in _LISTS else "object"]
    else:
        remedy = _REMEDY["primitive"] + _PRIMITIVE[found]
    head = f"Cannot deserialize the current JSON {found} (e.g. {example}) into type '{kind.full_name}' because "
    _fail(reader, f"{head}{remedy}\n{reader.where()}")


def _array(reader: JsonReader, kind: Type) -> Any:
    if kind.name == "object":
        return write_token(reader)
    if kind.name not in _LISTS:
        _wrong_shape(reader, kind, "array")
    element = kind.args[0]
    items: list[Any] = []
    while _next(reader, element):
        if reader.piece == "EndArray":
            if kind.name == "[]":
                return Array(element, items)
            return HashSet(element, items) if kind.name in ("HashSet", "ISet") else List(element, items)
        item = build(reader, element)
        if item is not None and _is_token(element) and not instance_of(item, element):
            argument(
                f'The value "{to_text(item)}" is not of type "{element.full_name}" and cannot be used in this generic '
                "collection.",
                "value",
            )
        items.append(item)
    _place(reader, "Unexpected end when deserializing array")


def _object(reader: JsonReader, kind: Type) -> Any:
    if not reader.read():
        _place(reader, "Unexpected end when reading JSON")
    if kind.name == "object":
        return _any_object(reader)
    if kind.name not in _MAPS:
        _wrong_shape(reader, kind, "object")
    made = Dictionary(generic("Dictionary", *kind.args))
    while True:
        if reader.piece == "EndObject":
            return made
        if reader.piece == "PropertyName":
            key = _key(reader, reader.value, kind.args[0])
            if not _next(reader, kind.args[1]):
                break
            made.put(key, build(reader, kind.args[1]))
        if not reader.read():
            break
    _place(reader, "Unexpected end when deserializing object")


def _any_object(reader: JsonReader) -> JObject:
    """An object where no type is asked for."""
    made = JObject()
    while True:
        if reader.piece == "PropertyName":
            name = reader.value
            if not (reader.read() and reader.content()):
                break
            made.put(name, write_token(reader))
        elif reader.piece == "EndObject":
            return made
        if not reader.read():
            break
    _place(reader, "Unexpected end when deserializing object")


def _key(reader: JsonReader, text: str, kind: Type) -> Any:
    if kind.name in ("string", "object"):
        return text
    try:
        return change_type(text, kind.name)
    except DotNetError:
        _place(
            reader,
            f"Could not convert string '{text}' to dictionary key type '{kind.full_name}'. Create a TypeConverter to "
            "convert from the string to the key type object",
        )


def _leaf(reader: JsonReader, kind: Type) -> Any:
    value = None if reader.piece in ("Null", "Undefined", "", "EndArray") else reader.value
    if kind.name == "object":
        return BOXES["long"](value) if type(value) is int else value
    target = kind.underlying
    if value is None and (kind.is_nullable or not kind.is_value):
        return None
    if kind.name == "[]" and kind.args[0].name == "byte" and isinstance(value, str):
        return from_base64(value)
    if instance_of(value, target) and type(value) is not int:
        return value
    try:
        return _converted(value, target)
    except DotNetError:
        shown = "{null}" if value is None else f'"{value}"' if type(value) is str else to_text(value)
        _place(reader, f"Error converting value {shown} to type '{kind.full_name}'")


def _converted(value: Any, target: Type) -> Any:
    if target.is_enum:
        from proxy.expressions.dotnet.enums import enum_of_name, enum_value

        found = enum_of_name(target, value, True) if isinstance(value, str) else None
        if found is not None or not isinstance(value, int):
            return found if found is not None else change_type(value, "Enum")
        return enum_value(target, value)
    if target.name == "DateTime" and isinstance(value, str):
        value = dated(value)
    if isinstance(value, str) and target.name in ("Guid", "TimeSpan", "Uri"):
        from proxy.expressions.conversions import explicit

        read = explicit(_TOKEN, target)
        assert read is not None
        assert read.native is not None
        assert read.native.function is not None
        return read.native.function(JValue(value))
    if target.name not in CHANGES:
        invalid_cast(name_of(value) if value is not None else "null", target.full_name)
    return change_type(value, target.name)


def to_object(kind: Type, token: JToken) -> Any:
    """token.ToObject<T>(): simple types as a cast does, the others piece by piece."""
    if kind.name == "object":
        found = token.value if isinstance(token, JValue) else token
        return BOXES["long"](found) if type(found) is int else found
    from proxy.expressions.conversions import explicit

    cast = None if _is_token(kind) else explicit(_TOKEN, kind)
    if cast is not None and cast.native is not None and cast.native.function is not None and _is_simple(kind):
        return cast.native.function(token)
    if instance_of(token, kind):
        return token.clone()
    from proxy.expressions.dotnet.json_typed import JsonTokenReader

    reader = JsonTokenReader(token)
    reader.read()
    return _checked(build(reader, kind), kind)


def _checked(made: Any, kind: Type) -> Any:
    """What was made where a token class was asked for."""
    if made is not None and _is_token(kind) and not instance_of(made, kind):
        invalid_cast(name_of(made), kind.full_name)
    return made


_SIMPLE = {
    "string", "bool", "char", "sbyte", "byte", "short", "ushort", "int", "uint", "long", "ulong", "float", "double",
    "decimal", "DateTime", "DateTimeOffset", "Guid", "TimeSpan", "Uri",
}  # fmt: skip


def _is_simple(kind: Type) -> bool:
    return kind.underlying.name in _SIMPLE


def _plainly(kind: Type, data: Any) -> Any:
    """The value where the data already has the shape that is asked for; NOT_PLAIN leaves it to `build`."""
    name, sort = kind.name, type(data)
    if sort is str:
        return data if name == "string" else NOT_PLAIN
    if sort is dict or sort is list:
        if name == "object" or _is_token(kind):
            token = wrap(data)
            return token if instance_of(token, kind) else NOT_PLAIN
        if sort is dict and name in _MAPS and kind.args[0].name == "string":
            values = {key: _plainly(kind.args[1], inner) for key, inner in data.items()}
            plain = all(inner is not NOT_PLAIN for inner in values.values())
            return Dictionary(generic("Dictionary", *kind.args), values) if plain else NOT_PLAIN
        if sort is list and name in ("[]", "List", "IList", "IEnumerable") and kind.args[0].name != "byte":
            items = [_plainly(kind.args[0], inner) for inner in data]
            if any(inner is NOT_PLAIN for inner in items):
                return NOT_PLAIN
            return (Array if name == "[]" else List)(kind.args[0], items)
    if (sort is bool and name == "bool") or (sort is int and name == "int" and -(1 << 31) <= data < 1 << 31):
        return data
    return NOT_PLAIN


def deserialize(kind: Type, text: str | None) -> Any:
    """JsonConvert.DeserializeObject<T>(text)."""
    if text is None:
        argument_null("value")
    data = plain_data(text)
    if data is not NOT_PLAIN:
        try:
            made = _plainly(kind, data)
        except RecursionError:
            made = NOT_PLAIN
        if made is not NOT_PLAIN:
            return made
    reader = JsonTextReader(text)
    if not _next(reader, kind):
        if kind.is_value and not kind.is_nullable:
            _place(reader, f"No JSON content found and type '{kind.full_name}' is not nullable")
        return None
    made = build(reader, kind)
    while reader.read():
        if reader.piece != "Comment":
            _place(reader, "Additional text found in JSON string after finishing deserializing object")
    return _checked(made, kind)


def deserialize_any(text: str | None) -> Any:
    """JsonConvert.DeserializeObject(text)."""
    return deserialize(type_of_name("object"), text)

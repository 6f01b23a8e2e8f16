"""JSON text to tokens: orjson where it agrees with Json.NET, its own rules for the rest."""

from __future__ import annotations

import re
from typing import Any

import orjson

from proxy.expressions.dotnet.datetime import EPOCH, UTC, DateTime, ticks_of
from proxy.expressions.dotnet.json_text import JsonReader, JsonTextReader, dated
from proxy.expressions.dotnet.json_tokens import JArray, JConstructor, JContainer, JObject, JToken, JValue
from proxy.expressions.runtime import DotNetError, allocate, argument_null, spend, stepwise, tick

_LONG_DIGITS = re.compile(r"\d{19}")
MAX_DEPTH = 128


def read_json(text: str, name: str = "JToken") -> JToken:
    """The token that the whole text is; raises JsonReaderException. `name` is the class asked for."""
    token = plain_json(text)
    if token is not None:
        return token
    reader = JsonTextReader(text)
    token = load(reader, name)
    while reader.read():
        pass
    return token


NOT_PLAIN = object()


def plain_data(text: str) -> Any:
    """Strict JSON as plain Python data; NOT_PLAIN when our own reader has to look at the text."""
    allocate(len(text))
    spend(len(text) >> 4)
    if _LONG_DIGITS.search(text):
        return NOT_PLAIN
    tick()
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError, RecursionError):
        return NOT_PLAIN


def plain_json(text: str) -> JToken | None:
    """The token of a text that is strict JSON, else None."""
    data = plain_data(text)
    try:
        return None if data is NOT_PLAIN else wrap(data)
    except RecursionError:
        return None


def parse(text: str | None, kind: type[JToken], name: str) -> Any:
    """JObject.Parse, JArray.Parse: the text has to be of that class."""
    if text is None:
        argument_null("s")
    token = read_json(text, name)
    # what orjson took is checked here; our own reader has said so with its place
    return token if isinstance(token, kind) else load(JsonTextReader(text), name)


def wrap(value: Any, depth: int = 1) -> JToken:
    """Plain Python data as tokens; raises RecursionError when it is too deep."""
    kind = type(value)
    if kind is str:
        return JValue(dated(value))
    if kind is dict:
        if depth > MAX_DEPTH:
            raise RecursionError
        tick()
        made = JObject()
        items = made.items
        for name, inner in stepwise(value.items()):
            token = wrap(inner, depth + 1)
            token.parent = made
            items[name] = token
        return made
    if kind is list:
        if depth > MAX_DEPTH:
            raise RecursionError
        tick()
        array = JArray()
        for inner in stepwise(value):
            token = wrap(inner, depth + 1)
            token.parent = array
            array.items.append(token)
        return array
    return JValue(value)


_WANTED = {"JObject": ("StartObject", "an object"), "JArray": ("StartArray", "an array"),
           "JConstructor": ("StartConstructor", "a constructor")}  # fmt: skip
_LEAVES = ("String", "Integer", "Float", "Date", "Boolean", "Bytes")


def load(reader: JsonReader, name: str = "JToken") -> JToken:
    """JToken.Load: the token that starts at the reader's next piece."""
    if not reader.piece and not reader.read():
        reader.fail(f"Error reading {name} from JsonReader")
    wanted = _WANTED.get(name)
    if wanted is not None:
        reader.content()
        if reader.piece != wanted[0]:
            message = f"Current JsonReader item is not {wanted[1]}: {reader.piece or 'None'}"
            reader.fail(f"Error reading {name} from JsonReader. {message}")
    piece = reader.piece
    if piece in _LEAVES:
        return JValue(reader.value)
    if piece in ("Comment", "Undefined"):
        return JValue(reader.value, piece)
    if piece == "Null":
        return JValue(None)
    if not piece.startswith("Start"):
        reader.fail(f"Error reading JToken from JsonReader. Unexpected token: {piece}")
    made = _container(reader)
    name = type(made).__name__
    if not reader.read():
        reader.fail(f"Error reading {name} from JsonReader")
    if not _fill(made, reader):
        reader.fail(f"Unexpected end of content while loading {name}")
    return made


def _container(reader: JsonReader) -> JContainer:
    if reader.piece == "StartObject":
        return JObject()
    return JArray() if reader.piece == "StartArray" else JConstructor(reader.value)


def _fill(root: JContainer, reader: JsonReader, *, comments: bool = False) -> bool:
    """The children of a container up to its end; False when there is no end."""
    open_ones: list[tuple[JContainer, str]] = [(root, "")]
    name = ""
    while True:
        piece = reader.piece
        parent = open_ones[-1][0]
        if piece.startswith("End"):
            open_ones.pop()
            if not open_ones:
                return True
        elif piece == "PropertyName":
            name = reader.value
        elif piece.startswith("Start"):
            made = _container(reader)
            _give(parent, name, made)
            open_ones.append((made, name))
        elif piece in _LEAVES or piece == "Null":
            _give(parent, name, JValue(reader.value))
        elif piece == "Undefined":
            _give(parent, name, JValue(None, piece))
        elif piece == "Comment" and comments and isinstance(parent, JArray):
            _give(parent, name, JValue(reader.value, piece))
        if not reader.read():
            return False


def _give(parent: JContainer, name: str, token: JToken) -> None:
    token.parent = parent
    if isinstance(parent, JObject):
        parent.items[name] = token
    else:
        assert isinstance(parent, JArray)
        parent.items.append(token)


def write_token(reader: JsonReader) -> JToken | None:
    """The token at the reader's current piece as JsonConvert makes it: text that ends early ends the token, and
    `undefined` is null."""
    if not reader.piece.startswith("Start"):
        return JValue(None) if reader.piece == "Undefined" else JValue(reader.value)
    made = _container(reader)
    if reader.read() and not _fill(made, reader, comments=True) and reader.piece:
        raise DotNetError("Newtonsoft.Json.JsonWriterException", "Unexpected end when reading token. Path ''.")
    return _as_written(made)


def _as_written(token: JToken) -> JToken:
    """Null for `undefined` and a date for new Date(...), everywhere in it."""
    if isinstance(token, JValue):
        token.label = "" if token.label == "Undefined" else token.label
    elif isinstance(token, JConstructor) and token.name == "Date":
        return JValue(_date_of([item.value for item in token.items if isinstance(item, JValue)]))
    elif isinstance(token, JObject):
        for name, inner in token.items.items():
            token.items[name] = _as_written(inner)
            token.items[name].parent = token
    elif isinstance(token, JArray):
        for index, inner in enumerate(token.items):
            token.items[index] = _as_written(inner)
            token.items[index].parent = token
    return token


def _date_of(parts: list[Any]) -> DateTime:
    """Milliseconds since 1970, or year, month from 0, day, hour ..."""
    if not parts or not all(type(part) is int for part in parts):
        raise DotNetError("Newtonsoft.Json.JsonWriterException", "Unexpected arguments of a date constructor. Path ''.")
    if len(parts) == 1:
        return DateTime(EPOCH + parts[0] * 10_000, UTC)
    year, month, *rest = parts
    day, *clock = rest or (1,)
    return DateTime(ticks_of(year, month + 1, max(day, 1), *clock[:4]))

"""JSON pieces where a type is expected: what Json.NET's ReadAsInt32 and its like take, and a reader over tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NoReturn

from proxy.expressions.dotnet.convert import change_type
from proxy.expressions.dotnet.datetext import parse_date, parse_offset
from proxy.expressions.dotnet.datetime import DateTime, DateTimeOffset
from proxy.expressions.dotnet.json_text import JsonReader, JsonTextReader, dated, read_number
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JConstructor,
    JObject,
    JProperty,
    JToken,
    JValue,
    kind_of,
    path_of,
)
from proxy.expressions.dotnet.numbers import parse_bool, parse_decimal, parse_double, parse_integer
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.runtime import DotNetError, tick

# what the reader itself converts to, and how messages call it
_WORDS = {
    "int": "integer", "double": "double", "decimal": "decimal", "bool": "boolean", "string": "string",
    "DateTime": "DateTime", "DateTimeOffset": "DateTimeOffset",
}  # fmt: skip
_UNEXPECTED = {**_WORDS, "DateTime": "date", "DateTimeOffset": "date"}
_INT32 = parse_integer("int")


def read_type(name: str) -> str:
    """What the reader reads for a type of that name; "" when it reads any piece."""
    if name in ("byte", "short"):
        return "int"
    return "double" if name == "float" else name if name in _WORDS else ""


def _date(text: str) -> DateTime:
    found = dated(text)
    return found if isinstance(found, DateTime) else parse_date(text)


_OF_TEXT: dict[str, Callable[[str], Any]] = {
    "int": _INT32, "double": parse_double, "decimal": parse_decimal, "bool": parse_bool, "DateTime": _date,
    "DateTimeOffset": parse_offset, "string": str,
}  # fmt: skip
_TOKENS = {
    "int": "Integer", "double": "Float", "decimal": "Float", "bool": "Boolean", "string": "String", "DateTime": "Date",
    "DateTimeOffset": "Date",
}  # fmt: skip


def _of_string(reader: JsonReader, kind: str, text: str) -> None:
    """A string where another type is wanted; an empty one counts as null."""
    if not text and kind != "string":
        reader.piece, reader.value = "Null", None
        return
    try:
        value = _OF_TEXT[kind](text)
    except DotNetError:
        reader.piece, reader.value = "String", text
        reader.fail(f"Could not convert string to {_WORDS[kind]}: {text}")
    reader.piece, reader.value = _TOKENS[kind], value


def read_text_as(reader: JsonTextReader, kind: str) -> bool:
    """The next piece of the text as `kind`, null, or the end of the array."""
    if reader.state == "PostValue":
        while not reader.after_value():
            if reader.state != "PostValue":
                break
        else:
            if reader.piece != "Comment":
                return True
            return read_text_as(reader, kind)
    if reader.state == "Finished":
        return reader.finished()
    while True:
        reader.space()
        if reader.ended:
            reader.piece, reader.value = "", None
            return False
        if reader.char() != "/":
            break
        reader.comment()
    char = reader.char()
    if char in "\"'":
        return _quoted(reader, kind)
    if char == "n":
        return _null(reader)
    if char == "]" and reader.state.startswith("Array"):
        return reader.close(char)
    if char == ",":
        reader.at += 1
        reader.set("Undefined")
        reader.unexpected(char)
    if kind in ("bool", "string") and char in "tf":
        _word(reader, kind)
    elif kind != "bool" and (char in "NI" or (char == "-" and reader.char(1) == "I")):
        reader.read()
        if kind == "string":
            reader.piece, reader.value = "String", to_text(reader.value)
        elif kind != "double":
            reader.fail(f"Cannot read {to_text(reader.value)} value")
    elif char == "-" or ((char == "." or char.isdigit()) and not kind.startswith("Date")):
        _number(reader, kind)
    else:
        reader.at += 1
        reader.unexpected(char)
    return True


def _quoted(reader: JsonTextReader, kind: str) -> bool:
    reader.at += 1
    text = reader.text_until(reader.text[reader.at - 1])
    reader.ends_value()
    _of_string(reader, kind, text)
    return True


def _null(reader: JsonTextReader) -> bool:
    if reader.char(1) == "u":
        return reader.read()
    if reader.at + 1 >= len(reader.text):
        reader.at = len(reader.text)
        reader.fail("Unexpected end when reading JSON")
    reader.at += 2
    return reader.unexpected(reader.char(-1))


def _word(reader: JsonTextReader, kind: str) -> None:
    truth = reader.char() == "t"
    word = "true" if truth else "false"
    if reader.at + len(word) > len(reader.text):
        reader.at = len(reader.text)
        reader.fail("Unexpected end when reading JSON")
    for expected in word:
        if reader.char() != expected:
            reader.unexpected(reader.char())
        reader.at += 1
    if not reader.ended and not reader.separator():
        reader.unexpected(reader.char())
    if kind == "bool":
        reader.set("Boolean", truth)
    else:
        reader.set("String", word)


def _number(reader: JsonTextReader, kind: str) -> None:
    if kind == "bool":
        reader.number()
        reader.piece, reader.value = "Boolean", bool(reader.value)
        return
    text = reader.number_text()
    reader.ends_value()
    if kind.startswith("Date"):
        reader.fail("Cannot read number value as type")

    def bad(message: str) -> NoReturn:
        reader.piece, reader.value = "Undefined", None
        reader.fail(message)

    if kind == "string":
        try:
            read_number(text)
        except (DotNetError, ValueError):
            bad(f"Input string '{text}' is not a valid number")
        reader.piece, reader.value = "String", text
        return
    base = 16 if text[:2].lower() == "0x" else 8 if len(text) > 1 and text[0] == "0" and text[1] not in ".eE" else 0
    try:
        if base:
            value: Any = int(text, base)
            value = value if kind == "int" else float(value) if kind == "double" else Decimal(value)
        else:
            value = _OF_TEXT[kind](text)
    except DotNetError as error:
        if kind == "int" and error.kind == "System.OverflowException":
            bad(f"JSON integer {text} is too large or small for an Int32")
        bad(f"Input string '{text}' is not a valid {_WORDS[kind]}")
    except ValueError:
        bad(f"Input string '{text}' is not a valid {_WORDS[kind]}")
    reader.piece, reader.value = _TOKENS[kind], value


class JsonTokenReader(JsonReader):
    """The pieces of a token that exists."""

    def __init__(self, token: JToken) -> None:
        self.pieces = _pieces(token)
        self.current: JToken = token

    def read(self) -> bool:
        found = next(self.pieces, None)
        if found is None:
            self.piece, self.value = "", None
            return False
        self.piece, self.value, self.current = found
        return True

    @property
    def path(self) -> str:
        return path_of(self.current)

    def read_as(self, kind: str) -> bool:
        if not self.read():
            return False
        while self.piece == "Comment":
            if not self.read():
                return False
        if self.piece in ("Null", "EndArray"):
            return True
        if self.piece == "String":
            _of_string(self, kind, self.value)
            return True
        if self.piece not in _TAKEN[kind]:
            self.fail(f"Error reading {_UNEXPECTED[kind]}. Unexpected token: {self.piece}")
        if kind == "string":
            self.value = to_text(self.value)
        elif kind == "DateTimeOffset":
            self.value = self.value if isinstance(self.value, DateTimeOffset) else DateTimeOffset(self.value.ticks)
        else:
            try:
                self.value = change_type(self.value, kind)
            except DotNetError:
                self.fail(f"Could not convert to {_WORDS[kind]}: {to_text(self.value)}")
        self.piece = _TOKENS[kind]
        return True


_NUMBERS = ("Integer", "Float")
_TAKEN = {
    "int": _NUMBERS, "double": _NUMBERS, "decimal": _NUMBERS, "bool": (*_NUMBERS, "Boolean"),
    "string": (*_NUMBERS, "Boolean", "Date", "Bytes", "Guid", "TimeSpan", "Uri"), "DateTime": ("Date",),
    "DateTimeOffset": ("Date",),
}  # fmt: skip


def _pieces(token: JToken) -> Iterator[tuple[str, Any, JToken]]:
    tick()
    if isinstance(token, JObject):
        yield "StartObject", None, token
        for name, inner in list(token.items.items()):
            yield "PropertyName", name, inner
            yield from _pieces(inner)
        yield "EndObject", None, token
    elif isinstance(token, JArray):
        kind = "Constructor" if isinstance(token, JConstructor) else "Array"
        yield f"Start{kind}", token.name if isinstance(token, JConstructor) else None, token
        for inner in list(token.items):
            yield from _pieces(inner)
        yield f"End{kind}", None, token
    elif isinstance(token, JProperty):
        yield "PropertyName", token.name, token
        yield from _pieces(token.value)
    else:
        assert isinstance(token, JValue)
        kind = kind_of(token)
        # Json.NET hands these three over as text
        if kind in ("Guid", "TimeSpan", "Uri"):
            yield "String", to_text(token.value), token
        else:
            yield kind, token.value, token

"""JSON text to tokens, as lenient as Json.NET: orjson where it agrees, our own reader for the rest.

Json.NET takes single quotes, unquoted names, comments, trailing commas, hexadecimal and octal numbers, NaN; it turns
date-like strings into dates; a repeated name keeps the last value. At most 128 levels.
"""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from proxy.expressions.dotnet.datetext import read_date
from proxy.expressions.dotnet.datetime import DateTime
from proxy.expressions.dotnet.json_tokens import JArray, JObject, JToken, JValue, json_error
from proxy.expressions.runtime import DotNetError, allocate, spend, stepwise, tick

MAX_DEPTH = 128
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_LONG_DIGITS = re.compile(r"\d{19}")


def read_json(text: str, name: str = "JToken") -> JToken:
    """The token that the whole text is; raises JsonReaderException. `name` is the class asked for."""
    allocate(len(text))
    spend(len(text) >> 4)
    if not _LONG_DIGITS.search(text):
        tick()
        try:
            return wrap(orjson.loads(text))
        except (orjson.JSONDecodeError, UnicodeEncodeError, RecursionError):
            pass
    return _Reader(text).document(name)


def wrap(value: Any, depth: int = 1) -> JToken:
    """Plain Python data as tokens; raises RecursionError when it is too deep."""
    kind = type(value)
    if kind is str:
        return JValue(dated(value))
    if kind is dict:
        if depth > MAX_DEPTH:
            raise RecursionError
        made = JObject()
        items = made.items
        tick()
        for name, inner in stepwise(value.items()):
            token = wrap(inner, depth + 1)
            token.parent = made
            items[name] = token
        return made
    if kind is list:
        if depth > MAX_DEPTH:
            raise RecursionError
        array = JArray()
        tick()
        for inner in stepwise(value):
            token = wrap(inner, depth + 1)
            token.parent = array
            array.items.append(token)
        return array
    return JValue(value)


def dated(text: str) -> Any:
    """A DateTime where the text has the shape of an ISO 8601 moment, else the text."""
    if len(text) < 19 or text[10] != "T" or text[4] != "-" or not _DATE.fullmatch(text):
        return text
    found = read_date(text)
    if found is None:
        return text
    ticks, offset = found
    if offset is None:
        return DateTime(ticks)
    return DateTime(ticks - offset, 1 if text[-1] == "Z" else 2)


_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None, "NaN": math.nan, "Infinity": math.inf, "undefined": None}
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|Infinity|[0-9.]+(?:[eE][+-]?[0-9]+)?)")
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.S)
_NAME = re.compile(r"[A-Za-z0-9_$]+")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.path: list[str] = []

    def where(self) -> str:
        before = self.text[: self.place]
        # at the very start Json.NET has not counted the first line yet
        line = before.count("\n") + 1 if before else 0
        path = "".join(self.path).removeprefix(".")
        return f"Path '{path}', line {line}, position {len(before) - before.rfind(chr(10)) - 1}."

    def fail(self, message: str) -> None:
        json_error(f"{message} {self.where()}")

    def skip(self) -> str:
        """Past white space and comments; the next character or ""."""
        match = _SPACE.match(self.text, self.place)
        if match:
            self.place = match.end()
        return self.text[self.place : self.place + 1]

    def document(self, name: str) -> JToken:
        if not self.skip():
            json_error(f"Error reading {name} from JsonReader. {self.where()}")
        token = self.value(1)
        if char := self.skip():
            json_error(f"Additional text encountered after finished reading JSON content: {char}. {self.where()}")
        return token

    def value(self, depth: int) -> JToken:
        tick()
        if depth > MAX_DEPTH:
            json_error(f"The reader's MaxDepth of {MAX_DEPTH} has been exceeded. {self.where()}")
        char = self.skip()
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        if char and char in "\"'":
            return JValue(dated(self.string(char)))
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.place):
                self.place += len(word)
                return JValue(value, undefined=word == "undefined")
        if char and (char in "-." or char.isdigit()):
            return self.number()
        if not char:
            json_error(f"Unexpected end of content while loading JToken. {self.where()}")
        json_error(f"Unexpected character encountered while parsing value: {char}. {self.where()}")
        return None

    def number(self) -> JToken:
        match = _NUMBER.match(self.text, self.place)
        text = match[0] if match else ""
        body = text.lstrip("-")
        sign = -1 if text.startswith("-") else 1
        try:
            if body == "Infinity":
                value: Any = sign * math.inf
            elif body[:2].lower() == "0x":
                value = sign * int(body, 16)
            elif len(body) > 1 and body[0] == "0" and body.isdigit():
                value = sign * int(body, 8)
            elif body.isdigit():
                value = sign * int(body) if len(body) < 4000 else int("x")
            else:
                value = float(text)
        except ValueError:
            json_error(f"Input string '{text[:40]}' is not a valid number. {self.where()}")
        self.place += len(text)
        return JValue(value)

    def string(self, quote: str) -> str:
        self.place += 1
        made: list[str] = []
        text = self.text
        while True:
            if self.place >= len(text):
                json_error(f"Unterminated string. Expected delimiter: {quote}. {self.where()}")
            char = text[self.place]
            self.place += 1
            if char == quote:
                return "".join(made).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if char != "\\":
                made.append(char)
                continue
            code = text[self.place : self.place + 1]
            self.place += 1
            if code == "u":
                digits = text[self.place : self.place + 4]
                if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                    json_error(f"Invalid Unicode escape sequence: \\u{digits}. {self.where()}")
                made.append(chr(int(digits, 16)))
                self.place += 4
            elif code in _ESCAPES:
                made.append(_ESCAPES[code])
            elif code and code in "\"'\\/":
                made.append(code)
            else:
                json_error(f"Bad JSON escape sequence: \\{code}. {self.where()}")

    def name(self) -> str:
        char = self.skip()
        if char and char in "\"'":
            return self.string(char)
        match = _NAME.match(self.text, self.place)
        if match is None:
            if not char:
                json_error(f"Unexpected end of content while loading JObject. {self.where()}")
            json_error(f"Invalid property identifier character: {char}. {self.where()}")
        self.place = match.end()
        return match[0]

    def object(self, depth: int) -> JObject:
        self.place += 1
        made = JObject()
        while True:
            if self.skip() == "}":
                self.place += 1
                return made
            name = self.name()
            if self.skip() != ":":
                char = self.text[self.place : self.place + 1]
                json_error(
                    f"Invalid character after parsing property name. Expected ':' but got: {char}. {self.where()}"
                )
            self.place += 1
            self.path.append(f".{name}")
            token = self.value(depth + 1)
            token.parent = made
            made.items.pop(name, None)
            made.items[name] = token
            self.after("}", "JObject")
            self.path.pop()

    def array(self, depth: int) -> JArray:
        self.place += 1
        made = JArray()
        while True:
            if self.skip() == "]":
                self.place += 1
                return made
            self.path.append(f"[{len(made.items)}]")
            token = self.value(depth + 1)
            token.parent = made
            made.items.append(token)
            self.after("]", "JArray")
            self.path.pop()

    def after(self, closing: str, kind: str) -> None:
        """A comma, or the closing bracket next."""
        char = self.skip()
        if char == ",":
            self.place += 1
        elif char == "":
            json_error(f"Unexpected end of content while loading {kind}. {self.where()}")
        elif char != closing:
            json_error(f"After parsing a value an unexpected character was encountered: {char}. {self.where()}")


def expect(token: JToken, kind: type, name: str) -> JToken:
    """The token, which must be of that class: JObject.Parse("[]") fails so."""
    if isinstance(token, kind):
        return token
    found = "StartObject" if isinstance(token, JObject) else "StartArray" if isinstance(token, JArray) else "Value"
    if found == "Value":
        value = getattr(token, "value", None)
        found = {str: "String", bool: "Boolean", int: "Integer", float: "Float", type(None): "Null"}.get(
            type(value), "Date"
        )
    raise DotNetError(
        "Newtonsoft.Json.JsonReaderException",
        f"Error reading {name} from JsonReader. "
        f"Current JsonReader item is not an {'object' if name == 'JObject' else 'array'}: {found}. "
        "Path '', line 1, position 1.",
    )

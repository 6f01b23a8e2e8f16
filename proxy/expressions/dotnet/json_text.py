"""JSON text piece by piece, exactly as lenient as Json.NET's reader and with its messages and positions.

It takes single quotes, unquoted names, comments, trailing commas, hexadecimal and octal numbers, NaN, `undefined` and
`new Name(...)`. `JsonReader` is what any source of such pieces has: `piece` is the kind of the current piece, `value`
its value, and `path` where it is. At most 128 levels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from proxy.expressions.dotnet.datetext import read_date
from proxy.expressions.dotnet.datetime import DAY, EPOCH, LOCAL, MAX_TICKS, UTC, DateTime
from proxy.expressions.dotnet.json_tokens import json_error, path_step
from proxy.expressions.dotnet.numbers import parse_double
from proxy.expressions.runtime import DotNetError, allocate, tick

MAX_DEPTH = 128
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
_OLD_DATE = re.compile(r"/Date\((-?\d{1,19})([+-]\d\d:?\d\d)?\)/", re.ASCII)


def dated(text: str) -> Any:
    """A DateTime where the text has the shape of an ISO 8601 moment or of /Date(1)/, else the text."""
    if len(text) < 9:
        return text
    if text[0] == "/":
        return _old_date(text)
    if len(text) < 19 or text[10] != "T" or text[4] != "-" or not _DATE.fullmatch(text):
        return text
    midnight = text[11:19] == "24:00:00"
    found = read_date(f"{text[:11]}00{text[13:]}" if midnight else text)
    if found is None:
        return text
    ticks, offset = found
    if midnight:
        ticks += DAY
        if ticks % DAY or ticks > MAX_TICKS:
            return text
    if offset is None:
        return DateTime(ticks)
    return DateTime(ticks - offset, UTC if text[-1] in "Zz" else LOCAL)


def _old_date(text: str) -> Any:
    """/Date(milliseconds since 1970)/, local when a zone follows."""
    match = _OLD_DATE.fullmatch(text)
    if match is None:
        return text
    ticks = EPOCH + int(match[1]) * 10_000
    return DateTime(ticks, LOCAL if match[2] else UTC) if 0 <= ticks <= MAX_TICKS else text


class JsonReader:
    """A source of JSON pieces. `token` is "" before the first and after the last."""

    piece = ""
    value: Any = None

    def read(self) -> bool:
        """The next piece; False at the end."""
        raise NotImplementedError

    def read_as(self, kind: str) -> bool:
        """The next piece, which has to be an int, bool, string ... or null."""
        raise NotImplementedError

    @property
    def path(self) -> str:
        raise NotImplementedError

    def where(self) -> str:
        return f"Path '{self.path}'."

    def say(self, message: str) -> str:
        """The message with the place behind it."""
        return f"{message}. {self.where()}"

    def fail(self, message: str) -> NoReturn:
        json_error(self.say(message))

    def content(self) -> bool:
        """Past comments; False at the end."""
        while self.piece in ("", "Comment"):
            if not self.read():
                return False
        return True


_CLOSES = {"EndObject": "Object", "EndArray": "Array", "EndConstructor": "Constructor"}
_DIGITS = re.compile(r"[-+.xX0-9a-fA-F]+")
# what needs no look: inside a string, between pieces, inside a comment of either kind
_PLAIN = re.compile(r"[^\"'\\\r\n]+")
_BLANK = re.compile(r"[^\S\r\n]+")
_REMARK = re.compile(r"[^*\r\n]+")


class JsonTextReader(JsonReader):
    """`state` is what may come next: Start, Object, Array, Constructor (each also with Start), Property, PostValue or
    Finished."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.line_start = 0
        self.state = "Start"
        # containers that are open: [kind, index of the element or name of the property]
        self.open: list[list[Any]] = []

    # where we are

    @property
    def path(self) -> str:
        levels = self.open[:-1] if self.state.endswith("Start") else self.open
        steps = [path_step(at) if kind == "Object" else f"[{at}]" for kind, at in levels if at is not None]
        return "".join(steps).removeprefix(".")

    def where(self) -> str:
        line = 0 if self.state == "Start" and self.at == self.line_start and self.piece != "Comment" else self.line
        return f"Path '{self.path}', line {line}, position {self.at - self.line_start}."

    @property
    def depth(self) -> int:
        return len(self.open)

    # what follows

    def char(self, ahead: int = 0) -> str:
        """The character here; NUL at the end, as Json.NET's buffer has it."""
        at = self.at + ahead
        return self.text[at] if at < len(self.text) else "\0"

    @property
    def ended(self) -> bool:
        return self.at >= len(self.text)

    def new_line(self) -> bool:
        """Past one line end, if there is one here."""
        char = self.char()
        if char not in "\r\n" or self.ended:
            return False
        self.at += 1
        if char == "\r" and self.char() == "\n":
            self.at += 1
        self.line += 1
        self.line_start = self.at
        return True

    def space(self) -> None:
        while not self.ended:
            run = _BLANK.match(self.text, self.at)
            if run is not None:
                self.at = run.end()
            elif not self.new_line():
                return
            tick()

    def read(self) -> bool:
        tick()
        while True:
            if self.state in ("Object", "ObjectStart"):
                return self.object()
            if self.state == "PostValue":
                if self.after_value():
                    return True
                continue
            if self.state == "Finished":
                return self.finished()
            return self.next_value()

    def finished(self) -> bool:
        self.space()
        if self.ended:
            self.piece = ""
            return False
        if self.char() == "/":
            return self.comment()
        return self.fail(f"Additional text encountered after finished reading JSON content: {self.char()}")

    def after_value(self) -> bool:
        """To the comma, or over what closes the container."""
        while True:
            self.space()
            if self.ended:
                self.state = "Finished"
                return False
            char = self.char()
            if char in "}])":
                return self.close(char)
            if char == "/":
                return self.comment()
            if char == ",":
                self.at += 1
                self.state = self.open[-1][0] if self.open else "Finished"
                return False
            if char == "\0":
                tick()
                self.at += 1
                continue
            self.fail(f"After parsing a value an unexpected character was encountered: {char}")

    def close(self, char: str) -> bool:
        self.at += 1
        self.set({"}": "EndObject", "]": "EndArray", ")": "EndConstructor"}[char])
        return True

    def object(self) -> bool:
        while True:
            self.space()
            if self.ended:
                return False
            char = self.char()
            if char == "\0":
                tick()
                self.at += 1
            elif char == "}":
                return self.close(char)
            elif char == "/":
                return self.comment()
            else:
                return self.name(char)

    def name(self, char: str) -> bool:
        if char in "\"'":
            self.at += 1
            name = self.text_until(char)
        elif char.isalnum() or char in "_$":
            name = self.bare_name()
        else:
            self.fail(f"Invalid property identifier character: {char}")
        self.space()
        if self.char() != ":":
            self.fail(f"Invalid character after parsing property name. Expected ':' but got: {self.char()}")
        self.at += 1
        self.set("PropertyName", name)
        return True

    def bare_name(self) -> str:
        start = self.at
        while True:
            char = self.char()
            if self.ended:
                self.fail("Unexpected end while parsing unquoted property name")
            if not (char.isalnum() or char in "_$"):
                if char.isspace() or char in ":\0":
                    return self.text[start : self.at]
                self.fail(f"Invalid JavaScript property identifier character: {char}")
            self.at += 1

    # values

    def next_value(self) -> bool:
        while True:
            self.space()
            if self.ended:
                return False
            char = self.char()
            simple = _SIMPLE.get(char)
            if simple is not None:
                self.at += 1
                self.set(simple)
                return True
            found = _VALUES.get(char)
            if found is not None:
                found(self)
                return True
            if char == "\0":
                tick()
                self.at += 1
                continue
            if char.isnumeric() or char in "-.":
                self.number()
                return True
            self.unexpected(char)

    def unexpected(self, char: str) -> NoReturn:
        self.fail(f"Unexpected character encountered while parsing value: {char}")

    def word(self, word: str, message: str) -> None:
        """Past a word with a separator behind it."""
        if self.at + len(word) > len(self.text):
            self.at = len(self.text)
            self.fail("Unexpected end when reading JSON")
        for expected in word:
            if self.char() != expected:
                self.fail(message)
            self.at += 1
        if not self.ended and not self.separator():
            self.fail(message)

    def separator(self) -> bool:
        char = self.char()
        if char == "/":
            return self.char(1) in "*/"
        return char in "}],\0" or char.isspace() or (char == ")" and self.state.startswith("Constructor"))

    def named(self, word: str, message: str, piece: str, value: Any) -> None:
        self.word(word, message)
        self.set(piece, value)

    def null_or_constructor(self) -> None:
        if self.at + 1 >= len(self.text):
            self.at += 1
            self.fail("Unexpected end when reading JSON")
        following = self.char(1)
        if following == "u":
            self.named("null", "Error parsing null value", "Null", None)
        elif following == "e":
            self.constructor()
        else:
            self.unexpected(self.char())

    def constructor(self) -> None:
        self.word("new", "Unexpected content while parsing JSON")
        self.space()
        start = self.at
        while self.char().isalnum():
            self.at += 1
        if self.ended:
            self.fail("Unexpected end while parsing constructor")
        name = self.text[start : self.at]
        if not (self.char().isspace() or self.char() in "(\0"):
            self.fail(f"Unexpected character while parsing constructor: {self.char()}")
        self.space()
        if self.char() != "(":
            self.fail(f"Unexpected character while parsing constructor: {self.char()}")
        self.at += 1
        self.set("StartConstructor", name)

    def minus(self) -> None:
        if self.char(1) == "I":
            self.named("-Infinity", "Error parsing -Infinity value", "Float", -math.inf)
        else:
            self.number()

    def number_text(self) -> str:
        start = self.at
        run = _DIGITS.match(self.text, start)
        self.at = run.end() if run else start
        char = self.char()
        if not (self.ended or char.isspace() or char in ",}])/\0"):
            self.fail(f"Unexpected character encountered while parsing number: {char}")
        return self.text[start : self.at]

    def number(self) -> None:
        text = self.number_text()
        self.ends_value()
        try:
            value = read_number(text)
        except (ValueError, DotNetError):
            self.piece, self.value = "Undefined", None
            if len(text) > 380 and text.lstrip("-").isdigit():
                self.fail(f"JSON integer {text} is too large to parse")
            self.fail(f"Input string '{text}' is not a valid number")
        self.piece, self.value = "Float" if isinstance(value, float) else "Integer", value

    def string(self) -> None:
        self.at += 1
        text = self.text_until(self.text[self.at - 1])
        found = dated(text)
        self.ends_value()
        self.piece, self.value = "String" if found is text else "Date", found

    def text_until(self, quote: str) -> str:
        """What stands up to the quote, which is passed too."""
        made: list[str] = []
        while True:
            if self.ended:
                self.fail(f"Unterminated string. Expected delimiter: {quote}")
            if self.char() in "\r\n":
                start = self.at
                self.new_line()
                made.append(self.text[start : self.at])
                continue
            run = _PLAIN.match(self.text, self.at)
            if run is not None:
                allocate(len(run[0]))
                made.append(run[0])
                self.at = run.end()
                continue
            tick()
            char = self.char()
            self.at += 1
            if char == quote:
                return "".join(made)
            made.append(self.escape(quote) if char == "\\" else char)

    def escape(self, quote: str) -> str:
        if self.ended:
            self.fail(f"Unterminated string. Expected delimiter: {quote}")
        code = self.char()
        self.at += 1
        if code == "u":
            return self.surrogates(self.unit())
        if code in _ESCAPES:
            return _ESCAPES[code]
        return self.fail(f"Bad JSON escape sequence: \\{code}")

    def unit(self) -> int:
        digits = self.text[self.at : self.at + 4]
        if len(digits) < 4:
            self.fail("Unexpected end while parsing Unicode escape sequence")
        if not re.fullmatch("[0-9a-fA-F]{4}", digits):
            self.fail(f"Invalid Unicode escape sequence: \\u{digits}")
        self.at += 4
        return int(digits, 16)

    def surrogates(self, unit: int) -> str:
        """The character of a UTF-16 unit and, where it is the first of a pair, of the escape that follows."""
        made = ""
        while 0xD800 <= unit < 0xDC00:
            if self.text[self.at : self.at + 2] != "\\u":
                return made + "\ufffd"
            self.at += 2
            second = self.unit()
            if 0xDC00 <= second < 0xE000:
                return made + chr(0x10000 + ((unit - 0xD800) << 10) + second - 0xDC00)
            made += "\ufffd"
            unit = second
        return made + ("\ufffd" if 0xDC00 <= unit < 0xE000 else chr(unit))

    def comment(self) -> bool:
        self.at += 1
        if self.at + 1 >= len(self.text):
            self.fail("Unexpected end while parsing comment")
        kind = self.char()
        if kind not in "*/":
            self.fail(f"Error parsing comment. Expected: *, got {kind}")
        self.at += 1
        start = self.at
        while True:
            char = self.char()
            if self.ended:
                if kind == "*":
                    self.fail("Unexpected end while parsing comment")
                break
            if kind == "/" and char in "\r\n":
                break
            if kind == "*" and char == "*" and self.char(1) == "/":
                break
            if not self.new_line():
                run = _REMARK.match(self.text, self.at)
                self.at = run.end() if run else self.at + 1
            tick()
        self.piece, self.value = "Comment", self.text[start : self.at]
        self.at += 2 if kind == "*" else 0
        return True

    # states

    def set(self, piece: str, value: Any = None) -> None:
        self.piece, self.value = piece, value
        if piece.startswith("Start"):
            self.push(piece[5:])
        elif piece in _CLOSES:
            self.pop(piece)
        elif piece == "PropertyName":
            self.state = "Property"
            self.open[-1][1] = value
        else:
            self.ends_value()

    def ends_value(self) -> None:
        self.state = "PostValue" if self.open else "Finished"
        self.counted()

    def counted(self) -> None:
        if self.open and self.open[-1][0] != "Object":
            self.open[-1][1] += 1

    def push(self, kind: str) -> None:
        self.state = f"{kind}Start"
        self.counted()
        self.open.append([kind, None if kind == "Object" else -1])
        if len(self.open) > MAX_DEPTH:
            self.fail(f"The reader's MaxDepth of {MAX_DEPTH} has been exceeded")

    def pop(self, piece: str) -> None:
        kind = self.open.pop()[0] if self.open else "None"
        if kind != _CLOSES[piece]:
            self.fail(f"JsonToken {piece} is not valid for closing JsonType {kind}")
        self.state = "PostValue" if self.open else "Finished"

    def read_as(self, kind: str) -> bool:
        from proxy.expressions.dotnet.json_typed import read_text_as

        return read_text_as(self, kind)


def read_number(text: str) -> int | float:
    """A number as Json.NET reads it; ValueError or a FormatException when it is none."""
    if len(text) > 1 and text[0] == "0" and text[1] not in ".eE":
        body = text[2:] if text[1] in "xX" else text
        value = int(body, 16 if text[1] in "xX" else 8) if body.isalnum() else int("x")
        return value - (1 << 64) if 1 << 63 <= value < 1 << 64 else value if value < 1 << 63 else int("x")
    digits = text[1:] if text[:1] == "-" else text
    if digits.isdigit() and digits.isascii():
        return int(text) if len(text) <= 380 else int("x")
    return parse_double(text) if digits[:1] != "+" or text[:1] != "-" else float("x")


_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "\\": "\\", '"': '"', "'": "'", "/": "/"}
_SIMPLE = {"{": "StartObject", "[": "StartArray", "]": "EndArray", ")": "EndConstructor"}
_VALUES: dict[str, Callable[[JsonTextReader], Any]] = {
    '"': JsonTextReader.string,
    "'": JsonTextReader.string,
    "t": lambda r: r.named("true", "Error parsing boolean value", "Boolean", True),
    "f": lambda r: r.named("false", "Error parsing boolean value", "Boolean", False),
    "n": JsonTextReader.null_or_constructor,
    "N": lambda r: r.named("NaN", "Error parsing NaN value", "Float", math.nan),
    "I": lambda r: r.named("Infinity", "Error parsing Infinity value", "Float", math.inf),
    "u": lambda r: r.named("undefined", "Error parsing undefined value", "Undefined", None),
    "-": JsonTextReader.minus,
    "/": JsonTextReader.comment,
    ",": lambda r: r.set("Undefined"),
}

"""System.IO.StringReader and StringWriter."""

from __future__ import annotations

from typing import Any

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.builder import StringBuilder
from proxy.expressions.dotnet.encoding import UTF16
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import argument, argument_null, out_of_range
from proxy.expressions.table import attribute, define, members, setters


class StringReader:
    __slots__ = ("place", "text")

    def __init__(self, text: str | None) -> None:
        self.text = argument_null("s") if text is None else text
        self.place = 0

    def line(self) -> str | None:
        """Up to the next \\n, \\r or \\r\\n; None at the end."""
        start = self.place
        if start >= len(self.text):
            return None
        ends = [at for at in (self.text.find("\n", start), self.text.find("\r", start)) if at >= 0]
        end = min(ends, default=len(self.text))
        self.place = end + (2 if self.text[end : end + 2] == "\r\n" else 1)
        return self.text[start:end]

    def rest(self) -> str:
        start, self.place = self.place, len(self.text)
        return self.text[start:]

    def peek(self) -> int:
        return ord(self.text[self.place]) if self.place < len(self.text) else -1

    def read(self) -> int:
        code = self.peek()
        self.place += 1
        return code

    def block(self, target: list[str], index: int, count: int) -> int:
        """Up to `count` characters into an array; how many."""
        if target is None:
            argument_null("buffer")
        if index < 0 or count < 0:
            out_of_range("Non-negative number required.", "index" if index < 0 else "count")
        if index + count > len(target):
            argument("Offset and length were out of bounds for the array or count is greater than the number of "
                     "elements from index to the end of the source collection.")  # fmt: skip
        part = self.text[self.place : self.place + count]
        self.place += len(part)
        target[index : index + len(part)] = list(part)
        return len(part)


class StringWriter:
    """Writes to a StringBuilder."""

    __slots__ = ("builder", "newline")

    def __init__(self, builder: StringBuilder | None = None) -> None:
        self.builder = builder if builder is not None else StringBuilder()
        self.newline = "\n"

    def write(self, text: str) -> None:
        self.builder.append(text)

    def line(self, text: str = "") -> None:
        self.builder.append(text + self.newline)

    def text(self) -> str:
        return self.builder.text()


def _slice(chars: list[str], start: int, count: int) -> str:
    if chars is None:
        argument_null("buffer")
    if start < 0 or count < 0 or start + count > len(chars):
        argument("Offset and length were out of bounds for the array or count is greater than the number of elements "
                 "from index to the end of the source collection.")  # fmt: skip
    return "".join(chars[start : start + count])


stands_for(StringReader, "StringReader")
stands_for(StringWriter, "StringWriter")
TEXTS[StringWriter] = StringWriter.text
_READER = define("TextReader", "System.IO.TextReader", bases=("IDisposable",))
_WRITER = define("TextWriter", "System.IO.TextWriter", bases=("IDisposable",))
READER = define("StringReader", "System.IO.StringReader", bases=("TextReader",))
WRITER = define("StringWriter", "System.IO.StringWriter", bases=("TextWriter",))


members(
    READER,
    {
        "new(string s)": StringReader,
        "string? ReadLine()": StringReader.line,
        "string ReadToEnd()": StringReader.rest,
        "int Read()": StringReader.read,
        "int Peek()": StringReader.peek,
        "int Read(char[] buffer, int index, int count)": StringReader.block,
        "int ReadBlock(char[] buffer, int index, int count)": StringReader.block,
        "void Close()": lambda reader: None,
    },
)


def _formatted(pattern: str | None, arguments: list[object]) -> str:
    return composite(pattern, arguments)


_WRITES: dict[str, Any] = {}
for _name, _put in (("Write", StringWriter.write), ("WriteLine", StringWriter.line)):
    _WRITES |= {
        f"void {_name}(object value)": lambda writer, value, put=_put: put(writer, to_text(value)),
        f"void {_name}(string value)": lambda writer, value, put=_put: put(writer, value or ""),
        f"void {_name}(char value)": _put,
        f"void {_name}(char[] buffer)": lambda writer, chars, put=_put: put(writer, "".join(chars or ())),
        f"void {_name}(char[] buffer, int index, int count)": lambda writer, chars, i, n, put=_put: put(
            writer, _slice(chars, i, n)
        ),
        f"void {_name}(StringBuilder value)": lambda writer, value, put=_put: put(
            writer, value.text() if value is not None else ""
        ),
        f"void {_name}(string format, params object[] arg)": lambda writer, pattern, args, put=_put: put(
            writer, _formatted(pattern, args)
        ),
    }
members(
    WRITER,
    {
        "new()": StringWriter,
        "new(StringBuilder sb)": StringWriter,
        **_WRITES,
        "void WriteLine()": StringWriter.line,
        "void Flush()": lambda writer: None,
        "void Close()": lambda writer: None,
        "string NewLine": attribute("newline"),
        "Encoding Encoding": lambda writer: UTF16,
        "string ToString()": StringWriter.text,
        "StringBuilder GetStringBuilder()": attribute("builder"),
    },
)


def _set_newline(writer: StringWriter, text: str | None) -> None:
    writer.newline = "\n" if text is None else text


setters(WRITER, {"NewLine": _set_newline})

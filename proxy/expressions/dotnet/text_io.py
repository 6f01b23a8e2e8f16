"""System.IO.StringReader and StringWriter."""

from __future__ import annotations

from proxy.expressions.dotnet import primitives  # noqa: F401
from proxy.expressions.dotnet.builder import StringBuilder
from proxy.expressions.dotnet.format import composite
from proxy.expressions.dotnet.text import TEXTS, to_text
from proxy.expressions.dotnet.values import stands_for
from proxy.expressions.runtime import argument_null
from proxy.expressions.table import define, members


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


class StringWriter(StringBuilder):
    """A StringBuilder behind a writer's members."""

    __slots__ = ()


stands_for(StringReader, "StringReader")
stands_for(StringWriter, "StringWriter")
TEXTS[StringWriter] = StringBuilder.text
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
        "void Close()": lambda reader: None,
    },
)
members(
    WRITER,
    {
        "new()": StringWriter,
        "void Write(object value)": lambda writer, value: writer.append(to_text(value)) and None,
        "void Write(string format, params object[] args)": lambda writer, f, args: (
            writer.append(composite(f, args) if args else (f or "")) and None
        ),
        "void WriteLine()": lambda writer: writer.append("\n") and None,
        "void WriteLine(object value)": lambda writer, value: writer.append(to_text(value) + "\n") and None,
        "void WriteLine(string format, params object[] args)": lambda writer, f, args: (
            writer.append((composite(f, args) if args else (f or "")) + "\n") and None
        ),
        "void Flush()": lambda writer: None,
        "void Close()": lambda writer: None,
        "string ToString()": StringBuilder.text,
        "StringBuilder GetStringBuilder()": lambda writer: StringBuilder(writer.text()),
    },
)

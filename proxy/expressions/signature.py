"""Reads one line of the table: a C# declaration with nullable annotations.

string? GetValueOrDefault(string name, string? defaultValue)     method; `?` on a reference type: may be null
static bool TryParse(string s, out int result)
static IEnumerable<R> Select<T, R>(this IEnumerable<T> source, Func<T, R> selector)
int Length                                                       property
JToken? this[string key]                                         indexer
new(string name, params object[] content)                        constructor
implicit JToken(string value)   /   explicit string?(JToken value)     conversions
"""

from __future__ import annotations

import re
from typing import Any

from proxy.expressions.types import Definition, Member, Native, Parameter, Type, array_of, generic, nullable_of

_TOKEN = re.compile(r'"[^"]*"|-?\d+|[A-Za-z_]\w*|[<>\[\](),?=]')


class _Reader:
    def __init__(self, text: str, definition: Definition) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)
        self.place = 0
        self.definition = definition
        self.generics: tuple[str, ...] = ()

    def peek(self, offset: int = 0) -> str:
        place = self.place + offset
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if expected and token != expected:
            raise ValueError(f"{self.definition.name}: expected {expected!r} at {token!r} in {self.text!r}")
        self.place += 1
        return token

    def accept(self, token: str) -> bool:
        if self.peek() == token:
            self.place += 1
            return True
        return False

    def type(self) -> tuple[Type, bool]:
        """A type and whether its value may be null."""
        name = self.take()
        args: list[Type] = []
        if self.accept("<"):
            while True:
                args.append(self.type()[0])
                if not self.accept(","):
                    break
            self.take(">")
        result = generic(name, *args)
        nullable = False
        while True:
            if self.peek() == "[" and self.peek(1) == "]":
                self.place += 2
                result, nullable = array_of(result), False
            elif self.accept("?"):
                nullable = True
                if result.is_value:
                    result = nullable_of(result)
            else:
                return result, nullable or result.is_nullable

    def parameters(self, closing: str) -> tuple[tuple[Parameter, ...], bool]:
        found: list[Parameter] = []
        extension = self.accept("this")
        while self.peek() != closing:
            params = self.accept("params")
            out = self.accept("out")
            ref = self.accept("ref")
            kind, _ = self.type()
            name = self.take()
            parameter = Parameter(kind, name, params=params, out=out, ref=ref)
            if self.accept("="):
                parameter.optional = True
                parameter.default = _literal(self.take())
            found.append(parameter)
            if not self.accept(","):
                break
        self.take(closing)
        return tuple(found), extension


def _literal(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    return text[1:-1] if text.startswith('"') else int(text)


def parse_member(text: str, native: Native, definition: Definition) -> Member:
    """The member that `text` declares in `definition`; raises ValueError on a malformed line."""
    reader = _Reader(text, definition)
    own = generic(definition.name, *(generic(name) for name in definition.parameters))
    if reader.accept("new"):
        reader.take("(")
        parameters, _ = reader.parameters(")")
        return Member("new", "constructor", own, False, parameters, native, static=True, owner=definition)
    if reader.peek() in ("implicit", "explicit"):
        explicit = reader.take() == "explicit"
        returns, nullable = reader.type()
        reader.take("(")
        parameters, _ = reader.parameters(")")
        return Member(
            "op", "conversion", returns, nullable, parameters, native, static=True, explicit=explicit, owner=definition
        )
    static = reader.accept("static")
    returns, nullable = reader.type()
    name = reader.take()
    if name == "this":
        reader.take("[")
        parameters, _ = reader.parameters("]")
        return Member("this", "indexer", returns, nullable, parameters, native, owner=definition)
    generics: list[str] = []
    if reader.accept("<"):
        while True:
            generics.append(reader.take())
            if not reader.accept(","):
                break
        reader.take(">")
    if not reader.accept("("):
        return Member(name, "property", returns, nullable, (), native, static=static, owner=definition)
    parameters, extension = reader.parameters(")")
    return Member(
        name,
        "method",
        returns,
        nullable,
        parameters,
        native,
        static=static,
        extension=extension,
        generics=tuple(generics),
        owner=definition,
    )

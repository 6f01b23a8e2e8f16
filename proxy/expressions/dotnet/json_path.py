"""SelectToken: JSONPath as Json.NET reads it, with its messages.

Names, ['name'], [index], [start:end:step], [a,b], *, .. and filters [?(...)] with ==, !=, <, <=, >, >=, ===, !==, =~,
&& and ||.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

from proxy.expressions.dotnet.convert import change_type, to_base64
from proxy.expressions.dotnet.json_compare import compare, compare_tokens, same_value
from proxy.expressions.dotnet.json_tokens import (
    JArray,
    JConstructor,
    JContainer,
    JObject,
    JProperty,
    JToken,
    JValue,
    json_exception,
    kind_of,
)
from proxy.expressions.dotnet.json_writer import date_text
from proxy.expressions.dotnet.text import to_text
from proxy.expressions.dotnet.values import Sequence
from proxy.expressions.runtime import argument_null, index_range, tick
from proxy.expressions.types import type_of_name

Tokens = Iterator[JToken]
# (root, current tokens, whether a token that is not there is an error) -> tokens
Filter = Callable[[JToken, Tokens, bool], Tokens]
_UNQUOTED = re.compile(r"[^'\\]+")
# names, indexers and comparisons of one path
MAX_PARTS = 256
_OPEN_INDEXER, _OPEN_QUERY = "Path ended with open indexer.", "Path ended with open query."


def _class(token: JToken) -> str:
    return type(token).__name__


# filters


def _field(name: str | None) -> Filter:
    def run(_: JToken, tokens: Tokens, strict: bool) -> Tokens:
        for token in tokens:
            tick()
            if not isinstance(token, JObject):
                if strict:
                    json_exception(f"Property '{'*' if name is None else name}' not valid on {_class(token)}.")
            elif name is None:
                yield from list(token.items.values())
            elif name in token.items:
                yield token.items[name]
            elif strict:
                json_exception(f"Property '{name}' does not exist on JObject.")

    return run


def _fields(names: list[str]) -> Filter:
    def run(_: JToken, tokens: Tokens, strict: bool) -> Tokens:
        for token in tokens:
            if not isinstance(token, JObject):
                if strict:
                    listed = ", ".join(f"'{name}'" for name in names)
                    json_exception(f"Properties {listed} not valid on {_class(token)}.")
                continue
            for name in names:
                tick()
                if name in token.items:
                    yield token.items[name]
                # Json.NET says so even of one that is there
                if strict:
                    json_exception(f"Property '{name}' does not exist on JObject.")

    return run


def _below(token: JToken) -> Tokens:
    """Every token below, properties too, in order."""
    for child in token.children():
        tick()
        yield child
        yield from _below(child)


def _scan(names: list[str] | None) -> Filter:
    def run(_: JToken, tokens: Tokens, strict: bool) -> Tokens:
        for token in tokens:
            if names is None:
                yield token
            for found in _below(token):
                if isinstance(found, JProperty):
                    if names is not None and found.name in names:
                        yield found.value
                elif names is None:
                    yield found

    return run


def _indexes(indexes: list[int] | None) -> Filter:
    def run(_: JToken, tokens: Tokens, strict: bool) -> Tokens:
        for token in tokens:
            tick()
            if not isinstance(token, JArray):
                if strict:
                    json_exception(f"Index {'*' if indexes is None else indexes[0]} not valid on {_class(token)}.")
            elif indexes is None:
                yield from list(token.items)
            else:
                for index in indexes:
                    if index < 0:
                        index_range()
                    if index < len(token.items):
                        yield token.items[index]
                    elif strict:
                        json_exception(f"Index {index} outside the bounds of {_class(token)}.")

    return run


def _slice(start: int | None, end: int | None, step: int | None) -> Filter:
    def run(_: JToken, tokens: Tokens, strict: bool) -> Tokens:
        if step == 0:
            json_exception("Step cannot be zero.")
        for token in tokens:
            if isinstance(token, JArray) and not isinstance(token, JConstructor):
                found = token.items[start:end:step]
                tick()
                if not found and strict:
                    shown = ["*" if bound is None else bound for bound in (start, end)]
                    json_exception(f"Array slice of {shown[0]} to {shown[1]} returned no results.")
                yield from found
            elif strict:
                json_exception(f"Array slice is not valid on {_class(token)}.")

    return run


Test = Callable[[JToken, JToken], bool]


def _query(test: Test, deep: bool) -> Filter:
    def run(root: JToken, tokens: Tokens, strict: bool) -> Tokens:
        for token in tokens:
            candidates = token.children()
            if deep:
                candidates = _with_self(token) if isinstance(token, JContainer) else iter((token,))
            for candidate in candidates:
                tick()
                if test(root, candidate):
                    yield candidate

    return run


def _with_self(token: JToken) -> Tokens:
    yield token
    yield from _below(token)


def _root(root: JToken, tokens: Tokens, strict: bool) -> Tokens:
    yield root


# comparisons in filters


def _equal(value: JValue, wanted: JValue) -> bool:
    if same_value(value, wanted):
        return True
    kind, other = kind_of(value), kind_of(wanted)
    if {kind, other} == {"Integer", "Float"}:
        return compare(kind, value.value, wanted.value) == 0
    if other != "String":
        return False
    if kind == "Date":
        return bool(date_text(value.value)[1:-1] == wanted.value)
    if kind == "Bytes":
        return bool(to_base64(value.value) == wanted.value)
    return kind in ("Guid", "TimeSpan", "Uri") and to_text(value.value) == wanted.value


def _strictly_equal(value: JValue, wanted: JValue) -> bool:
    kind = kind_of(value)
    if {kind, kind_of(wanted)} == {"Integer", "Float"}:
        return compare(kind, value.value, wanted.value) == 0
    return same_value(value, wanted)


def _matches(value: JValue, wanted: JValue) -> bool:
    """=~ /pattern/options"""
    if kind_of(value) != "String" or kind_of(wanted) != "String":
        return False
    from proxy.expressions.dotnet.regex import _is_match, pattern_of

    pattern, _, letters = str(wanted.value)[1:].rpartition("/")
    options = sum({"i": 1, "m": 2, "s": 16, "x": 4}.get(letter, 0) for letter in letters)
    return bool(_is_match(pattern_of(pattern, options), value.value))


_OPERATORS: dict[str, Callable[[JValue, JValue], bool]] = {
    "===": _strictly_equal, "==": _equal, "=~": _matches, "!==": lambda a, b: not _strictly_equal(a, b),
    "!=": lambda a, b: not _equal(a, b), "<>": lambda a, b: not _equal(a, b),
    "<=": lambda a, b: compare_tokens(a, b) <= 0, "<": lambda a, b: compare_tokens(a, b) < 0,
    ">=": lambda a, b: compare_tokens(a, b) >= 0, ">": lambda a, b: compare_tokens(a, b) > 0,
}  # fmt: skip
Side = list[Filter] | JValue


def _results(side: Side, root: JToken, token: JToken) -> Tokens:
    return iter((side,)) if isinstance(side, JValue) else evaluate(side, root, token, False)


def _comparison(left: Side, operator: str, right: Side) -> Test:
    if not operator:
        return lambda root, token: next(_results(left, root, token), None) is not None
    holds = _OPERATORS[operator]

    def test(root: JToken, token: JToken) -> bool:
        others = list(_results(right, root, token))
        for one in _results(left, root, token):
            for two in others:
                if isinstance(one, JValue) and isinstance(two, JValue):
                    if holds(one, two):
                        return True
                elif operator in ("!=", "<>"):
                    return True
        return False

    return test


class _Composite:
    """Tests joined by && or by ||."""

    def __init__(self, operator: str) -> None:
        self.operator = operator
        self.tests: list[Test] = []

    def __call__(self, root: JToken, token: JToken) -> bool:
        join = all if self.operator == "&&" else any
        return join(test(root, token) for test in self.tests)


# reading


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.parts = 0

    def char(self) -> str:
        return self.text[self.at : self.at + 1]

    def need(self, message: str) -> None:
        if self.at >= len(self.text):
            json_exception(message)

    def space(self) -> None:
        while self.char() == " ":
            self.at += 1

    def accept(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def part(self) -> None:
        """One filter or comparison more."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            json_exception(f"The path has more than {MAX_PARTS} parts.")

    def main(self) -> list[Filter]:
        start = self.at
        self.space()
        filters: list[Filter] = []
        if self.at == len(self.text) or self.text == "$":
            return filters
        if self.char() == "$" and self.text[self.at + 1 : self.at + 2] in (".", "["):
            self.at += 1
            start = self.at
        if not self.path(filters, start, query=False):
            last = self.at
            self.space()
            if self.at < len(self.text):
                json_exception(f"Unexpected character while parsing path: {self.text[last]}")
        return filters

    def path(self, filters: list[Filter], start: int, *, query: bool) -> bool:
        """The filters up to the end of the path; whether that is the end of the text."""
        scan = after_indexer = after_dot = False

        def member() -> None:
            nonlocal scan
            self.part()
            name = self.text[start : self.at].rstrip() if self.at > start else ""
            if self.at > start:
                if scan:
                    filters.append(_scan(None if name == "*" else [name]))
                else:
                    filters.append(_field(None if name == "*" else name))
                scan = False

        while self.at < len(self.text):
            char = self.char()
            if char in "[(":
                member()
                filters.append(self.indexer("]" if char == "[" else ")", scan))
                scan = False
                self.at += 1
                start, after_indexer, after_dot = self.at, True, False
            elif char in "]) ":
                break
            elif char == ".":
                member()
                if self.text[self.at + 1 : self.at + 2] == ".":
                    scan = True
                    self.at += 1
                self.at += 1
                start, after_indexer, after_dot = self.at, False, True
            elif query and char in "=<!>|&":
                break
            else:
                if after_indexer:
                    json_exception(f"Unexpected character following indexer: {char}")
                tick()
                self.at += 1
        at_end = self.at == len(self.text)
        if self.at > start:
            member()
        elif after_dot and (at_end or query):
            json_exception("Unexpected end while parsing path.")
        return at_end

    def indexer(self, closing: str, scan: bool) -> Filter:
        self.at += 1
        self.need(_OPEN_INDEXER)
        self.space()
        if self.char() == "'":
            return self.quoted_fields(closing, scan)
        if self.char() == "?":
            return self.query(closing, scan)
        return self.array_indexer(closing)

    def bad_indexer(self, char: str) -> NoReturn:
        json_exception(f"Unexpected character while parsing path indexer: {char}")

    def array_indexer(self, closing: str) -> Filter:
        start, colons = self.at, 0
        end: int | None = None
        indexes: list[int] = []
        bounds: list[int | None] = [None, None, None]
        while self.at < len(self.text):
            char = self.char()
            if char == " ":
                end = self.at
                self.space()
                continue
            text = self.text[start : self.at if end is None else end]
            if char in (closing, ",", ":"):
                if text:
                    number = change_type(text, "int")
                elif not (char == ":" or (char == closing and colons and not indexes)):
                    json_exception("Array index expected.")
                if char == closing and not colons:
                    return _indexes([*indexes, number])
                if char == ",":
                    indexes.append(number)
                elif text:
                    bounds[min(colons, 2)] = number
                if char == closing:
                    return _slice(*bounds)
                colons += int(char == ":")
                self.at += 1
                self.space()
                start, end = self.at, None
            elif char == "*":
                self.at += 1
                self.need(_OPEN_INDEXER)
                self.space()
                if self.char() != closing:
                    self.bad_indexer(char)
                return _indexes(None)
            elif not (char.isdigit() or char == "-") or end is not None:
                self.bad_indexer(char)
            else:
                self.at += 1
        return json_exception(_OPEN_INDEXER)

    def quoted_fields(self, closing: str, scan: bool) -> Filter:
        names: list[str] = []
        while self.at < len(self.text):
            names.append(self.quoted())
            self.space()
            self.need(_OPEN_INDEXER)
            if self.char() == closing:
                if scan:
                    return _scan(names)
                return _field(names[0]) if len(names) == 1 else _fields(names)
            if not self.accept(","):
                self.bad_indexer(self.char())
            self.space()
        return json_exception(_OPEN_INDEXER)

    def quoted(self) -> str:
        self.at += 1
        made: list[str] = []
        while self.at < len(self.text):
            tick()
            run = _UNQUOTED.match(self.text, self.at)
            if run is not None:
                made.append(run[0])
                self.at = run.end()
                continue
            char = self.char()
            self.at += 1
            if char == "'":
                return "".join(made)
            if char == "\\" and self.at < len(self.text):
                code = self.char()
                self.at += 1
                if code not in _ESCAPES:
                    json_exception(f"Unknown escape character: \\{code}")
                char = _ESCAPES[code]
            made.append(char)
        return json_exception("Path ended with an open string.")

    def query(self, closing: str, scan: bool) -> Filter:
        self.at += 1
        self.need(_OPEN_INDEXER)
        if self.char() != "(":
            self.bad_indexer(self.char())
        self.at += 1
        test = self.expression()
        self.at += 1
        self.need(_OPEN_INDEXER)
        self.space()
        if self.char() != closing:
            self.bad_indexer(self.char())
        return _query(test, scan)

    def expression(self) -> Test:
        root: Test | None = None
        above: _Composite | None = None
        while self.at < len(self.text):
            self.part()
            left = self.side()
            operator, right = "", left
            if self.char() not in ")|&":
                operator = self.operator()
                right = self.side()
            test = _comparison(left, operator, right)
            if self.char() == ")":
                if above is None:
                    return test
                above.tests.append(test)
                assert root is not None
                return root
            for word in ("&&", "||"):
                if self.char() == word[0]:
                    if not self.accept(word):
                        self.bad_query()
                    if above is None or above.operator != word:
                        made = _Composite(word)
                        if above is not None:
                            above.tests.append(made)
                        above = made
                        root = root or made
                    above.tests.append(test)
                    break
        return json_exception(_OPEN_QUERY)

    def bad_query(self) -> NoReturn:
        json_exception(f"Unexpected character while parsing path query: {self.char()}")

    def side(self) -> Side:
        self.space()
        char = self.char()
        found: Side
        if char and char in "$@":
            self.at += 1
            found = [_root] if char == "$" else []
            if self.path(found, self.at, query=True):
                json_exception(_OPEN_QUERY)
        else:
            found = JValue(self.value())
        self.space()
        self.need(_OPEN_QUERY)
        return found

    def value(self) -> Any:
        char = self.char()
        if char == "'":
            return self.quoted()
        if char == "/":
            return self.regex()
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.accept(word):
                return value
        if not char or not (char.isdigit() or char == "-"):
            self.bad_query()
        start = self.at
        while self.at < len(self.text) and self.char() not in " )":
            self.at += 1
        text = self.text[start : self.at]
        try:
            if self.at < len(self.text):
                return float(text) if any(mark in text for mark in ".eE") else int(text)
        except ValueError:
            self.bad_query()
        return json_exception(_OPEN_QUERY)

    def regex(self) -> str:
        start = self.at
        self.at += 1
        while self.at < len(self.text):
            char = self.char()
            self.at += 2 if char == "\\" else 1
            if char == "/":
                while self.char().isalpha():
                    self.at += 1
                return self.text[start : self.at]
        return json_exception("Path ended with an open regex.")

    def operator(self) -> str:
        if self.at + 1 >= len(self.text):
            json_exception(_OPEN_QUERY)
        for word in _OPERATORS:
            if self.accept(word):
                return word
        return json_exception("Could not read query operator.")


_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "\\": "\\", '"': '"', "'": "'", "/": "/"}


@lru_cache(256)
def _remembered(path: str) -> list[Filter]:
    return _Reader(path).main()


def parse(path: str) -> list[Filter]:
    """The filters of a path; raises JsonException. Short ones are kept."""
    return _remembered(path) if len(path) < 256 else _Reader(path).main()


def evaluate(filters: list[Filter], root: JToken, token: JToken, strict: bool) -> Tokens:
    tokens: Tokens = iter((token,))
    for one in filters:
        tokens = one(root, tokens, strict)
    return tokens


def select(token: JToken, path: str | None, strict: bool = False) -> Sequence:
    if path is None:
        argument_null("expression")
    filters = parse(path)
    return Sequence(lambda: evaluate(filters, token, token, strict), type_of_name("JToken"))


def select_one(token: JToken, path: str | None, strict: bool = False) -> JToken | None:
    found = None
    for each in select(token, path, strict):
        if found is not None:
            json_exception("Path returned multiple tokens.")
        found = each
    return found

"""OData `$filter`, as far as ARM lists document it: comparisons, text functions, and/or/not, parentheses.

    contains(properties/displayName,'shop') and not (name eq 'x')
    timestamp ge datetime'2026-01-02T03:04:05Z'

Texts compare without case, as APIM's names do. A field is looked for in the document, then in its `properties`, then
in what a tagged item tells of; see `ELSEWHERE` for those that documents have under another name. Ids may be written
whole or from the service on.

A filter also knows texts without which no document fits, so that most of 75,000 stored ones are passed over unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from management.errors import ArmError, bad_request

Document = dict[str, Any]
Value = Callable[[Document], Any]

LONGEST = 2000
DEEPEST = 20
TOKEN = re.compile(
    r"\s*(?:(?:datetime(?:offset)?)?(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w-])|(?P<word>[\w./@:+-]+)|(?P<mark>[(),]))"
)
FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda whole, part: part in whole,
    "substringof": lambda part, whole: part in whole,
    "startswith": lambda whole, part: whole.startswith(part),
    "endswith": lambda whole, part: whole.endswith(part),
}
# fields of the lists' specifications that documents do not have: name -> where the same stands
ELSEWHERE = {
    "userid": ("ownerId",),
    "productid": ("scope",),
    "region": ("locationData", "name"),
    "aid": ("id",),
    "displayname": ("name",),
}
# what an item of the lists by tags tells of
TAGGED = ("api", "operation", "product")
SERVICE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.apimanagement/service/[^/]+(?:/workspaces/[^/]+)?",
    re.IGNORECASE,
)
# fields that are shown as they are stored
STORED = frozenset(
    ("name", "displayname", "path", "state", "email", "firstname", "lastname", "method", "urltemplate", "description")
)
PLAIN = re.compile(r"(?!/subscriptions/)[\w .,:;@/+-]+", re.ASCII)  # JSON writes it as it is
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}


@dataclass(slots=True, frozen=True)
class Predicate:
    """`needs` are texts in lower case; a document fits only when its id or its stored body holds each of them."""

    test: Callable[[Document], bool]
    needs: frozenset[str] = frozenset()

    def __call__(self, document: Document) -> bool:
        return self.test(document)

    def may_fit(self, id: str, body: str) -> bool:
        """Whether a resource can fit whose JSON text is `body`."""
        if not self.needs:
            return True
        text = f"{id}\0{body}".lower()
        return all(each in text for each in self.needs)


def parse(text: str) -> Predicate:
    """Raises ArmError 400 for what is not a filter."""
    if len(text) > LONGEST:
        raise bad_request("InvalidFilter", f"$filter is longer than {LONGEST} characters.")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if match is None:
                raise _wrong(f"unexpected character at position {position + 1}")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        self.at = 0
        self.depth = 0

    def whole(self) -> Predicate:
        predicate = self.any_of()
        if self.at < len(self.tokens):
            raise _wrong(f"unexpected '{self.tokens[self.at][1]}'")
        return predicate

    def any_of(self) -> Predicate:
        parts = [self.all_of()]
        while self.accept("or"):
            parts.append(self.all_of())
        if len(parts) == 1:
            return parts[0]
        return Predicate(lambda document: any(part(document) for part in parts))

    def all_of(self) -> Predicate:
        parts = [self.term()]
        while self.accept("and"):
            parts.append(self.term())
        needs = frozenset[str]().union(*(part.needs for part in parts))
        return Predicate(lambda document: all(part(document) for part in parts), needs)

    def term(self) -> Predicate:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong("nested too deeply")
        try:
            if self.accept("not"):
                inner = self.term()
                return Predicate(lambda document: not inner(document))
            if self.accept("("):
                inner = self.any_of()
                self.expect(")")
                return inner
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Predicate:
        kind, word = self.next()
        if kind == "word" and word.lower() in FUNCTIONS and self.accept("("):
            function = FUNCTIONS[word.lower()]
            operands = self.tokens[self.at : self.at + 1]
            first = self.operand()
            self.expect(",")
            operands += self.tokens[self.at : self.at + 1]
            second = self.operand()
            self.expect(")")
            wanted = True
            if self.accept("eq"):
                wanted = not self.accept("false")
                if wanted:
                    self.expect("true")
            return Predicate(
                lambda document: function(_text(first(document)), _text(second(document))) == wanted,
                _needs(operands) if wanted else frozenset(),
            )
        if kind == "word" and word.lower().endswith(("/any", "/all")) and self.accept("("):
            return self.of_items(word)
        left = _value(kind, word)
        _, name = self.next()
        compare = COMPARISONS.get(name.lower())
        if compare is None:
            raise _wrong(f"'{name}' is not a comparison")
        operands = [(kind, word), *self.tokens[self.at : self.at + 1]]
        right = self.operand()

        def evaluate(document: Document) -> bool:
            try:
                return compare(_short(left(document)), _short(right(document)))
            except TypeError:
                return False

        return Predicate(evaluate, _needs(operands) if name.lower() == "eq" else frozenset())

    def of_items(self, word: str) -> Predicate:
        """`tags/any(t: t eq 'x')`: some, or all, of a list of texts."""
        _, token = self.next()
        variable, colon, rest = token.partition(":")
        if not colon:
            raise _wrong("a variable and a colon expected, as in tags/any(t: t eq 'x')")
        if rest:  # written without a space
            self.at -= 1
            self.tokens[self.at] = ("word", rest)
        inner = self.any_of()
        self.expect(")")
        *steps, name = word.split("/")
        some = any if name.lower() == "any" else all

        def evaluate(document: Document) -> bool:
            found = field_of(document, steps)
            return isinstance(found, list) and some(inner({variable: each}) for each in found)

        return Predicate(evaluate)

    def operand(self) -> Value:
        return _value(*self.next())

    def next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise _wrong("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][0] != "text" and self.tokens[self.at][1].lower() == word:
            self.at += 1
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise _wrong(f"'{mark}' expected")


def _needs(operands: list[tuple[str, str]]) -> frozenset[str]:
    """The text that a stored field must hold, of a field and a literal."""
    fields = [token.rsplit("/", 1)[-1].lower() for kind, token in operands if kind == "word"]
    texts = [token[1:-1].lower() for kind, token in operands if kind == "text"]
    if len(fields) == len(texts) == 1 and fields[0] in STORED and PLAIN.fullmatch(texts[0]):
        return frozenset(texts)
    return frozenset()


def _value(kind: str, token: str) -> Value:
    if kind == "text":
        text = token[1:-1].replace("''", "'").lower()
        return lambda document: text
    if kind == "number":
        number = float(token)
        return lambda document: number
    if token.lower() in ("true", "false", "null"):
        constant = {"true": True, "false": False, "null": None}[token.lower()]
        return lambda document: constant
    if token[0].isdigit():  # a time without quotes
        return lambda document: token.lower()
    steps = token.split("/")
    return lambda document: field_of(document, steps)


def field_of(document: Document, steps: list[str]) -> Any:
    """The value of a field, text in lower case; None when the document has no such field."""
    places = [document, document.get("properties"), *(document.get(kind) for kind in TAGGED)]
    names = [steps] if len(steps) > 1 else [steps, list(ELSEWHERE.get(steps[0].lower(), ()))]
    for path in names:
        for value in places if path else ():
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                return value.lower() if isinstance(value, str) else value
    return None


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower()


def _short(value: Any) -> Any:
    """Ids from the service on, so that both ways to write them are equal."""
    return SERVICE.sub("", value, count=1) if isinstance(value, str) and value.startswith("/subscriptions/") else value


def _wrong(why: str) -> ArmError:
    return bad_request("InvalidFilter", f"$filter is not understood: {why}.")

"""Is a request a sound OData request? Its version, the segments of its path, and the grammar of its query options.

The first name of the path must be one that the API's metadata has, where it has metadata; other names are the backend's
business.
https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

DEEPEST = 64  # brackets within brackets
VERSIONS = ("2.0", "3.0", "4.0", "4.01")
_TOKEN = re.compile(
    r"\s*(?:(?P<string>(?:[A-Za-z_][\w.]*)?'(?:[^']|'')*')"
    r"|(?P<value>[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?"
    r"|\d\d:\d\d(?::\d\d(?:\.\d+)?)?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[mMdDfFlL]?)"
    r"|(?P<name>[$@]?[^\W\d][\w.]*)|(?P<sign>[-()/,:;=*\[\]{}\"]))"
)
_WORD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s()"]+|[()])')
_COMPARING = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "has"})
_ADDING = frozenset({"add", "sub"})
_TIMES = frozenset({"mul", "div", "divby", "mod"})
_SEGMENTS = frozenset({"$batch", "$metadata", "$count", "$ref", "$value", "$all", "$entity", "$each", "$filter",
                       "$query", "$crossjoin", "$links", "$root", "$it"})  # fmt: skip


class ODataError(ValueError):
    """What is wrong, as a sentence."""


def version_problem(given: str, default: str, lowest: str, highest: str) -> tuple[str, str]:
    """(the version that counts, what is wrong with it); `given` is the header, empty when there is none."""
    version = given.strip().partition(";")[0].strip() or default
    if version not in VERSIONS:
        return default, f"The OData version '{version[:20]}' is not one of {', '.join(VERSIONS)}."
    if given and lowest and number(version) < number(lowest):
        return version, f"The OData version {version} is below the minimum version {lowest}."
    if given and highest and number(version) > number(highest):
        return version, f"The OData version {version} is above the maximum version {highest}."
    return version, ""


def number(version: str) -> tuple[int, int]:
    """ "4.01" as something that compares."""
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def check_path(path: str, names: Collection[str] | None = None) -> None:
    """`path` is decoded; `names` are what a service has at its root, None when that is not known. Raises ODataError."""
    depth, quoted = 0, False
    for character in path:
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0 or depth > DEEPEST:
                break
    if quoted or depth != 0:
        raise ODataError("The brackets or quotes of the path do not match.")
    for segment in path.split("/"):
        if segment.startswith("$") and segment.partition("(")[0] not in _SEGMENTS:
            raise ODataError(f"The path segment '{segment[:40]}' is not known in OData.")
    first = path.strip("/").partition("/")[0].partition("(")[0]
    if names is not None and first and not first.startswith("$") and first not in names:
        raise ODataError(f"The service has no entity set, singleton, function or action '{first[:80]}'.")


def check_options(options: Sequence[tuple[str, str]], version: str) -> None:
    """The query options, decoded, in order. Raises ODataError. In 4.01 the `$` may be left out and any case used."""
    relaxed = number(version) >= (4, 1)
    seen: set[str] = set()
    for given, text in options:
        name = given.strip()
        if relaxed and name.lower().lstrip("$") in _OPTIONS:
            name = "$" + name.lower().lstrip("$")
        if not name.startswith("$"):
            continue
        check = _OPTIONS.get(name[1:])
        if check is None:
            raise ODataError(f"The query option '{given[:40]}' is not known in OData.")
        if name in seen:
            raise ODataError(f"The query option '{name}' stands more than once.")
        seen.add(name)
        try:
            check(text)
        except ODataError as problem:
            raise ODataError(f"The query option '{name}' is not valid. {problem}") from None


class _Reader:
    """Tokens of one option, read from left to right."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.depth = 0
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise ODataError(f"'{text[place : place + 20].strip()}' is not understood at position {place + 1}.")
            self.tokens.append((found.lastgroup or "", found[found.lastgroup or ""]))
            place = found.end()
        if not self.tokens:
            raise ODataError("It is empty.")

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    @property
    def word(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def ahead(self, count: int = 1) -> str:
        return self.tokens[self.at + count][1] if self.at + count < len(self.tokens) else ""

    def took(self, *words: str) -> bool:
        """Take the next token if it is one of these."""
        if self.kind in ("name", "sign") and self.word in words:
            self.at += 1
            return True
        return False

    def need(self, word: str) -> None:
        if not self.took(word):
            raise ODataError(f"'{word}' is expected{self.place()}.")

    def place(self) -> str:
        return f" before '{self.word[:20]}'" if self.at < len(self.tokens) else " at the end"

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise ODataError(f"'{self.word[:20]}' is not expected.")

    # expressions

    def expression(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ODataError(f"It is nested deeper than {DEEPEST} levels.")
        self._operation()
        while self.took("and", "or"):
            self._operation()
        self.depth -= 1

    def _operation(self) -> None:
        while self.took("not"):
            pass
        self._sum()
        if self.kind == "name" and self.word in _COMPARING:
            self.at += 1
            self._sum()
        elif self.took("in"):
            self._sum()

    def _sum(self) -> None:
        self._operand()
        while self.kind == "name" and self.word in _ADDING | _TIMES:
            self.at += 1
            self._operand()

    def _operand(self) -> None:
        self.took("-")
        if self.kind in ("string", "value"):
            self.at += 1
        elif self.took("("):
            self._arguments(")")
        elif self.took("["):
            self._arguments("]")
        elif self.kind == "name":
            self.path(calls=True)
        else:
            raise ODataError(f"A value is expected{self.place()}.")

    def _arguments(self, closing: str) -> None:
        if self.took(closing):
            return
        while True:
            if self.kind == "name" and self.ahead() in (":", "="):  # of a lambda, of a function
                self.at += 2
            self.expression()
            if not self.took(","):
                break
        self.need(closing)

    def path(self, calls: bool = False) -> None:
        while True:
            if self.kind == "name":
                self.at += 1
            elif not self.took("*"):
                raise ODataError(f"A name is expected{self.place()}.")
            if calls and self.took("("):
                self._arguments(")")
            if not self.took("/"):
                return


def _filter(text: str) -> None:
    reader = _Reader(text)
    reader.expression()
    reader.end()


def _order(text: str) -> None:
    reader = _Reader(text)
    while True:
        reader.expression()
        reader.took("asc", "desc")
        if not reader.took(","):
            break
    reader.end()


def _select(text: str) -> None:
    reader = _Reader(text)
    _items(reader)
    reader.end()


def _items(reader: _Reader) -> None:
    """What $select and $expand list: paths, each with options of its own in brackets."""
    reader.depth += 1
    if reader.depth > DEEPEST:
        raise ODataError(f"It is nested deeper than {DEEPEST} levels.")
    while True:
        reader.path()
        if reader.took("("):
            _inner_options(reader)
        if not reader.took(","):
            break
    reader.depth -= 1


def _inner_options(reader: _Reader) -> None:
    while True:
        name = reader.word.lower().lstrip("$")
        if reader.kind != "name" or name not in _OPTIONS:
            raise ODataError(f"A query option is expected{reader.place()}.")
        reader.at += 1
        reader.need("=")
        if name in ("select", "expand"):
            _items(reader)
        elif name in ("filter", "orderby"):
            while True:
                reader.expression()
                reader.took("asc", "desc")
                if not reader.took(","):
                    break
        else:
            depth = 0
            while reader.kind and (depth or reader.word not in (";", ")")):
                depth += {"(": 1, ")": -1}.get(reader.word, 0)
                reader.at += 1
        if not reader.took(";"):
            break
    reader.need(")")


def _compute(text: str) -> None:
    reader = _Reader(text)
    while True:
        reader.expression()
        reader.need("as")
        reader.path()
        if not reader.took(","):
            break
    reader.end()


def _apply(text: str) -> None:
    reader = _Reader(text)
    while True:
        reader.path()
        depth = 0
        while reader.kind and (depth or reader.word != "/"):
            depth += {"(": 1, ")": -1}.get(reader.word, 0)
            if depth < 0 or depth > DEEPEST:
                raise ODataError("The brackets do not match.")
            reader.at += 1
        if depth:
            raise ODataError("The brackets do not match.")
        if not reader.took("/"):
            break
    reader.end()


def _search(text: str) -> None:
    place = depth = 0
    text = text.strip()
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None:
            raise ODataError("The quotes do not match.")
        depth += {"(": 1, ")": -1}.get(found[1], 0)
        if depth < 0:
            break
        place = found.end()
    if not text or depth:
        raise ODataError("The brackets do not match." if text else "It is empty.")


def _count(text: str) -> None:
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
        raise ODataError("It must be a whole number that is not negative.")


def _flag(text: str) -> None:
    if text.strip() not in ("true", "false"):
        raise ODataError("It must be true or false.")


def _levels(text: str) -> None:
    if text.strip() != "max":
        _count(text)


def _index(text: str) -> None:
    _count(text.strip().removeprefix("-"))


def _some(text: str) -> None:
    if not text.strip():
        raise ODataError("It is empty.")


_OPTIONS: dict[str, Callable[[str], None]] = {
    "filter": _filter, "orderby": _order, "select": _select, "expand": _select, "top": _count, "skip": _count,
    "count": _flag, "inlinecount": _some, "search": _search, "format": _some, "compute": _compute, "apply": _apply,
    "skiptoken": _some, "deltatoken": _some, "levels": _levels, "index": _index, "id": _some, "schemaversion": _some,
}  # fmt: skip

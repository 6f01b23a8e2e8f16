"""System.Text.RegularExpressions: RE2 where it takes the pattern, else the `regex` module with a time limit."""

from __future__ import annotations

import re as syntax
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

import re2
import regex

from proxy.expressions.dotnet import enums, primitives  # noqa: F401
from proxy.expressions.dotnet.regex_syntax import RIGHT_TO_LEFT, translate
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.units import joined, units
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.runtime import (
    MAX_ALLOCATION,
    DotNetError,
    allocate,
    argument,
    argument_null,
    out_of_range,
    spend,
    stepwise,
    tick,
)
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import type_of_name

# seconds of one search: what others may have to wait
TIMEOUT = 0.04
# what a second of backtracking costs of the budget
STEPS_PER_SECOND = 4_000_000
_SPACE = "System.Text.RegularExpressions"
_BEYOND = syntax.compile("[\ud800-\udfff\U00010000-\U0010ffff]")


class Capture:
    """One place where a group, or a whole match, took text; a failed one is empty at 0."""

    __slots__ = ("found", "index", "name", "number", "success", "value")

    def __init__(self, value: str, index: int, success: bool, name: str, number: int = 0) -> None:
        self.value = value
        self.index = index
        self.success = success
        self.name = name
        self.number = number
        # the match, for its other captures
        self.found: Match | None = None

    @property
    def length(self) -> int:
        return len(units(self.value))


class Match(Capture):
    """A match and its groups by number. `source` is the text in UTF-16 units."""

    __slots__ = ("end", "groups", "pattern", "source")

    def __init__(self, groups: tuple[Capture, ...], source: str, end: int, pattern: Pattern | None) -> None:
        whole = groups[0]
        super().__init__(whole.value, whole.index, whole.success, "0")
        self.source = source
        self.end = end
        self.pattern = pattern
        self.found = self
        self.groups: tuple[Capture, ...] = (self, *groups[1:])
        for group in groups[1:]:
            group.found = self

    def position(self, name: str) -> int | None:
        """The place of the group of that name, or number."""
        names = [group.name for group in self.groups]
        if name in names:
            return names.index(name)
        numbers = [group.number for group in self.groups]
        return numbers.index(int(name)) if name.isdigit() and int(name) in numbers else None


NO_MATCH = Match((Capture("", 0, False, "0"),), "", 0, None)


class Pattern:
    """A compiled Regex."""

    __slots__ = ("classes", "dollar", "engine", "names", "numbers", "options", "slow", "text")

    def __init__(self, text: str, options: int) -> None:
        self.text = text
        self.options = options
        self.slow: Any = None
        made = translate(text, options, slow=False)
        self.names, self.numbers = made.names, made.numbers
        # `$` also matches before a final new line; RE2's does not
        self.dollar = made.dollar
        # \d, \w, \s, \b mean Unicode in .NET and ASCII in RE2: the same on ASCII text
        self.classes = made.classes
        try:
            self.engine: Any = _re2(made.text) if made.plain else self.thorough()
        except re2.error:
            self.engine = self.thorough()

    def thorough(self) -> Any:
        """The backtracking engine."""
        if self.slow is None:
            self.slow = _regex(self.text, self.options)
        return self.slow

    def matches(self, text: str, start: int | None = None) -> Iterator[Match]:
        """Every match, left to right, or the other way with that option; `start` counts UTF-16 units."""
        source = units(text)
        if start is not None or self.differs(source) or self.engine is self.slow:
            yield from self.search(source, start)
            return
        spend(len(source) >> 6)
        last = (-1, -1)
        for item in self.engine.finditer(source):
            tick()
            # an empty match may be found twice
            if item.span() != last:
                yield self.made(item, source)
            last = item.span()

    def search(self, source: str, start: int | None) -> Iterator[Match]:
        engine = self.thorough()
        if self.options & RIGHT_TO_LEFT:
            found = engine.finditer(source, endpos=len(source) if start is None else start, timeout=TIMEOUT)
            stop = -1
            while (item := _measured(lambda: next(found, None))) is not None:
                # after an empty match the next begins one further on
                if item.end() != stop:
                    yield self.made(item, source)
                    stop = item.start() if item.start() == item.end() else -1
            return
        place = start or 0
        while place <= len(source):
            item = _measured(lambda at=place: engine.search(source, at, timeout=TIMEOUT))  # type: ignore[misc]
            if item is None:
                return
            yield self.made(item, source)
            place = item.end() + (item.end() == item.start())

    def differs(self, text: str) -> bool:
        """Whether RE2 may answer otherwise than .NET on this text."""
        if self.dollar and text.endswith("\n"):
            return True
        if text.isascii():
            return self.classes and "\v" in text
        return self.classes or _BEYOND.search(text) is not None

    def made(self, item: Any, source: str) -> Match:
        known = item.re.groupindex
        groups = []
        for number, name in zip(self.numbers, self.names, strict=True):
            start, end = item.span(known[f"g{number}"] if number else 0)
            value = source[start:end] if start >= 0 else ""
            groups.append(Capture(joined(value), max(start, 0), start >= 0, name, number))
        return Match(tuple(groups), source, item.end(), self)

    def captures(self, found: Match, group: Capture) -> list[Capture]:
        """All that a group took in a match, in the order in which it took them."""
        if not group.success:
            return []
        if group is found:
            return [found]
        engine = self.thorough()
        item: Any = None
        if not self.options & RIGHT_TO_LEFT:
            item = _measured(lambda: engine.match(found.source, found.index, timeout=TIMEOUT))
        if item is None or item.end() != found.end:
            return [group]
        spans = item.spans(f"g{group.number}")
        return [Capture(joined(found.source[a:b]), a, True, group.name, group.number) for a, b in spans]


def _measured(step: Callable[[], Any]) -> Any:
    """One match of the backtracking engine, charged by the processor time it took: no count of steps bounds it."""
    start = time.thread_time()
    try:
        return step()
    except TimeoutError:
        _timed_out()
    finally:
        spend(1 + int((time.thread_time() - start) * STEPS_PER_SECOND))


def _timed_out() -> NoReturn:
    raise DotNetError(
        f"{_SPACE}.RegexMatchTimeoutException",
        "The Regex engine has timed out while trying to match a pattern to an input string.",
    )


def _re2(text: str) -> Any:
    made = re2.Options()
    made.log_errors = False
    made.max_mem = 8 << 20
    return re2.compile(text, made)


@lru_cache(1024)
def _regex(text: str, options: int) -> Any:
    flags = regex.VERSION1 | (regex.REVERSE if options & RIGHT_TO_LEFT else 0)
    # without -f, V1 folds one character to several
    return regex.compile(translate(text, options, slow=True).text, flags & ~regex.FULLCASE)


@lru_cache(1024)
def compiled(text: str, options: int) -> Pattern:
    if syntax.search(r"\{\d{4,}", text) or len(text) > 16_384:
        argument(f"Invalid pattern '{text[:60]}': a repetition or the pattern is too large.")
    try:
        return Pattern(text, options)
    except (regex.error, ValueError, RecursionError) as problem:
        return argument(f"Invalid pattern '{text[:60]}'. {problem}")


def pattern_of(text: str | None, options: Any = 0) -> Pattern:
    if text is None:
        argument_null("pattern")
    number = int(options)
    if number < 0 or number >> 10 or (number & 256 and number & ~(1 | 2 | 8 | 256 | 512)):
        out_of_range("Specified argument was out of the range of valid values.", "options")
    return compiled(text, number)


def _input(text: str | None) -> str:
    if text is None:
        argument_null("input")
    return text


def _checked_start(text: str, start: int | None) -> int | None:
    if start is not None and not 0 <= start <= len(units(text)):
        out_of_range("Start index cannot be less than 0 or greater than input length.", "startat")
    return start


def match(pattern: Pattern, text: str | None, start: int | None = None) -> Match:
    return next(pattern.matches(_input(text), _checked_start(text or "", start)), NO_MATCH)


def _match_part(pattern: Pattern, text: str | None, start: int, length: int) -> Match:
    """A match in a part that stands for the whole text."""
    source = units(_input(text))
    if start < 0 or start > len(source):
        out_of_range("Start index cannot be less than 0 or greater than input length.", "beginning")
    if length < 0 or start + length > len(source):
        out_of_range("Length cannot be less than 0 or exceed input length.", "length")
    found = match(pattern, source[start : start + length])
    for group in found.groups if found.success else ():
        group.index += start
    return found


def _next(found: Match) -> Match:
    if not found.success or found.pattern is None:
        return NO_MATCH
    if found.pattern.options & RIGHT_TO_LEFT:
        later = (item for item in found.pattern.matches(found.source) if item.index < found.index)
        return next(later, NO_MATCH)
    place = found.end + (found.end == found.index)
    return next(found.pattern.search(found.source, place), NO_MATCH) if place <= len(found.source) else NO_MATCH


_DOLLAR = syntax.compile(r"\$(?:(\d+)|\{(\w+)\}|([$&`'_+]))")


def expand(found: Match, template: str) -> str:
    """A replacement pattern: $1, ${name}, $&, $`, $', $_, $+, $$; what is undefined stays."""

    def one(item: syntax.Match[str]) -> str:
        digits, name, mark = item.groups()
        key = digits or name
        if key is not None:
            place = found.position(key)
            return item[0] if place is None else found.groups[place].value
        table = {
            "$": "$", "&": found.value, "`": found.source[: found.index], "'": found.source[found.end :],
            "_": found.source, "+": found.groups[-1].value,
        }  # fmt: skip
        return table[mark]

    return _DOLLAR.sub(one, template)


def replace(
    pattern: Pattern,
    text: str | None,
    by: str | Callable[[Match], str | None],
    count: int = -1,
    start: int | None = None,
) -> str:
    source = units(_input(text))
    if by is None:
        argument_null("replacement")
    if count < -1:
        out_of_range("Count cannot be less than -1.", "count")
    found: list[tuple[int, int, str]] = []
    size = 0
    for number, item in enumerate(pattern.matches(source, _checked_start(source, start))):
        if count >= 0 and number >= count:
            break
        new = (expand(item, by) if isinstance(by, str) else by(item)) or ""
        size += len(new)
        allocate(size if size > MAX_ALLOCATION else len(new))
        found.append((item.index, item.end, new))
    if not found:
        return str(text)
    if pattern.options & RIGHT_TO_LEFT:
        found.reverse()
    parts: list[str] = []
    place = 0
    for begin, end, new in stepwise(found):
        parts += (source[place:begin], new)
        place = end
    return joined("".join(parts) + source[place:])


def split(pattern: Pattern, text: str | None, count: int = 0, start: int | None = None) -> Array:
    """The text between matches, and what their groups took."""
    source = units(_input(text))
    if count < 0:
        out_of_range("Count cannot be less than -1.", "count")
    if count == 1:
        return Array(type_of_name("string"), [str(text)])
    back = bool(pattern.options & RIGHT_TO_LEFT)
    parts: list[str] = []
    place = len(source) if back else 0
    for number, found in enumerate(pattern.matches(source, _checked_start(source, start)), 1):
        parts.append(source[found.end : place] if back else source[place : found.index])
        parts += [group.value for group in found.groups[1:] if group.success]
        place = found.index if back else found.end
        if number == count - 1:
            break
    parts.append(source[:place] if back else source[place:])
    return Array(type_of_name("string"), [joined(part) for part in (reversed(parts) if back else parts)])


def _group(found: Match, key: Any) -> Capture:
    place = found.position(str(key))
    return Capture("", 0, False, str(key)) if place is None else found.groups[place]


def unescape(text: str) -> str:
    """Regex.Unescape."""

    def one(item: syntax.Match[str]) -> str:
        code = item[1]
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] == "c" and len(code) > 1:
            return chr(ord(code[1].upper()) - 64)
        if code[0].isdigit():
            return chr(int(code, 8) & 0xFF)
        known = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "b": "\b"}
        if code not in known and (code.isalnum() or code == "_"):
            argument(f"Invalid pattern '{text}' at offset {item.end()}. Unrecognized escape sequence \\\\{code}.")
        return known.get(code, code)

    return syntax.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|c[@-_a-z]|[0-7]{1,3}|.|$)", lambda m: m[1] and one(m), text,
                      flags=syntax.S)  # fmt: skip


def escape(text: str) -> str:
    marks = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", " ": "\\ "}
    return "".join(marks.get(char, f"\\{char}" if char in "\\*+?|{[()^$.#" else char) for char in text)


for _class, _name in ((Pattern, "Regex"), (Match, "Match"), (Capture, "Group")):
    stands_for(_class, _name)
TEXTS[Pattern] = lambda pattern: pattern.text
TEXTS[Match] = lambda found: found.value
TEXTS[Capture] = lambda group: group.value
CAPTURE = define("Capture", f"{_SPACE}.Capture")
GROUP = define("Group", f"{_SPACE}.Group", bases=("Capture",))
MATCH = define("Match", f"{_SPACE}.Match", bases=("Group",))
GROUPS = define("GroupCollection", f"{_SPACE}.GroupCollection", bases=("IEnumerable<Group>",))
MATCHES = define("MatchCollection", f"{_SPACE}.MatchCollection", bases=("IEnumerable<Match>",))
CAPTURES = define("CaptureCollection", f"{_SPACE}.CaptureCollection", bases=("IEnumerable<Capture>",))
REGEX = define("Regex", f"{_SPACE}.Regex")


def _captures(group: Capture) -> List:
    found = group.found
    if found is None or found.pattern is None:
        return List(type_of_name("Capture"))
    return List(type_of_name("Capture"), found.pattern.captures(found, group))


def _capture_at(items: list[Capture], index: int) -> Capture:
    if not 0 <= index < len(items):
        out_of_range("Specified argument was out of the range of valid values.", "i")
    return items[index]


class Groups(tuple[Capture, ...]):
    """Match.Groups: by number or name."""

    found: Match

    @classmethod
    def of(cls, found: Match) -> Groups:
        made = cls(found.groups)
        made.found = found
        return made


stands_for(Groups, "GroupCollection")
members(
    CAPTURE, {"string Value": attribute("value"), "int Index": attribute("index"), "int Length": lambda c: len(c.value)}
)
members(
    GROUP,
    {
        "bool Success": attribute("success"),
        "string Name": attribute("name"),
        "CaptureCollection Captures": _captures,
    },
)
members(CAPTURES, {"int Count": len, "Capture this[int index]": _capture_at})
members(
    MATCH,
    {
        "GroupCollection Groups": Groups.of,
        "string Result(string replacement)": expand,
        "static Match Empty": lambda: NO_MATCH,
        "Match NextMatch()": _next,
    },
)
members(
    GROUPS,
    {
        "int Count": len,
        "Group this[int index]": lambda groups, key: _group(groups.found, key),
        "Group this[string name]": lambda groups, key: _group(groups.found, key),
    },
)


def _match_at(items: list[Match], index: int) -> Match:
    if not 0 <= index < len(items):
        out_of_range("Specified argument was out of the range of valid values.", "i")
    return items[index]


members(MATCHES, {"int Count": len, "Match this[int index]": _match_at})


def _all(pattern: Pattern, text: str | None, start: int | None = None) -> List:
    return List(type_of_name("Match"), list(pattern.matches(_input(text), _checked_start(text or "", start))))


def _is_match(pattern: Pattern, text: str | None, start: int | None = None) -> bool:
    return next(pattern.matches(_input(text), _checked_start(text or "", start)), None) is not None


def _replace_with(text: str | None, pattern: str | None, by: Any, options: Any) -> str:
    return replace(pattern_of(pattern, options), text, by)


_METHODS: dict[str, tuple[str, Callable[..., Any]]] = {
    "IsMatch(string input": ("bool", _is_match),
    "Match(string input": ("Match", match),
    "Matches(string input": ("MatchCollection", _all),
    "Split(string input": ("string[]", split),
}
_table: dict[str, Any] = {
    "new(string pattern)": pattern_of,
    "new(string pattern, RegexOptions options)": pattern_of,
    "new(string pattern, RegexOptions options, TimeSpan timeout)": lambda text, options, _: pattern_of(text, options),
    "string ToString()": attribute("text"),
    "static string Escape(string str)": lambda text: escape(_input(text)),
    "static string Unescape(string str)": lambda text: unescape(_input(text)),
    "bool IsMatch(string input, int startat)": _is_match,
    "Match Match(string input, int startat)": match,
    "Match Match(string input, int beginning, int length)": _match_part,
    "MatchCollection Matches(string input, int startat)": _all,
    "string[] Split(string input, int count)": split,
    "string[] Split(string input, int count, int startat)": split,
}
for _head, (_returns, _run) in _METHODS.items():
    _table[f"{_returns} {_head})"] = _run
    _table[f"static {_returns} {_head}, string pattern)"] = lambda text, p, run=_run: run(pattern_of(p), text)
    for _more in ("", ", TimeSpan matchTimeout"):
        _table[f"static {_returns} {_head}, string pattern, RegexOptions options{_more})"] = (
            lambda text, p, o, _=None, run=_run: run(pattern_of(p, o), text)
        )
for _kind in ("string replacement", "MatchEvaluator evaluator"):
    _table[f"string Replace(string input, {_kind})"] = replace
    _table[f"string Replace(string input, {_kind}, int count)"] = replace
    _table[f"string Replace(string input, {_kind}, int count, int startat)"] = replace
    _table[f"static string Replace(string input, string pattern, {_kind})"] = lambda t, p, by: replace(
        pattern_of(p), t, by
    )
    _table[f"static string Replace(string input, string pattern, {_kind}, RegexOptions options)"] = _replace_with
members(REGEX, _table)

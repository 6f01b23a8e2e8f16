"""System.Text.RegularExpressions: RE2 where it takes the pattern, else the `regex` module with a time limit.

Both see a pattern translated from .NET's syntax: (?<name>...) to (?P<name>...), RegexOptions to flags. Unnamed groups
are numbered before named ones.
"""

from __future__ import annotations

import re as syntax
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import re2
import regex

from proxy.expressions.dotnet import enums, primitives  # noqa: F401
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.runtime import DotNetError, allocate, argument, argument_null, spend, tick
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import type_of_name

# seconds of one search: what others may have to wait
TIMEOUT = 0.04
# what a second of backtracking costs of the budget
STEPS_PER_SECOND = 4_000_000
_SPACE = "System.Text.RegularExpressions"
IGNORE_CASE, MULTILINE, EXPLICIT, SINGLELINE, IGNORE_SPACE = 1, 2, 4, 16, 32


@dataclass(frozen=True, slots=True)
class Capture:
    """One group of one match; a failed group is at 0 with the empty string."""

    value: str
    index: int
    success: bool
    name: str

    @property
    def length(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True)
class Match:
    groups: tuple[Capture, ...]
    source: str
    success: bool
    names: tuple[str, ...]

    @property
    def value(self) -> str:
        return self.groups[0].value

    @property
    def index(self) -> int:
        return self.groups[0].index


class Pattern:
    """A compiled Regex. `order` maps .NET's group numbers to the engine's."""

    __slots__ = ("classes", "dollar", "engine", "names", "options", "order", "slow", "text")

    def __init__(self, text: str, options: int) -> None:
        self.text = text
        self.options = options
        # `$` also matches before a final newline; RE2's does not
        self.dollar = "$" in text and not options & MULTILINE
        # \d, \w, \s, \b mean Unicode in .NET and ASCII in RE2: the same on ASCII text
        self.classes = syntax.search(r"\\[dwsbDWSB]", text) is not None
        self.slow: Any = None
        try:
            self.engine: Any = _re2(translate(text, options), options)
        except re2.error:
            self.engine = self.slow = _regex(text, options)
        by_number = {number: name for name, number in dict(self.engine.groupindex).items()}
        numbers = range(1, self.engine.groups + 1)
        plain = [number for number in numbers if number not in by_number]
        named = [number for number in numbers if number in by_number]
        self.order = [0, *plain, *named]
        self.names = ("0", *(str(index + 1) for index in range(len(plain))), *(by_number[number] for number in named))

    def matches(self, text: str) -> Iterator[Match]:
        """Every match, left to right."""
        slow = self.slow
        if slow is None and self.differs(text):
            slow = _regex(self.text, self.options)
        if slow is None:
            spend(len(text) >> 6)
            last = (-1, -1)
            for item in self.engine.finditer(text):
                tick()
                # an empty match at the end may be found twice
                if item.span() != last:
                    yield self.made(item, text)
                last = item.span()
            return
        found = slow.finditer(text, timeout=TIMEOUT)
        while True:
            item = _measured(lambda: next(found, None))
            if item is None:
                return
            yield self.made(item, text)

    def differs(self, text: str) -> bool:
        """Whether RE2 may answer otherwise than .NET on this text."""
        if self.dollar and text.endswith("\n"):
            return True
        return self.classes and (not text.isascii() or "\v" in text)

    def made(self, item: Any, text: str) -> Match:
        groups = []
        for number, name in zip(self.order, self.names, strict=True):
            value = item.group(number)
            groups.append(Capture(value or "", item.start(number) if value is not None else 0, value is not None, name))
        return Match(tuple(groups), text, True, self.names)


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


def translate(text: str, options: int) -> str:
    """.NET's named groups in Python's spelling."""
    return syntax.sub(r"\(\?(?:<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", lambda m: f"(?P<{m[1] or m[2]}>", text)


def _re2(text: str, options: int) -> Any:
    if options & (IGNORE_SPACE | EXPLICIT) or "(?#" in text:
        raise re2.error("RE2 has no such option")
    flags = "i" * bool(options & IGNORE_CASE) + "m" * bool(options & MULTILINE) + "s" * bool(options & SINGLELINE)
    made = re2.Options()
    made.log_errors = False
    made.max_mem = 8 << 20
    return re2.compile(f"(?{flags}){text}" if flags else text, made)


@lru_cache(1024)
def _regex(text: str, options: int) -> Any:
    flags = regex.VERSION0
    for bit, flag in ((IGNORE_CASE, regex.I), (MULTILINE, regex.M), (SINGLELINE, regex.S), (IGNORE_SPACE, regex.X)):
        flags |= flag if options & bit else 0
    named = translate(text, options)
    if options & EXPLICIT:
        named = syntax.sub(r"(?<!\\)\((?!\?)", "(?:", named)
    named = (
        syntax.sub(r"(?<!\\)((?:\\\\)*)\\Z", r"\1(?=\\n?\\z)", named).replace("\\z", "\\Z")
        if "\\Z" in named or "\\z" in named
        else named
    )
    named = syntax.sub(r"\\k<(\w+)>", r"(?P=\1)", named)
    return regex.compile(named, flags)


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
    return compiled(text, int(options))


def _input(text: str | None) -> str:
    if text is None:
        argument_null("input")
    return text


def match(pattern: Pattern, text: str | None) -> Match:
    found = next(pattern.matches(_input(text)), None)
    return found or Match((Capture("", 0, False, "0"),), text or "", False, ("0",))


def _next(found: Match, pattern: Pattern | None = None) -> Match:
    return Match((Capture("", 0, False, "0"),), "", False, ("0",)) if not found.success else found


_DOLLAR = syntax.compile(r"\$(?:(\d+)|\{(\w+)\}|([$&`'_+]))")


def expand(found: Match, template: str) -> str:
    """A replacement pattern: $1, ${name}, $&, $`, $', $_, $+, $$; what is undefined stays."""

    def one(item: syntax.Match[str]) -> str:
        digits, name, mark = item.groups()
        key = digits or name
        if key is not None:
            if key.isdigit() and int(key) < len(found.groups):
                return found.groups[int(key)].value
            return found.groups[found.names.index(key)].value if key in found.names else item[0]
        end = found.index + len(found.value)
        table = {
            "$": "$", "&": found.value, "`": found.source[: found.index], "'": found.source[end:], "_": found.source,
            "+": found.groups[-1].value,
        }  # fmt: skip
        return table[mark]

    return _DOLLAR.sub(one, template)


def replace(pattern: Pattern, text: str | None, by: str | Callable[[Match], str | None], count: int = -1) -> str:
    source = _input(text)
    if by is None:
        argument_null("replacement")
    parts: list[str] = []
    place = size = 0
    for number, found in enumerate(pattern.matches(source)):
        if count >= 0 and number >= count:
            break
        new = (expand(found, by) if isinstance(by, str) else by(found)) or ""
        size += len(new) + found.index - place
        allocate(size)
        parts += [source[place : found.index], new]
        place = found.index + len(found.value)
    return "".join(parts) + source[place:]


def split(pattern: Pattern, text: str | None) -> Array:
    source = _input(text)
    parts: list[str] = []
    place = 0
    for found in pattern.matches(source):
        parts.append(source[place : found.index])
        parts += [group.value for group in found.groups[1:] if group.success]
        place = found.index + len(found.value)
    return Array(type_of_name("string"), [*parts, source[place:]])


def _group(found: Match, key: Any) -> Capture:
    if isinstance(key, str):
        return found.groups[found.names.index(key)] if key in found.names else Capture("", 0, False, key)
    return found.groups[key] if 0 <= key < len(found.groups) else Capture("", 0, False, str(key))


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
        "string Name": lambda group: getattr(group, "name", "0"),
        "CaptureCollection Captures": lambda group: List(type_of_name("Capture"), [group] if group.success else []),
    },
)
members(CAPTURES, {"int Count": len, "Capture this[int index]": lambda items, index: items[index]})
members(
    MATCH,
    {
        "GroupCollection Groups": Groups.of,
        "string Result(string replacement)": expand,
        "static Match Empty": lambda: _next(Match((), "", False, ())),
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
        from proxy.expressions.runtime import out_of_range

        out_of_range("Specified argument was out of the range of valid values.", "i")
    return items[index]


members(MATCHES, {"int Count": len, "Match this[int index]": _match_at})


def _all(pattern: Pattern, text: str | None) -> List:
    return List(type_of_name("Match"), list(pattern.matches(_input(text))))


def _is_match(pattern: Pattern, text: str | None) -> bool:
    return next(pattern.matches(_input(text)), None) is not None


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
    "static string Unescape(string str)": lambda text: syntax.sub(
        r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), text
    ),
}
for _head, (_returns, _run) in _METHODS.items():
    _table[f"{_returns} {_head})"] = _run
    _table[f"static {_returns} {_head}, string pattern)"] = lambda text, p, run=_run: run(pattern_of(p), text)
    _table[f"static {_returns} {_head}, string pattern, RegexOptions options)"] = lambda text, p, o, run=_run: run(
        pattern_of(p, o), text
    )
for _kind in ("string replacement", "MatchEvaluator evaluator"):
    _table[f"string Replace(string input, {_kind})"] = replace
    _table[f"string Replace(string input, {_kind}, int count)"] = replace
    _table[f"static string Replace(string input, string pattern, {_kind})"] = lambda t, p, by: replace(
        pattern_of(p), t, by
    )
    _table[f"static string Replace(string input, string pattern, {_kind}, RegexOptions options)"] = _replace_with
members(REGEX, _table)

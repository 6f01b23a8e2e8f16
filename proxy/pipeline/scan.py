"""Where an expression ends: a C#-aware scanner for `@(...)` and `@{...}` spans in raw policy text.

Rules
1. Brackets count only as code: not in strings (plain, verbatim, interpolated, nested), characters or comments.
2. Policy text may be escaped, raw or both within one expression, so `&quot;` is a quote and `&apos;` an apostrophe.
3. The scanner finds the end of a span and nothing else; what is inside is the expression compiler's to judge.
"""

from __future__ import annotations

import re

QUOTE = r'(?:"|&quot;|&\#34;|&\#[xX]22;)'
APOSTROPHE = r"(?:'|&apos;|&\#39;|&\#[xX]27;)"
_ANY = r"(?>&[a-zA-Z]+;|&\#[0-9a-fA-FxX]+;|.)"

# Services that give attributes out write their line breaks as entities, and such a break ends a // comment too.
_BREAK = r"&\#(?:1[03]|[xX]0?[aAdD]);"

_EXPRESSION_START = re.compile(r"\s*@[({]")
# What the code scanner stops at; everything between is of no consequence.
_CODE = re.compile(
    rf"""(?P<line>//(?:(?!{_BREAK})[^\r\n])*)
    | (?P<block>/\*)
    | (?P<interpolated>\$@{QUOTE}|@\${QUOTE}|\${QUOTE})
    | (?P<verbatim>@{QUOTE})
    | (?P<string>{QUOTE})
    | (?P<char>{APOSTROPHE}(?:\\{_ANY}(?:[0-9a-fA-F]{{0,7}})|{_ANY}){APOSTROPHE})
    | (?P<open>[(\[{{])
    | (?P<close>[)\]}}])
    | (?P<colon>::?)""",
    re.VERBOSE,
)
# Atomic groups, so that no hostile text makes a pattern backtrack. Not possessive repeats, which say the same: the `re`
# of the first Python 3.11 releases finds no match with them.
_STRING_END = re.compile(rf"(?>(?:\\{_ANY}|(?!{QUOTE})[^\\\n])*){QUOTE}", re.DOTALL)
_VERBATIM_END = re.compile(rf"(?>(?:{QUOTE}{QUOTE}|(?!{QUOTE}).)*){QUOTE}", re.DOTALL)
_INTERPOLATED = re.compile(rf"\{{\{{|\}}\}}|\\{_ANY}|(?P<hole>\{{)|(?P<end>{QUOTE})", re.DOTALL)
_INTERPOLATED_VERBATIM = re.compile(rf"\{{\{{|\}}\}}|{QUOTE}{QUOTE}|(?P<hole>\{{)|(?P<end>{QUOTE})", re.DOTALL)
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_MAX_NESTING = 200


class UnbalancedError(ValueError):
    """The span does not end; `offset` is where the innermost thing left open begins."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def is_expression(text: str) -> bool:
    """Whether an attribute value or element text is an expression: trimmed, it starts with `@(` or `@{`."""
    return _EXPRESSION_START.match(text) is not None


def scan_expression(text: str, start: int) -> int:
    """The offset just behind the span whose `@` stands at `start`. Raises UnbalancedError."""
    return _scan_code(text, start + 2, text[start + 1], start + 1, 0)


def _scan_code(text: str, position: int, opener: str, opened_at: int, nesting: int, hole: bool = False) -> int:
    """Scan code up to the bracket that closes `opener`; returns the offset behind it."""
    if nesting > _MAX_NESTING:
        raise UnbalancedError(opened_at, "the expression is nested too deeply")
    stack = [(opener, opened_at)]
    search = _CODE.search
    while found := search(text, position):
        kind = found.lastgroup
        position = found.end()
        if kind == "open":
            stack.append((found.group(), found.start()))
        elif kind == "close":
            if _PAIRS[stack[-1][0]] != found.group():
                raise UnbalancedError(stack[-1][1], f"'{stack[-1][0]}' is closed by '{found.group()}'")
            stack.pop()
            if not stack:
                return position
        elif kind == "string":
            position = _end(_STRING_END, text, position, found.start(), "string")
        elif kind == "verbatim":
            position = _end(_VERBATIM_END, text, position, found.start(), "string")
        elif kind == "interpolated":
            verbatim = "@" in found.group()
            position = _scan_interpolated(text, position, found.start(), verbatim, nesting + 1)
        elif kind == "block":
            end = text.find("*/", position)
            if end < 0:
                raise UnbalancedError(found.start(), "the comment does not end")
            position = end + 2
        elif kind == "colon" and hole and len(stack) == 1 and found.group() == ":":
            end = text.find("}", position)  # a format clause is text, not code
            if end < 0:
                break
            return end + 1
    innermost, at = stack[-1]
    raise UnbalancedError(at, f"'{innermost}' is never closed")


def _scan_interpolated(text: str, position: int, opened_at: int, verbatim: bool, nesting: int) -> int:
    search = (_INTERPOLATED_VERBATIM if verbatim else _INTERPOLATED).search
    while found := search(text, position):
        position = found.end()
        if found.group("end"):
            return position
        if found.group("hole"):
            position = _scan_code(text, position, "{", found.start(), nesting + 1, hole=True)
    raise UnbalancedError(opened_at, "the interpolated string does not end")


def _end(pattern: re.Pattern[str], text: str, position: int, opened_at: int, what: str) -> int:
    found = pattern.match(text, position)
    if found is None:
        raise UnbalancedError(opened_at, f"the {what} does not end")
    return found.end()

"""What is wrong with the tokens of a source that does not parse: where a string, comment or bracket is left open.

Only looked at after the grammar has failed, to name the place where the mistake is and not where the parser gave up.
"""

from __future__ import annotations

import re

from proxy.expressions.errors import Finding, Place

_PAIRS = {")": "(", "]": "[", "}": "{"}
_CLOSING = {opening: closing for closing, opening in _PAIRS.items()}
_FOR = re.compile(r"\bfor\s*$")


class Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        # open brackets: character and position
        self.open: list[tuple[str, int]] = []

    def place(self, at: int, length: int = 1) -> Place:
        before = self.text[:at]
        line = before.count("\n")
        start = len(before[before.rfind("\n") + 1 :].encode())
        width = len(self.text[at : at + length].encode())
        return Place(line + 1, start, line + 1, start + width)

    def fail(self, message: str, at: int) -> Finding:
        return Finding(message, self.place(at))

    def scan(self, *, hole: bool = False) -> None:
        """Walk code to the end, or inside an interpolation hole to its end; raises Finding."""
        text = self.text
        outside = len(self.open)
        while self.at < len(text):
            two, char = text[self.at : self.at + 2], text[self.at]
            if two == "//":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif two == "/*":
                end = text.find("*/", self.at + 2)
                if end < 0:
                    raise self.fail("End-of-file found, '*/' expected", self.at)
                self.at = end + 2
            elif text[self.at : self.at + 3] in ('$@"', '@$"'):
                self.interpolated(3, verbatim=True)
            elif two == '$"':
                self.interpolated(2, verbatim=False)
            elif two == '@"':
                self.verbatim()
            elif char == '"':
                self.string()
            elif char == "'":
                self.character()
            elif char in "([{":
                self.open.append(
                    ("for" if char == "(" and _FOR.search(text[max(0, self.at - 8) : self.at]) else char, self.at)
                )
                self.at += 1
            elif char == ";" and self.open and self.open[-1][0] in "([" and not hole:
                opened, at = self.open[-1]
                raise self.expected(opened, at, ";")
            elif char in ")]}":
                if hole and char == "}" and len(self.open) == outside:
                    return
                self.close(char)
            elif hole and char == ":" and len(self.open) == outside:
                return
            elif char == "#" and not text[: self.at].rsplit("\n", 1)[-1].strip(" \t@{("):
                raise self.fail("Preprocessor directives are not supported within expressions", self.at)
            else:
                self.at += 1

    def close(self, char: str) -> None:
        if not self.open:
            raise self.fail(f"Unexpected '{char}'", self.at)
        opened, at = self.open.pop()
        opened = "(" if opened == "for" else opened
        if opened != _PAIRS[char]:
            raise self.expected(opened, at, char)
        self.at += 1

    def expected(self, opened: str, at: int, found: str) -> Finding:
        where = self.place(at)
        text = f"'{_CLOSING[opened]}' expected before '{found}', for the '{opened}' at line {where.line}"
        return self.fail(f"{text}, column {where.column + 1}", self.at)

    def string(self) -> None:
        begin = self.at
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] not in '"\n':
            self.escape()
        if self.at >= len(self.text) or self.text[self.at] == "\n":
            raise self.fail("Newline in constant: the string that starts here has no closing quote", begin)
        self.at += 1

    def escape(self) -> None:
        """One character of a string, or an escape sequence."""
        if self.text[self.at] != "\\":
            self.at += 1
            return
        if self.text[self.at + 1 : self.at + 2] not in tuple("'\"\\0abfnrtvuxU\n"):
            raise self.fail(
                'Unrecognized escape sequence; write \\\\ for a backslash or use a verbatim string: @"..."', self.at
            )
        self.at += 2

    def verbatim(self) -> None:
        begin = self.at
        self.at += 2
        while True:
            end = self.text.find('"', self.at)
            if end < 0:
                raise self.fail("Unterminated string literal", begin)
            self.at = end + 1
            if self.text[self.at : self.at + 1] != '"':
                return
            self.at += 1

    def character(self) -> None:
        begin = self.at
        end = begin + 1
        while end < len(self.text) and self.text[end] not in "'\n":
            end += 2 if self.text[end] == "\\" else 1
        content = self.text[begin + 1 : end]
        if end >= len(self.text) or self.text[end] == "\n":
            raise self.fail("Newline in constant: the character literal that starts here has no closing quote", begin)
        if not content:
            raise self.fail("Empty character literal", begin)
        if len(content) > 1 and content[0] != "\\":
            raise self.fail(
                f"Too many characters in character literal '{content}': a string stands in double quotes", begin
            )
        self.at = end + 1

    def interpolated(self, skip: int, *, verbatim: bool) -> None:
        begin = self.at
        self.at += skip
        while self.at < len(self.text):
            two, char = self.text[self.at : self.at + 2], self.text[self.at]
            if two in ("{{", "}}") or (verbatim and two == '""'):
                self.at += 2
            elif char == "\\" and not verbatim:
                self.escape()
            elif char == '"':
                self.at += 1
                return
            elif char == "\n" and not verbatim:
                break
            elif char == "{":
                self.at += 1
                self.scan(hole=True)
                if self.text[self.at : self.at + 1] == ":":
                    while self.at < len(self.text) and self.text[self.at] not in '}"\n':
                        self.at += 1
                if self.text[self.at : self.at + 1] != "}":
                    raise self.fail("Missing close delimiter '}' for interpolated expression started with '{'", begin)
                self.at += 1
            elif char == "}":
                raise self.fail("A '}' character must be escaped (by doubling) in an interpolated string", self.at)
            else:
                self.at += 1
        raise self.fail("Newline in constant: the string that starts here has no closing quote", begin)


def mistake(source: str) -> Finding | None:
    """The first mistake in the tokens of `@(...)` or `@{...}`, None when they are sound."""
    scanner = Scanner(source)
    scanner.at = 1
    try:
        scanner.scan()
    except Finding as finding:
        return finding
    if scanner.open:
        opened, at = scanner.open[-1]
        opened = "(" if opened == "for" else opened
        return scanner.fail(f"'{_CLOSING[opened]}' expected: the '{opened}' that starts here is never closed", at)
    return None

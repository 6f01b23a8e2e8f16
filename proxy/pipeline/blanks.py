"""What a text leaves open: named values that nobody gave, and the marks of tools that fill templates in.

    {{name}} {{ name }}   named values, Jinja, Mustache        ${name} %{ if ... }   Terraform
    {% if ... %} <% ... %>   Jinja, ERB                        #{name}# __NAME__ $(name) [[name]] @@name@@   deployment
    {name}   Python, and only as a whole value: elsewhere it is a parameter of a URL template

Such a text is judged when it is filled in, and its holes are never taken for values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from proxy.pipeline.source import NAMED_VALUE

_BLANK = re.compile(
    r"\{\{[^{}\n]{1,200}\}\}|\$\{[^{}\n]{1,400}\}|%\{[^{}\n]{1,400}\}|#\{[^{}\n]{1,200}\}#?|\$\([\w.-]{1,200}\)"
    r"|\{%[^%\n]{1,400}%\}|<%[^%\n]{1,400}%>|(?<!\w)__[A-Za-z][\w-]{0,200}?__(?!\w)"
    r"|\[\[[\w.-]{1,200}\]\]|@@[\w.-]{1,200}@@"
)
_WHOLE = re.compile(r"\s*\{[A-Za-z_][\w .-]{0,200}\}\s*$")
_MARKS = ("{", "__", "$(", "<%", "[[", "@@")
# What a blank inside an expression may become; the widths stay, so that places do.
_FILLINGS = ("0", '"x"', "true", "null")


def first_blank(text: str) -> str:
    """The first blank of a text, "" when it has none."""
    if not any(mark in text for mark in _MARKS):
        return ""
    found = _BLANK.search(text) or _WHOLE.match(text)
    return found.group().strip() if found else ""


def only_blanks(text: str) -> bool:
    """Whether a text is nothing but blanks."""
    return bool(first_blank(text)) and (not _BLANK.sub("", text).strip() or _WHOLE.match(text) is not None)


def is_unresolved(blank: str) -> bool:
    """Whether a blank is a named value that does not exist; its absence is reported once already."""
    return NAMED_VALUE.fullmatch(blank) is not None


def filled(code: str) -> Iterator[str]:
    """An expression with its blanks filled in one way and another."""
    for filling in _FILLINGS:
        yield _BLANK.sub(lambda found, filling=filling: _fill(code, found, filling), code)  # type: ignore[misc]


def _fill(code: str, found: re.Match[str], filling: str) -> str:
    if found.group().startswith(("%{", "{%", "<%")):  # it stands for no value, but says what of the rest there is
        return " " * len(found.group())
    start = code.rfind("\n", 0, found.start()) + 1
    within_string = code.count('"', start, found.start()) % 2
    return ("0" if within_string else filling).ljust(len(found.group()))

"""The expressions of 273 real policy documents compile; the share is printed and must not sink."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path

from proxy.expressions import ExpressionError, compile_expression

_spec = importlib.util.spec_from_file_location("expressions_corpus_setup", Path(__file__).with_name("conftest.py"))
assert _spec is not None
assert _spec.loader is not None
_setup = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_setup)

FLOOR = 0.98
_LITERAL = re.compile(
    r'[$@]*@[$@]*"(?:[^"]|"")*"|\$"(?:\\.|\{\{|\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}|[^"\\{])*"'
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.[^']*|[^'\\])'|//[^\n]*|/\*.*?\*/",
    re.S,
)


def span(text: str, start: int) -> int | None:
    """The end of the balanced expression that starts at `start`."""
    depth = 0
    place = start + 1
    while place < len(text):
        literal = _LITERAL.match(text, place) if text[place] in "\"'/$@" else None
        if literal:
            place = literal.end()
            continue
        depth += (text[place] in "([{") - (text[place] in ")]}")
        place += 1
        if depth == 0:
            return place
    return None


def expressions(text: str) -> list[str]:
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"\{\{[\w.-]+\}\}", "1", text)  # a named value; a number is one in a string and outside
    found = []
    for match in re.finditer(r"[\"'>]\s*(?=@[({])", text):
        tail = text[match.end() : match.end() + 40_000]
        for candidate in (tail, html.unescape(tail)):
            end = span(candidate, 0)
            if end is not None:
                found.append(html.unescape(candidate[:end]))
                break
    return found


def test_real_expressions_compile() -> None:
    folder = _setup.shared_data()
    sources = sorted(
        {source for file in folder.rglob("*.xml") for source in expressions(file.read_text(encoding="utf-8-sig"))}
    )
    refused: dict[str, str] = {}
    for source in sources:
        try:
            compile_expression(source)
        except ExpressionError as error:
            refused[source] = error.issues[0][2]
    share = 1 - len(refused) / len(sources)
    print(f"{len(sources) - len(refused)} of {len(sources)} distinct expressions compile ({share:.1%})")
    for message in sorted(set(refused.values())):
        print("  ", message)
    assert len(sources) > 800
    assert share >= FLOOR

"""`python -m benchmarks.policies_compile [FOLDER]`: what it costs to compile policy documents.

Without a folder of .xml files, the documents are the policies of `configuration.py` and one with many expressions.
*fresh* is a document whose text and expressions nobody has compiled before; *changed* is one whose text is new and
whose expressions are known, as when a line of it was edited; *again* is the very same text.
"""

from __future__ import annotations

import logging
import statistics
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.configuration import API_POLICY, PRODUCT_POLICY
from benchmarks.table import table
from proxy.expressions import compile as expressions
from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.markup import read_document

MANY = 1000
STEP = """<set-variable name="vN" value="@{
  var body = context.Request.Body.As<JObject>(preserveContent: true);
  foreach (var item in (JArray)body["itemsN"]) { if ((int)item["n"] > N) { return (string)item["id"]; } }
  return context.Request.Headers.GetValueOrDefault("X-Id", "none");
}" />
<choose><when condition="@(context.Request.Method == "POST" && context.Variables.ContainsKey("vN"))">
  <set-header name="X-N" exists-action="override"><value>@($"{context.Api.Name}-N")</value></set-header>
</when></choose>"""
EXPRESSIONS = (
    f"<policies><inbound>{''.join(STEP.replace('N', str(number)) for number in range(20))}</inbound></policies>"
)
NOBODY_KNOWS = Environment(strict=False)


def documents(folder: str | None) -> list[str]:
    if folder is None:
        return [PRODUCT_POLICY, API_POLICY, EXPRESSIONS]
    return [path.read_text(encoding="utf-8-sig") for path in sorted(Path(folder).rglob("*.xml"))]


def forget() -> None:
    expressions._MEMO.clear()
    read_document.cache_clear()


def seconds(text: str) -> float:
    scope = Scope("fragment" if "<policies" not in text else "api")
    started = perf_counter()
    compile_document(text, scope, NOBODY_KNOWS)
    return perf_counter() - started


def fresh(text: str) -> float:
    forget()
    return seconds(text)


def changed(text: str, turn: int = 0) -> float:
    return seconds(f"{text}<!-- {turn} -->")


def row(name: str, times: list[float]) -> list[str]:
    ordered = sorted(times)
    figures = [statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1]]
    return [name, *(f"{1000 * figure:.2f}" for figure in figures)]


def main() -> None:
    logging.disable()
    texts = documents(sys.argv[1] if len(sys.argv) > 1 else None)
    for text in texts:  # what is compiled once per process, such as patterns, is not the documents' cost
        seconds(text)
    rows = [row("fresh", [fresh(text) for text in texts])]
    for text in texts:
        seconds(text)
    rows += [row("changed", [changed(text) for text in texts]), row("again", [seconds(text) for text in texts])]
    print(f"{len(texts)} documents, milliseconds each\n")
    print(table(["", "median", "p95", "largest"], rows))
    many = [texts[turn % len(texts)] for turn in range(MANY)]
    forget()
    kept = sum(changed(text, turn) for turn, text in enumerate(many, 1))
    print(f"\n{MANY:,} documents one after the other: {kept:.2f} s, each expression compiled once", end="; ")
    print(f"{sum(map(fresh, many)):.2f} s with nothing in common")


if __name__ == "__main__":
    main()

"""`results.md`: one section for each figure. A benchmark puts its own there and leaves the others as they are."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.processes import NotReady

PAGE = Path(__file__).with_name("results.md")
HEAD = """# Results

Figures of the machine that each section names; no test judges them. [README.md](README.md) says how they are measured,
[history.md](history.md) what changed them, [configurations](configurations) how each proxy was configured."""
ORDER = (
    "Goals",
    "Plain proxying",
    "The full job",
    "How that was measured",
    "Large bodies",
    "Idle connections",
    "Streams",
    "Workers",
    "Size of the configuration",
    "Change of one policy",
    "Stages of a request",
    "Policies",
)


def machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs"


def command(
    parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Coroutine[Any, Any, str]], title: str
) -> int:
    """Measure, print, and put the text under its title into the page that `--out` names; the exit code."""
    parser.add_argument("--out", type=Path, help="put the figures into this page")
    arguments = parser.parse_args()
    try:
        text = uvloop.run(measure(arguments))
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    print(text)
    if arguments.out is not None:
        put(arguments.out, {title: text})
    return 0


def put(page: Path, sections: dict[str, str]) -> None:
    """Write sections, title -> text, into a page; others stay. Raises KeyError for a title that is not in ORDER."""
    found = _sections(page.read_text(encoding="utf-8")) if page.exists() else {}
    found.update(sections)
    for title in found:
        if title not in ORDER:
            raise KeyError(f"{title!r} is not a section of {page.name}; its place is in benchmarks/results.py")
    told = [f"## {title}\n\n{found[title].strip()}" for title in ORDER if title in found]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join([HEAD, *told]) + "\n", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))

"""`results.md`: one section for each figure. A benchmark puts its own there and leaves the others as they are."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

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

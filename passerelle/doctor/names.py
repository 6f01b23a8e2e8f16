"""`python -m passerelle.doctor.names docs/settings.md`: the names of all settings, for `doctor`, to settings.txt."""

from __future__ import annotations

import re
import sys
from pathlib import Path

FILE = Path(__file__).with_name("settings.txt")


def names_of(page: str) -> list[str]:
    """The names in the first column of every table of docs/settings.md."""
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    return sorted({name for cell in cells for name in re.findall(r"`([^`]+)`", cell)})


def text_of(page: str) -> str:
    return "".join(f"{name}\n" for name in names_of(page))


if __name__ == "__main__":
    FILE.write_text(text_of(Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")

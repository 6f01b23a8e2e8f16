"""The table of the rows in a page of the documentation, between two marks."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from tests.faults.row import Figures, Row

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEADS = ("", "fault", "promise", "goal", "measured", "holds")


def text(results: list[tuple[Row, Figures | str]], conditions: str) -> str:
    """The marks and what is between them; a text instead of figures says why there are none."""
    lines = [BEGIN, "", f"{machine()}; {conditions}.", "", _line(HEADS), f"|{'---|' * len(HEADS)}"]
    for row, found in results:
        measured, holds = (found, "not run") if isinstance(found, str) else (str(found), found.holds)
        lines.append(_line((row.number, row.fault, row.promise, row.goal, measured, holds)))
    return "\n".join([*lines, "", END])


def machine() -> str:
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return f"{today}, Python {platform.python_version()}, {os.cpu_count()} CPUs"


def put(page: Path, table: str) -> None:
    """Raises ValueError when the page has no marks."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(f"{before}{table}{after}", encoding="utf-8")


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"

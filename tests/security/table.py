"""The printed table: `attack | input | expected | got | holds`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WIDTHS = (40, 48, 34, 44)


@dataclass(frozen=True, slots=True)
class Row:
    attack: str
    input: str
    expected: str
    got: str
    holds: bool

    def __str__(self) -> str:
        cells = (self.attack, self.input, self.expected, self.got)
        shown = (shortened(cell, width).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
        return " | ".join([*shown, "yes" if self.holds else "NO"])


HEAD = " | ".join([*(n.ljust(w) for n, w in zip(("attack", "input", "expected", "got"), WIDTHS, strict=True)), "holds"])


def shortened(text: str, width: int) -> str:
    """One printable line of at most `width` characters."""
    line = "".join(each if each.isprintable() else " " for each in text[: 4 * width])
    line = " ".join(line.split())
    return line if len(line) <= width and len(text) <= 4 * width else f"{line[: width - 3]}..."


def told(rows: Iterable[Row]) -> int:
    """Print the table as rows come; the number of those that do not hold."""
    print(HEAD)
    print("-+-".join([*("-" * width for width in WIDTHS), "-----"]))
    failed: list[Row] = []
    count = 0
    for row in rows:
        count += 1
        print(row, flush=True)
        if not row.holds:
            failed.append(row)
    print(f"\n{count - len(failed)} of {count} hold.")
    for row in failed:
        print(f"\nDOES NOT HOLD  {row.attack}\n  input     {row.input[:400]!r}")
        print(f"  expected  {row.expected}\n  got       {row.got[:800]}")
    return len(failed)

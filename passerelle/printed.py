"""What commands print: tables for people, one JSON value for scripts. Standard output has the result and nothing else.

Rules
1. `--json` prints one JSON value, always, also when there is nothing: an empty list. Names in it are the plane's.
2. A table has no frames, and whole words: cells are folded on a terminal and never cut in a pipe.
3. Colours are for terminals; NO_COLOR is obeyed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 100_000  # columns of what is no terminal

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value, for scripts.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], nothing: str) -> None:
    """`nothing` is said in place of an empty table."""
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(each if isinstance(each, Text) else Text(each) for each in row))
    if not table.row_count:
        click.echo(nothing)
        return
    if console.is_terminal:
        console.print(table)
        return
    console = Console(highlight=False, width=WIDE)
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))

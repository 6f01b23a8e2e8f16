"""`passerelle revisions`: what was changed, when and by whom; the numbers that `diff` and `rollback` take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json, print_table


@click.command()
@connected
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
def revisions(plane: Plane, last: int, as_json: bool) -> None:
    """List what changed, the newest first: each revision with its time, its author and its resources."""
    try:
        found = plane.get("/revisions", {"$top": str(last)})["value"]
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(found)
        return
    columns = ["Revision", "When (UTC)", "Who", "What"]
    rows = [
        [str(each["revision"]), str(each["time"] or "")[:19].replace("T", " "), who(each), what(each)] for each in found
    ]
    print_table(columns, rows, "Nothing was changed yet.")


def who(revision: Mapping[str, Any]) -> str:
    """`ann, with curl/8.5`."""
    return ", with ".join(filter(None, (revision.get("author"), revision.get("client"))))


def what(revision: Mapping[str, Any]) -> str:
    """`/apis/shop, - /tags/red and 4 more`."""
    named = revision.get("resources") or []
    names = [f"{'- ' if each['operation'] == 'delete' else ''}{each['id']}" for each in named]
    more = int(revision.get("stored") or 0) + int(revision.get("deleted") or 0) - len(named)
    told = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    return f"roll back to {revision['restored']}: {told}" if revision.get("restored") is not None else told

"""`passerelle revisions`: what was changed, when and by whom; the numbers that `diff` and `rollback` take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json, print_table

SHOWN = 3  # resources of a revision that are named


@click.command()
@connected
@click.option("--last", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, the newest first.")
@json_option
def revisions(plane: Plane, last: int, as_json: bool) -> None:
    """List what changed: each revision with its time, its author and its resources, the newest first."""
    try:
        found = sorted(plane.get("/changes")["value"], key=lambda each: -int(each["revision"]))[:last]
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(found)
        return
    columns = ["Revision", "When", "Who", "What"]
    rows = [[str(each["revision"]), _moment(each), str(each.get("author") or ""), summary(each)] for each in found]
    print_table(columns, rows, "Nothing was changed yet.")


def _moment(revision: Mapping[str, Any]) -> str:
    return str(revision.get("time") or "")[:19].replace("T", " ")


def summary(revision: Mapping[str, Any]) -> str:
    """`/apis/shop, /apis/shop/policies/policy, - /tags/red and 4 more`."""
    changes = revision.get("changes") or []
    names = [f"{'- ' if each.get('operation') == 'delete' else ''}{each.get('id')}" for each in changes]
    if len(names) <= SHOWN + 1:
        return ", ".join(names)
    rest = Counter(str(each.get("id")).split("/")[1] for each in changes[SHOWN:])
    return f"{', '.join(names[:SHOWN])} and {', '.join(f'{count} of /{kind}' for kind, count in rest.most_common(3))}"

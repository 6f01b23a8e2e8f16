"""Resources of an import, given to a plane as one revision, and what it said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import click

from passerelle.commands.apply import TIMEOUT, show_changes
from passerelle.plane import Plane, PlaneError
from passerelle.printed import print_json
from passerelle.progress import working

MOST_LINES = 1000
TEXTS = ("value", "document")  # the file itself
FEW = 10  # resources that nobody waits for

Resource = tuple[str, dict[str, Any]]


def apply(
    plane: Plane,
    resources: Sequence[Resource],
    dry_run: bool,
    origins: Mapping[str, str],
    source: str,
    deletions: Sequence[str] = (),
) -> dict[str, Any]:
    """The plane's answer. `origins` says by lower-case id where a resource came from; `source` is the whole."""
    document = {
        "resources": [{"id": id, "properties": properties} for id, properties in resources],
        "delete": list(deletions),
        "dryRun": dry_run,
    }
    try:
        told = f"{len(resources)} resources are checked{'' if dry_run else ' and stored'}"
        with working(told) if len(resources) > FEW else nullcontext():
            return plane.call("POST", "/apply", document, timeout=TIMEOUT)
    except PlaneError as error:
        raise click.ClickException(_told(error, origins, source)) from error


def tell(told: Mapping[str, Any], as_json: bool) -> None:
    """Every change, one per line, and their number; of very many, the first."""
    if as_json:
        print_json(told)
        return
    changes = told["changes"]
    show_changes(changes[:MOST_LINES])
    if len(changes) > MOST_LINES:
        click.echo(f"  and {len(changes) - MOST_LINES} more")
    verb = "would be" if told["dryRun"] else "are"
    click.echo(f"{len(changes)} {verb} changed, {told['unchanged']} as they were; revision {told['revision']}")


def _told(error: PlaneError, origins: Mapping[str, str], source: str) -> str:
    if not error.details:
        return str(error)
    lines = []
    for target, message in error.details:
        id, _, field = target.partition(" ")
        place = origins.get(id.lower(), f"{source}: {id}")
        lines.append(f"{place}{f' {field}' if field and field not in TEXTS else ''}: {message}")
    return "nothing was changed:\n" + "\n".join(lines)

"""`passerelle diff`: what is different between two revisions, or between a folder and the service.

Rules
1. A property is one line of JSON or, where it is a text of several lines (a policy, a description), a unified diff.
2. No secret is shown: the plane tells none, and of a folder's only that they are set.
3. With --exit-code it ends with 3 when there is a difference, for pipelines.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from passerelle.apiops.read import FolderWrong, Resource, read
from passerelle.apiops.settle import described, settle
from passerelle.commands.apply import API, IMPORTED, MARKS, TIMEOUT, at_their_files, environment, known_to, tokens_of
from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json

DIFFERENT = 3
LONGEST = 200  # characters of a line
SECRETS = ("key", "secret", "password", "credentials", "data", "connectionstring", "sasuri")
COLOURS = {"+": "green", "-": "red", "@": "cyan"}

Change = dict[str, Any]


@click.command()
@click.argument("source", metavar="FOLDER|FROM")
@click.argument("to", required=False, type=click.IntRange(0))
@connected
@environment
@click.option("--prune", is_flag=True, help="With a folder: also what `apply --prune` would delete.")
@click.option("--exit-code", is_flag=True, help="End with 3 when there is a difference.")
@json_option
def diff(
    plane: Plane, source: str, to: int | None, overrides: Path | None, token_folder: Path | None,
    values: tuple[str, ...], prune: bool, exit_code: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what is different.

    \b
    passerelle diff 12           from revision 12 to now
    passerelle diff 12 14        from revision 12 to 14
    passerelle diff 14 12        what `rollback 12` would do, if 14 is now
    passerelle diff artifacts    from the service to a folder: what `apply` would do
    """
    try:
        if source.isdecimal() and not Path(source).is_dir():
            changes = of_revisions(plane, int(source), to)
        elif to is not None:
            raise click.UsageError(f"{source} is no number of a revision, so {to} says nothing.")
        else:
            changes = of_folder(plane, Path(source), overrides, token_folder, values, prune)
    except PlaneError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(changes)
    elif not changes:
        click.echo("There is no difference.")
    else:
        for change in changes:
            _print(change)
    if exit_code and changes:
        raise SystemExit(DIFFERENT)


def of_revisions(plane: Plane, start: int, end: int | None) -> list[Change]:
    newest = plane.get("/revisions", {"$top": "1"})["value"]
    last = int(newest[0]["revision"]) if newest else 0
    query = {"from": str(start), "to": str(last if end is None else end)}
    return [each for each in plane.all("/differences", query) if each["operation"] != "none"]


def of_folder(
    plane: Plane, folder: Path, overrides: Path | None, token_folder: Path | None, values: tuple[str, ...], prune: bool
) -> list[Change]:
    """In the shape of the plane's differences."""
    resources: list[Resource] = []
    try:
        artifacts = read(folder, overrides, tokens_of(values, token_folder))
        known = known_to(plane, {each.id.lower() for each in artifacts.resources})
        resources, told = settle(artifacts, known)
        for sentence in told:
            click.secho(sentence, fg="yellow", err=True)
        document = described(artifacts, known) | {"prune": prune, "dryRun": True}
        answer = plane.call("POST", "/apply", document, timeout=TIMEOUT)
    except FolderWrong as error:
        raise click.ClickException(str(error)) from error
    except PlaneError as error:
        raise click.ClickException(at_their_files(error, folder, resources)) from error
    wanted = {each.id.lower(): each.properties for each in resources}
    return [_compared(plane, each, wanted.get(each["id"].lower())) for each in _outermost(answer["changes"])]


def _outermost(changes: list[Change]) -> Iterator[Change]:
    """Without what a new API was imported with: its document says it."""
    new = {each["id"] for each in changes if each["operation"] == "create" and API.fullmatch(each["id"])}
    for change in changes:
        found = IMPORTED.fullmatch(change["id"])
        if not found or found["api"] not in new:
            yield change


def _compared(plane: Plane, change: Change, wanted: Mapping[str, Any] | None) -> Change:
    """`wanted` is what the folder says; of what it does not say nothing is told but the names that change."""
    id, operation = change["id"], change["operation"]
    before: dict[str, Any] | None = None
    if operation != "create":
        query = {"format": "rawxml"} if "/policies/" in id or id.startswith("/policyFragments/") else {}
        before = plane.relative(plane.get(id, query).get("properties") or {})
    after: dict[str, Any] | None = None
    if operation != "delete":
        names = change.get("properties") or list(wanted or {})
        after = {**(before or {}), **{name: value for name, value in (wanted or {}).items() if name in names}}
        after = {name: "(set)" if _secret(name) else value for name, value in after.items()}
    return {"id": id, "name": id.rsplit("/", 1)[1], "operation": operation, "before": before, "after": after,
            "properties": change.get("properties") or [], "secrets": []}  # fmt: skip


def _secret(name: str) -> bool:
    return name.lower().endswith(SECRETS)


def _print(change: Change) -> None:
    mark, colour = MARKS[change["operation"]]
    click.secho(f"{mark} {change['id']}", fg=colour, bold=True)
    before, after = change["before"] or {}, change["after"] or {}
    if change["operation"] != "delete":
        shown = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        for name in shown:
            for line in lines_of(name, before.get(name), after.get(name)):
                click.secho(f"    {line}", fg=COLOURS.get(line[:1]))
        for name in set(change.get("properties") or ()) - set(shown):
            click.echo(f"    {name} changes with what the folder says")
    for name in change["secrets"]:
        click.echo(f"    {name} is another one (secret)")


def lines_of(name: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old or "", str) and isinstance(new or "", str) and "\n" in f"{old or ''}{new or ''}":
        yield f"{name}:"
        compared = difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm="", n=2)
        yield from list(compared)[2:]
        return
    if old is not None:
        yield f"- {name}: {_one_line(old)}"
    if new is not None:
        yield f"+ {name}: {_one_line(new)}"


def _one_line(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"

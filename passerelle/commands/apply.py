"""`passerelle apply`: make a service what an APIOps folder says, as one revision."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from passerelle.apiops.read import FolderWrong, Resource, read
from passerelle.apiops.settle import described, findings, settle
from passerelle.apiops.tokens import Tokens
from passerelle.connection import connected
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json
from passerelle.progress import working

MARKS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}
API = re.compile(r"(?:/workspaces/[^/]+)?/apis/[^/]+")
IMPORTED = re.compile(rf"(?P<api>{API.pattern})/(?P<kind>operations|schemas|specifications)/[^/]+")
API_ID = re.compile(r"/apis/[^/;]+")
TIMEOUT = 1800.0  # seconds; a service of the largest kind is checked whole

Command = Callable[..., Any]


def environment(command: Command) -> Command:
    """The options that say how an environment differs; the command gets `overrides`, `token_folder` and `values`."""
    for option in (
        click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="Replaces {#NAME#} and {#[NAME]#}."),
        click.option(
            "--tokens",
            "token_folder",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="A folder with one file for each token, such as a mounted secret. Else: the environment.",
        ),
        click.option("--overrides", type=click.Path(path_type=Path, dir_okay=False), help="configuration.<env>.yaml"),
    ):
        command = option(command)
    return command


def tokens_of(values: tuple[str, ...], folder: Path | None) -> Tokens:
    wrong = [each for each in values if "=" not in each]
    if wrong:
        raise click.UsageError(f"--set {wrong[0]}: it must be NAME=VALUE")
    return Tokens(dict(each.partition("=")[::2] for each in values), folder)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@connected
@environment
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@click.option("--gateway", help="Have this gateway serve the folder's APIs, besides what the folder says of gateways.")
@click.option(
    "--prune", is_flag=True, help="Also delete what the folder does not have; gateways, subscriptions and users stay."
)
@json_option
def apply(
    plane: Plane, folder: Path, dry_run: bool, overrides: Path | None, token_folder: Path | None,
    values: tuple[str, ...], gateway: str | None, prune: bool, as_json: bool,
) -> None:  # fmt: skip
    """Apply FOLDER, an APIOps artifact folder: everything in it, or nothing when something is wrong."""
    resources: list[Resource] = []
    try:
        with working(f"reading {folder}"):
            artifacts = read(folder, overrides, tokens_of(values, token_folder))
            artifacts.resources += _assigned(artifacts.resources, gateway) if gateway else []
            known = known_to(plane, {each.id.lower() for each in artifacts.resources})
            resources, told = settle(artifacts, known)
        for sentence in told:
            click.secho(sentence, fg="yellow", err=True)
        document = described(artifacts, known) | {"prune": prune, "dryRun": dry_run}
        with working(f"{len(resources)} resources are checked{'' if dry_run else ' and stored'}"):
            answer = plane.call("POST", "/apply", document, timeout=TIMEOUT)
    except FolderWrong as error:
        raise click.ClickException(f"nothing was changed:\n{error}") from error
    except PlaneError as error:
        raise click.ClickException(at_their_files(error, folder, resources)) from error
    if as_json:
        print_json(answer)
        return
    show_changes(answer["changes"])
    verb = "would be" if dry_run else "are"
    click.echo(
        f"{len(answer['changes'])} {verb} changed, {answer['unchanged']} as they were; revision {answer['revision']}"
    )


def _assigned(resources: list[Resource], gateway: str) -> list[Resource]:
    """The APIs of a folder, assigned to a gateway."""
    here = {each.id.lower() for each in resources}
    named = [(each, f"/gateways/{gateway}{each.id}") for each in resources if API_ID.fullmatch(each.id)]
    return [Resource(id, {}, each.files) for each, id in named if id.lower() not in here]


def show_changes(changes: list[dict[str, Any]]) -> None:
    """One line each; what a new API was imported with is counted in its line."""
    new = {each["id"] for each in changes if each["operation"] == "create" and API.fullmatch(each["id"])}
    imported: Counter[str] = Counter()
    shown = []
    for change in changes:
        found = IMPORTED.fullmatch(change["id"])
        if found and found["api"] in new and change["operation"] == "create":
            imported[found["api"]] += found["kind"] == "operations"
        else:
            shown.append(change)
    for change in shown:
        mark, colour = MARKS[change["operation"]]
        names = f" ({', '.join(change['properties'])})" if change.get("properties") else ""
        count = imported[change["id"]]
        operations = f" (with {count} operation{'s' * (count > 1)})" if count else ""
        click.secho(f"{mark} {change['id']}{names}{operations}", fg=colour)


def known_to(plane: Plane, folder: set[str]) -> Callable[[str], bool]:
    """Whether the plane has a resource; a person may also come with the folder."""
    return functools.cache(lambda id: plane.exists(id) or (id.lower() in folder and id.startswith("/users/")))


def at_their_files(error: PlaneError, folder: Path, resources: list[Resource]) -> str:
    """The plane's findings, each with the place that it is about."""
    if not error.details:
        return str(error)
    return "nothing was changed:\n" + "\n".join(findings(error.details, folder, resources))

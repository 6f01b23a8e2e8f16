"""`passerelle import arm-template`: what an ARM template says of a service, as one revision.

Exported templates, those of the Resource Kit with the templates and policies beside them, quickstarts, compiled Bicep.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from typing import Any

import click

from passerelle.connection import connected
from passerelle.imports.applied import apply, tell
from passerelle.imports.fetch import fetch
from passerelle.plane import Plane
from passerelle.printed import json_option
from passerelle.serving import assigned, gateways_option
from passerelle.templates import text
from passerelle.templates.deployment import Evaluation, values
from passerelle.templates.links import Links
from passerelle.templates.services import Service, gather
from passerelle.templates.template import Properties, as_type, section
from passerelle.templates.wrong import TemplateWrong

# parameters that tools make for the place of the files and the name of the service, and what they are here
_SERVICE_NAME = re.compile(
    r"(apim|apimanagement)_?(service|instance)?_?name|(api_?)?(service|instance)_?name", re.IGNORECASE
)
_EXPORTED_NAME = re.compile(r"service_\w+_name", re.IGNORECASE)
_BASE = re.compile(r"(linkedtemplates|policyxml|repo)baseurl|_artifactslocation", re.IGNORECASE)
_QUERY = re.compile(
    r"(linkedtemplates|policyxml)(sastoken|urlquerystring|querystring)|_artifactslocationsastoken", re.I
)


@click.command("arm-template")
@click.argument("file", type=click.Path(dir_okay=False))
@connected
@click.option("--parameters", "files", multiple=True, metavar="FILE", help="A parameter file; later ones win.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter; NAME=@FILE reads it.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="ID:PATH=VALUE",
    help="A property that the template asks Azure for, such as '/loggers/l:credentials.instrumentationKey=@FILE'.",
)
@click.option("--of", "name", help="Which service of the template, where it has several.")
@click.option(
    "--skip",
    "skipped",
    multiple=True,
    metavar="ID",
    help="Leave out a resource, such as '/loggers/*', or a deployment.",
)
@gateways_option
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@json_option
def command(
    plane: Plane,
    file: str,
    files: tuple[str, ...],
    pairs: tuple[str, ...],
    properties: tuple[str, ...],
    name: str | None,
    skipped: tuple[str, ...],
    gateways: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Apply what FILE, an ARM template in JSON, says of an API Management service: all of it, or nothing."""
    try:
        template = text.read(fetch(file), file)
        given: dict[str, Any] = {}
        for each in files:
            given |= values(text.read(fetch(each), each), each)
        given |= _set(template, pairs)
        given = _guessed(template, given, plane)
    except TemplateWrong as error:
        raise click.ClickException(str(error)) from None
    links = Links(file, lambda line: click.echo(f"reading {line}", err=True))

    def wanted(id: str) -> bool:
        return not any(fnmatch.fnmatchcase(id.lower(), pattern.lower()) for pattern in skipped)

    evaluation = Evaluation(plane.target(), links, wanted)
    evaluation.run(template, given, file)
    found = [each for each in evaluation.found if not name or _of(each.type, each.name, name)]
    service = gather(found, links, wanted, _properties(properties))
    _tell_skipped(service.skipped)
    _refuse(evaluation.problems + service.problems, service, name)
    resources = [*service.resources.items(), *assigned(service.resources, gateways)]
    tell(apply(plane, resources, dry_run, service.origins, file), as_json)


def _of(type: str, name: str, wanted: str) -> bool:
    return not type.lower().startswith("microsoft.apimanagement/") or name.split("/")[0].lower() == wanted.lower()


def _set(template: Properties, pairs: tuple[str, ...]) -> dict[str, Any]:
    declared = {name.lower(): each for name, each in section(template, "parameters").items()}
    found: dict[str, Any] = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark:
            raise click.UsageError(f"--set {name}: NAME=VALUE is needed.")
        if value.startswith("@"):
            value = fetch(value[1:]).rstrip("\r\n")
        declaration = declared.get(name.lower())
        try:
            found[name] = as_type(declaration if isinstance(declaration, dict) else {}, value)
        except ValueError:
            kind = (declaration or {}).get("type")
            raise click.UsageError(
                f"--set {name}: the parameter is of type {kind}, which is written as JSON."
            ) from None
    return found


def _properties(written: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """By lower-case id and dotted path."""
    found: dict[str, dict[str, str]] = {}
    for each in written:
        place, mark, value = each.partition("=")
        id, colon, path = place.rpartition(":")
        if not mark or not colon or not id.startswith("/") or not path:
            raise click.UsageError(f"--property {place}: ID:PATH=VALUE is needed.")
        found.setdefault(id.lower(), {})[path] = fetch(value[1:]).rstrip("\r\n") if value[:1] == "@" else value
    return found


def _guessed(template: Properties, given: dict[str, Any], plane: Plane) -> dict[str, Any]:
    """Values of parameters that say where the templates lie and what the service is called."""
    held = {name.lower() for name in given}
    guessed: dict[str, Any] = {}
    for name, declaration in section(template, "parameters").items():
        if name.lower() in held or not isinstance(declaration, dict) or "defaultValue" in declaration:
            continue
        if _SERVICE_NAME.fullmatch(name) or _EXPORTED_NAME.fullmatch(name):
            guessed[name] = plane.target().service
        elif _BASE.fullmatch(name):
            guessed[name] = "."
        elif _QUERY.fullmatch(name):
            guessed[name] = ""
    for name, value in guessed.items():
        click.echo(f"parameter {name} = '{value}'", err=True)
    return given | guessed


def _refuse(problems: list[TemplateWrong], service: Service, name: str | None) -> None:
    if problems:
        raise click.ClickException("nothing was changed:\n" + "\n".join(str(each) for each in problems))
    if len(service.names) > 1:
        raise click.ClickException(
            f"the template is about {len(service.names)} services, {', '.join(service.names)}: choose one by --of"
        )
    if not service.resources:
        where = f" of the service {name}" if name else ""
        raise click.ClickException(f"the template holds nothing{where} that a plane takes")


def _tell_skipped(skipped: list[tuple[str, str]]) -> None:
    for (what, why), count in Counter(skipped).items():
        click.echo(f"left out: {what}{f' ({count} times)' if count > 1 else ''}: {why}", err=True)

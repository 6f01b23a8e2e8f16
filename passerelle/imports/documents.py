"""`passerelle import openapi | wsdl | wadl | graphql | odata | grpc`: one API from its description.

An API that is there keeps its settings; its operations become those of the document, and operations that stay keep
their policies. The document comes from a file, or from an http or https address.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from management.importers import ImportRefused
from management.importers.document import parse
from management.importers.naming import normalised
from management.importers.wsdl_files import merged, missing
from passerelle.connection import connected
from passerelle.imports.applied import Resource, apply
from passerelle.imports.bundle import bundle
from passerelle.imports.fetch import fetch, is_address
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option, print_json
from passerelle.serving import assigned, gateways_option

MOST_FILES = 200  # of one WSDL description
# what a plane adds to an API and takes from nobody
COMPUTED = ("provisioningState", "isOnline", "isCurrent", "apiRevision")

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("source", metavar="FILE|URL"),
    click.option("--id", "--api-id", "api_id", metavar="ID", help="The API to make, or to import into; of its title."),
    click.option("--path", help="Where the API answers below the gateway; for a new API, its id otherwise."),
    click.option("--name", "--display-name", "display_name", help="For people; the document's title otherwise."),
    click.option("--service-url", help="The backend; the one that the document names otherwise."),
    click.option("--product", "products", multiple=True, metavar="ID", help="Add the API to a product."),
    gateways_option,
    click.option("--dry-run", is_flag=True, help="Tell what would be made, and change nothing."),
    json_option,
)


def importer(command: Command) -> Command:
    """Add the options that all descriptions have; the command gets them as `wanted`, a dict, and `text`."""

    @functools.wraps(command)
    def run(*args: Any, source: str, **options: Any) -> Any:
        own = {name: options.pop(name) for name in ("plane", "api_id", "path", "display_name", "service_url")}
        own |= {name: options.pop(name) for name in ("products", "gateways", "dry_run", "as_json")}
        target = Target(source, **own)
        return command(*args, target=target, text=fetch(source), **options)

    made: Any = run
    for option in reversed(_OPTIONS):
        made = option(made)
    return connected(made)  # type: ignore[no-any-return]


class Target:
    """The API that a document becomes."""

    def __init__(
        self,
        source: str,
        plane: Plane,
        api_id: str | None,
        path: str | None,
        display_name: str | None,
        service_url: str | None,
        products: tuple[str, ...],
        gateways: tuple[str, ...],
        dry_run: bool,
        as_json: bool,
    ) -> None:
        self.source, self.plane, self.id, self.dry_run, self.as_json = source, plane, api_id, dry_run, as_json
        self._products, self._gateways = products, gateways
        given = {"path": path, "displayName": display_name, "serviceUrl": service_url}
        self._given = {name: value for name, value in given.items() if value is not None}

    def put(self, properties: dict[str, Any], title: str = "") -> None:
        """Make the API with `properties` over what is there; one line tells of it."""
        name = self.id or _id(title, self.source)
        id = f"/apis/{name}"
        former = self._former(id)
        whole = {"path": name, **former, **properties, **self._given}
        in_products: list[Resource] = [(f"/products/{each}{id}", {}) for each in self._products]
        resources = [(id, whole), *in_products, *assigned([id], self._gateways)]
        told = apply(self.plane, resources, self.dry_run, {id.lower(): self.source}, self.source)
        if self.as_json:
            print_json(told)
            return
        if self.dry_run:
            done = "would be imported into" if former else "would be made:"
            click.echo(f"{done} {id} at /{whole['path']} from {self.source}; nothing was changed")
            return
        made = self.plane.get(id)["properties"]
        count = sum(1 for _ in self.plane.all(f"{id}/operations"))
        mark = "~" if former else "+"
        if not told["changes"]:
            mark = "="
        what = f"{count} operation{'' if count == 1 else 's'}" if made["type"] != "graphql" else "a GraphQL schema"
        backend = f", backend {made['serviceUrl']}" if made.get("serviceUrl") else ", no backend yet (--service-url)"
        click.echo(
            f"{mark} {id}: {made['displayName']} at /{made['path']}, {what}{backend}; revision {told['revision']}"
        )

    def _former(self, id: str) -> dict[str, Any]:
        try:
            found = self.plane.get(id)["properties"]
        except PlaneError as error:
            if error.status == 404:
                return {}
            raise click.ClickException(str(error)) from error
        relative: dict[str, Any] = self.plane.relative(found)
        return {name: value for name, value in relative.items() if name not in COMPUTED}


def _id(title: str, source: str) -> str:
    """An id for an API that nobody named: its title, or the name of its file."""
    stem = Path(urlsplit(source).path if is_address(source) else source).stem
    return normalised(title) or normalised(stem) or "api"


@click.command("openapi")
@importer
@click.option(
    "--required-query",
    type=click.Choice(["template", "query"]),
    default="template",
    show_default=True,
    help="Where required query parameters go: into the URL template, or among the query parameters.",
)
def openapi(target: Target, text: str, required_query: str) -> None:
    """Import OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML."""
    try:
        whole = bundle(target.source, text, fetch)
    except ImportRefused as refused:
        raise click.ClickException(f"{target.source}: {refused.target} {refused.message}") from None
    # YAML holds JSON, and the version is the document's own word
    document = {"format": "openapi", "value": whole, "translateRequiredQueryParameters": required_query}
    target.put(document, "" if target.id else _title(whole))


def _title(text: str) -> str:
    """Of an OpenAPI document; "" when it cannot be read, of which the plane will tell."""
    try:
        document = parse(text, "yaml")
    except ImportRefused:
        return ""
    info = document.get("info") if isinstance(document, dict) else None
    return str(info.get("title") or "") if isinstance(info, dict) else ""


@click.command("wadl")
@importer
def wadl(target: Target, text: str) -> None:
    """Import WADL."""
    target.put({"format": "wadl-xml", "value": text})


@click.command("wsdl")
@importer
@click.option("--soap-to-rest", is_flag=True, help="Answer JSON in front of the SOAP service, not SOAP itself.")
@click.option("--wsdl-service", help="The service of the document, where it has several.")
@click.option("--wsdl-endpoint", help="The port of the service, where it has several.")
def wsdl(target: Target, text: str, soap_to_rest: bool, wsdl_service: str | None, wsdl_endpoint: str | None) -> None:
    """Import WSDL 1.1, to be passed through or as REST; with the files that it imports."""
    files = {target.source: text}
    try:
        while found := missing(files, target.source):
            if len(files) + len(found) > MOST_FILES:
                raise click.ClickException(f"{target.source} imports more than {MOST_FILES} files")
            files |= {name: fetch(name) for name in found}
        text = merged(files, target.source)
    except ImportRefused as refused:
        raise click.ClickException(f"{target.source}: {refused.message}") from None
    selector = {"wsdlServiceName": wsdl_service, "wsdlEndpointName": wsdl_endpoint}
    kind = "http" if soap_to_rest else "soap"
    chosen = {name: value for name, value in selector.items() if value}
    target.put({"format": "wsdl", "value": text, "apiType": kind, "type": kind, "wsdlSelector": chosen})


@click.command("graphql")
@importer
def graphql(target: Target, text: str) -> None:
    """Import a GraphQL schema (SDL)."""
    target.put({"format": "graphql", "value": text})


@click.command("odata")
@importer
def odata(target: Target, text: str) -> None:
    """Import the metadata of an OData service (EDMX)."""
    target.put({"format": "odata", "value": text})


@click.command("grpc")
@importer
def grpc(target: Target, text: str) -> None:
    """Import a gRPC service (.proto)."""
    target.put({"format": "grpc", "value": text})

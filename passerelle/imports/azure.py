"""`passerelle import azure`: a live API Management service, as one revision; once, or again and again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from passerelle.connection import connected
from passerelle.imports.applied import Resource, apply, tell
from passerelle.imports.fetch import fetch
from passerelle.live.kinds import LEFT, SERVICE, WORKSPACE
from passerelle.live.shape import Properties
from passerelle.live.source import Snapshot, Source, SourceError
from passerelle.live.target import prepared, superfluous
from passerelle.plane import Plane, PlaneError
from passerelle.printed import json_option
from passerelle.serving import assigned, gateways_option

if TYPE_CHECKING:
    from azure.mgmt.apimanagement import ApiManagementClient

ENDPOINT = "https://management.azure.com"
FOREVER = 2**40  # seconds; a token that was given is used until Azure refuses it
EVERY = 60


@click.command("azure")
@connected
@click.option("--subscription", required=True, help="The subscription of the service in Azure.")
@click.option("--resource-group", "group", required=True, help="Its resource group.")
@click.option("--name", required=True, help="Its name.")
@click.option("--endpoint", default=ENDPOINT, show_default=True, help="Azure Resource Manager of your cloud.")
@click.option(
    "--azure-token",
    envvar="PASSERELLE_AZURE_TOKEN",
    show_envvar=True,
    help="A bearer for Azure, or @FILE that holds it, instead of what azure-identity finds (az login ...).",
)
@click.option("--azure-ca", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Its authority, as PEM.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME=@FILE", help="The value of a named value.")
@click.option("--partial", is_flag=True, help="Go on without the kinds that may not be read.")
@click.option("--prune", is_flag=True, help="Also delete here what the service does not have; gateways stay.")
@click.option("--watch", type=click.IntRange(1), is_flag=False, flag_value=EVERY, metavar="[SECONDS]", help="Go on.")
@gateways_option
@click.option("--dry-run", is_flag=True, help="Tell what would change, and change nothing.")
@json_option
def command(
    plane: Plane,
    subscription: str,
    group: str,
    name: str,
    endpoint: str,
    azure_token: str | None,
    azure_ca: Path | None,
    secrets: tuple[str, ...],
    partial: bool,
    prune: bool,
    watch: int | None,
    gateways: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the plane's service what a service in Azure is: all that the ARM API shows, or nothing.

    With --watch it goes on, every SECONDS: what changes there changes here, what goes there goes here.
    """
    given = dict(_secret(pair) for pair in secrets)
    client = _client(subscription, endpoint, azure_token, azure_ca)
    mirror = _Mirror(plane, Source(client, group, name, _say), name, given, partial, prune, gateways)
    try:
        mirror.once(dry_run, as_json)
        for each in () if watch else LEFT:
            _say(f"not moved: {each}")
        while watch:
            time.sleep(watch)
            try:
                mirror.once(dry_run, as_json)
            except click.ClickException as error:  # the next time may be better
                _say(f"Error: {error.message}")
    except KeyboardInterrupt:
        _say("ended")
    finally:
        client.close()


class _Mirror:
    """Remembers what the last round read, so that the next one knows what has gone since."""

    def __init__(
        self,
        plane: Plane,
        source: Source,
        name: str,
        given: dict[str, str],
        partial: bool,
        prune: bool,
        gateways: tuple[str, ...],
    ) -> None:
        self._plane, self._source, self._name = plane, source, name
        self._given, self._partial, self._prune, self._gateways = given, partial, prune, gateways
        self._last: dict[str, dict[str, Properties]] = {}

    def once(self, dry_run: bool, as_json: bool) -> None:
        try:
            read = self._source.read()
        except SourceError as error:
            raise click.ClickException(f"{self._name} cannot be read: {error}; nothing was changed") from None
        self._check(read)
        if not self._prune and {part: found.resources for part, found in read.items()} == self._last:
            return
        try:
            self._apply(read, dry_run, as_json)
        except PlaneError as error:
            raise click.ClickException(str(error)) from None
        self._last = {part: found.resources for part, found in read.items()}

    def _check(self, read: dict[str, Snapshot]) -> None:
        """Half a service is not applied unless that was asked for: an API without its policies is an open door."""
        lines = [f"{part or self._name}: {kind}: {why}" for part, s in read.items() for kind, why in s.unread.items()]
        if lines and not self._partial:
            raise click.ClickException(
                "these may not be read, and nothing was changed; --partial goes on without them:\n" + "\n".join(lines)
            )
        for line in lines:
            _say(f"not read: {line}")

    def _apply(self, read: dict[str, Snapshot], dry_run: bool, as_json: bool) -> None:
        """The service and its workspaces, as one change."""
        whole: list[Resource] = []
        gone: list[str] = []
        for part, snapshot in read.items():
            home, prefix = (self._plane.within(part), f"/workspaces/{part}") if part else (self._plane, "")
            resources, notes = prepared(home, snapshot.resources, self._given)
            given = tuple(f"/namedValues/{name} " for name in self._given)
            missing = [f"missing: {each}" for each in snapshot.missing if not each.startswith(given)]
            for line in notes + missing:
                _say(f"{prefix}{line}" if line.startswith("/") else line)
            whole += [(prefix + id, properties) for id, properties in resources.items()]
            if not part or self._plane.exists(prefix):
                gone += [prefix + id for id in self._gone(part, snapshot, home)]
        whole += assigned([id for id, _ in whole], self._gateways)
        tell(apply(self._plane, whole, dry_run, {}, self._name, gone), as_json)

    def _gone(self, part: str, snapshot: Snapshot, home: Plane) -> list[str]:
        now = {id.lower() for id in snapshot.resources}
        former = [id for id in self._last.get(part, {}) if id.lower() not in now]
        blind = tuple(snapshot.unread)
        gone = [id for id in former if "/".join(id.split("/")[1::2]) not in blind]
        if self._prune:
            gone += superfluous(home, WORKSPACE if part else SERVICE, snapshot.resources, snapshot.unread)
        return list(dict.fromkeys(gone))


def _client(subscription: str, endpoint: str, token: str | None, ca: Path | None) -> ApiManagementClient:
    try:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.apimanagement import ApiManagementClient
    except ImportError:
        raise click.ClickException("this needs Microsoft's client: pip install 'passerelle[azure]'") from None
    if not endpoint.startswith("https://"):
        raise click.UsageError("--endpoint must be an https address.")
    credential: Any = DefaultAzureCredential() if token is None else _Given(_text(token))
    options: dict[str, Any] = {"connection_verify": str(ca)} if ca else {}
    return ApiManagementClient(
        credential,
        subscription,
        base_url=endpoint.rstrip("/"),
        credential_scopes=[f"{endpoint.rstrip('/')}/.default"],
        retry_total=20,
        retry_status=15,  # throttled again and again
        **options,
    )


class _Given:
    """A credential of a token that somebody has."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + FOREVER)


def _text(value: str) -> str:
    return fetch(value[1:]).strip() if value.startswith("@") else value


def _secret(pair: str) -> tuple[str, str]:
    name, mark, value = pair.partition("=")
    if not mark:
        raise click.UsageError(f"--secret {name}: NAME=@FILE is needed.")
    return name, _text(value)


def _say(line: str) -> None:
    click.echo(line, err=True)

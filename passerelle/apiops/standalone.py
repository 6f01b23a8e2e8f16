"""A folder as a service of its own, without a plane: what a plane with nothing else in it would feed its gateways.

The plane's own code makes it, in a store that lives as long as the function: so it is checked alike, imported alike and
reads alike. What a plane makes up at random or by the clock is left out, so that the same folder is the same feed.
"""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from management import fingerprint
from management.batch import apply
from management.errors import ArmError
from management.feed import Feed, Fingerprints
from management.provision import DEFAULT_SERVICE, create_service
from management.store import Store, sqlite_url
from management.transaction import Transaction, find_service, writing
from management.vault import Vault
from passerelle.apiops.read import Artifacts, FolderWrong, Resource
from passerelle.apiops.settle import findings, settle

# collection -> what a plane makes up for its resources
MADE_UP = {
    "": ("debugKey",),
    "gateways": ("debugKey",),
    "subscriptions": ("primaryKey", "secondaryKey", "createdDate", "startDate"),
    "users": ("registrationDate",),
}
MASTER = "/subscriptions/master"
DATASET = "folder"  # whoever reads the feed numbers its versions
SERVICE_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?")


def feed_of(artifacts: Artifacts, folder: Path, gateway: str = "", strict: bool = True) -> tuple[list[str], list[str]]:
    """(lines of the feed, sentences on what is left out). For `gateway` what is assigned to it, for "" every API.

    Raises FolderWrong with every finding and its place.
    """
    name = artifacts.service or DEFAULT_SERVICE.rsplit("/", 1)[1]
    if not SERVICE_NAME.fullmatch(name):
        raise FolderWrong([f"apimServiceName is '{name[:60]}': it must be letters, digits and hyphens, at most 50"])
    if gateway and f"/gateways/{gateway.lower()}" not in {each.id.lower() for each in artifacts.resources}:
        raise FolderWrong(
            [f"{folder}: it has no gateways/{gateway}: gateway.name names one of the folder's, or nothing for all APIs"]
        )
    resources, told = settle(artifacts, lambda id: id == "/users/1")
    id = f"{DEFAULT_SERVICE.rsplit('/', 1)[0]}/{name}"
    with tempfile.TemporaryDirectory(prefix="passerelle-") as place:
        store = Store.open(sqlite_url(Path(place) / "store.db"), Vault(secrets.token_bytes(32)))
        store.strict = strict
        try:
            create_service(store, id, {})
            with writing(store, id) as tx:
                assert tx is not None
                _put(tx, resources, folder, told)
            lines = list(_lines(store, id, gateway, {each.id.lower(): each for each in resources}))
        finally:
            store.close()
    for resource in resources:
        if resource.id.startswith("/subscriptions/") and not resource.properties.get("primaryKey"):
            told.append(
                f"{folder / resource.files[0]}: nobody can use it, it has no primaryKey: give one in the overrides"
            )
    return lines, told


def _put(tx: Transaction, resources: list[Resource], folder: Path, told: list[str]) -> None:
    try:
        apply(tx, {"resources": [{"id": each.id, "properties": each.properties} for each in resources]})
    except ArmError as error:
        details = tuple((each.target, each.message) for each in error.details)
        # what was left out may be the reason
        raise FolderWrong([*(findings(details, folder, resources) or [error.message]), *told]) from None


def _lines(store: Store, id: str, gateway: str, given: dict[str, Resource]) -> Iterator[str]:
    with store.reading() as connection:
        service = find_service(connection, id)
        assert service is not None
        feed = Feed(connection, store.vault, service, gateway.lower(), Fingerprints({}))
        text = "".join(feed.lines(None, None))
    total, count, location = 0, 0, ""
    head = {"kind": "snapshot", "dataset": DATASET, "from": 0, "cursor": 1, "complete": True}
    yield f"H\t{json.dumps(head)}\n"
    for line in text.splitlines():
        tag, _, rest = line.partition("\t")
        if tag != "U":
            continue
        resource, digest, body = rest.split("\t", 2)
        made_up = MADE_UP.get(resource.split("/")[1])
        if made_up:
            document = _without(made_up, resource, json.loads(body), given)
            location = document["location"] if resource == "/" else location
            if resource == MASTER and not document.get("primaryKey"):
                continue
            body = fingerprint.canonical(document)
            digest = fingerprint.digest(body)
        total, count = total + fingerprint.term(resource, digest), count + 1
        yield f"U\t{resource}\t{digest}\t{body}\n"
    if not gateway:  # what context.Deployment.Gateway tells in a service without gateways of its own
        body = fingerprint.canonical({"locationData": {"name": location}})
        total, count = total + fingerprint.term("/gateways/managed", fingerprint.digest(body)), count + 1
        yield f"U\t/gateways/managed\t{fingerprint.digest(body)}\t{body}\n"
    yield f"E\t{count}\t{fingerprint.text(total)}\n"


def _without(made_up: tuple[str, ...], id: str, body: dict[str, Any], given: dict[str, Resource]) -> dict[str, Any]:
    held = given[id.lower()].properties if id.lower() in given else {}
    return {name: value for name, value in body.items() if name not in made_up or held.get(name)}

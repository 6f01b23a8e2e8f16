"""Reads a live service with the official client: everything, or nothing of a kind that may not be read.

Rules
- What is not there (404) and what the tier does not have is left out. What may not be read (403) is told by its kind;
  whoever asked decides whether the rest is of use.
- 429 and 5xx are the client's: it waits as Retry-After says.
- Secrets are asked for one by one; one that may not be read is missing, and told by name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from passerelle.apiops.layout import BUILT_IN
from passerelle.live.kinds import SERVICE, WORKSPACE, Kind
from passerelle.live.shape import Properties, masked, shaped

if TYPE_CHECKING:
    from azure.mgmt.apimanagement import ApiManagementClient

READERS = 8  # calls at a time
EVERY = 5.0  # seconds between two lines of progress
# 400s that mean "not in this tier"
NOT_THERE = frozenset({"MethodNotAllowedInPricingTier", "InvalidResourceType", "NotSupported", "ResourceNotFound"})
# keys that a secrets call tells -> the property, where it has another name
SAID = {"value", "primaryKey", "secondaryKey", "clientSecret", "resourceOwnerUsername", "resourceOwnerPassword"}


class SourceError(Exception):
    """The service cannot be read."""


@dataclass
class Snapshot:
    """`unread`: kinds that may not be read, with the reason. `missing`: secrets that nobody could tell."""

    resources: dict[str, Properties] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class Source:
    def __init__(self, client: ApiManagementClient, group: str, service: str, told: Callable[[str], None]) -> None:
        logging.getLogger("azure").setLevel(logging.ERROR)
        self._client = client
        self._at = (group, service)
        self._told = told
        self._last = time.monotonic()

    def read(self) -> dict[str, Snapshot]:
        """By workspace; "" is the service's own. Raises SourceError."""
        try:
            self._client.api_management_service.get(*self._at)
        except Exception as error:
            hint = (
                "" if _status(error) or "Credential" not in str(error) else " Sign in (az login), or give --azure-token"
            )
            raise SourceError(_why(error) + hint) from None
        with ThreadPoolExecutor(READERS) as pool:
            found = {"": _Reading(self, pool, SERVICE, "").all()}
            for id in [id for id in found[""].resources if id.startswith("/workspaces/")]:
                workspace = id.split("/")[2]
                found[workspace] = _Reading(self, pool, WORKSPACE, workspace).all()
        return found

    def call(self, group: str, method: str, *names: str, **options: Any) -> Any:
        return getattr(getattr(self._client, group), method)(*self._at, *names, **options)

    def progress(self, line: str) -> None:
        if time.monotonic() - self._last > EVERY:
            self._last = time.monotonic()
            self._told(line)


class _Reading:
    """One read of a service or of a workspace in it."""

    def __init__(self, source: Source, pool: ThreadPoolExecutor, kinds: tuple[Kind, ...], workspace: str) -> None:
        self._source, self._pool, self._kinds, self._workspace = source, pool, kinds, workspace
        self._names = (workspace,) if workspace else ()
        self.snapshot = Snapshot()

    def all(self) -> Snapshot:
        resources = self.snapshot.resources
        for kind in self._kinds:
            owners = [""] if not kind.above else self._owners(kind)
            for found in self._pool.map(partial(self._collection, kind), owners):
                resources.update(found)
            if kind.path == "apis":
                self._revisions(kind)
            self._source.progress(f"read {len(resources)} resources, now {kind.path}")
        self._operation_tags()
        return self.snapshot

    def _owners(self, kind: Kind) -> list[str]:
        """Ids of what a kind stands below."""
        if kind.path in ("products/tags", "apis/tags") and not self._has_tags():
            return []
        found = [id for id in self.snapshot.resources if "/".join(id.split("/")[1::2]) == kind.above]
        if kind.path in ("apis/releases", "apis/tags", "apis/tagDescriptions"):
            found = [id for id in found if ";rev=" not in id]
        if kind.above == "groups":
            found = [id for id in found if id not in BUILT_IN]
        if kind.above == "apis/resolvers" or kind.path == "apis/resolvers":
            found = [
                id for id in found if self.snapshot.resources["/".join(id.split("/")[:3])].get("type") == "graphql"
            ]
        return found

    def _collection(self, kind: Kind, owner: str) -> dict[str, Properties]:
        """The resources of one collection."""
        if kind.path in self.snapshot.unread:
            return {}
        names = tuple(owner.split("/")[2::2])
        found: dict[str, Properties] = {}
        try:
            listed = self._source.call(kind.group, kind.method, *self._names, *names)
            for each in getattr(listed, "value", listed) or ():  # a few lists have one page
                document = each.serialize(keep_readonly=True)
                id = f"{owner}/{kind.collection}/{document['name']}"
                if id.lower() not in BUILT_IN and not (kind.path == "tags" and not document.get("name")):
                    found[id] = self._resource(kind, id, document)
        except Exception as error:
            self._failed(kind, error)
            return {}
        return {id: properties for id, properties in found.items() if self._moves(kind, id, properties)}

    def _resource(self, kind: Kind, id: str, document: Properties) -> Properties:
        if kind.association:
            return {}
        names = (*self._names, *id.split("/")[2::2])
        if kind.whole:
            options = {"format": "rawxml"} if kind.path.endswith(("policies", "policyFragments")) else {}
            document = self._source.call(kind.group, "get", *names, **options).serialize(keep_readonly=True)
        properties = shaped(kind.path, document, self._workspace)
        if "policies" in kind.path or kind.path == "policyFragments":
            properties["format"] = "rawxml"
        hidden = kind.secrets and (
            kind.path != "namedValues" or properties.get("secret") or (document.get("properties") or {}).get("keyVault")
        )
        if hidden:
            self._secrets(kind, id, names, properties)
        if masked(properties):
            self.snapshot.missing.append(f"{id} (Azure shows it as ***)")
        return properties

    def _secrets(self, kind: Kind, id: str, names: tuple[str, ...], properties: Properties) -> None:
        try:
            told = self._source.call(kind.group, kind.secrets, *names).serialize(keep_readonly=True)
        except Exception as error:
            if _status(error) == 401:
                raise
            self.snapshot.missing.append(f"{id} ({_why(error)})")
            return
        told = told.get("properties") or told
        properties.update({name: value for name, value in told.items() if name in SAID and value})

    def _moves(self, kind: Kind, id: str, properties: Properties) -> bool:
        if kind.path == "certificates":
            self.snapshot.missing.append(f"{id} (Azure gives no private key: add the certificate here by hand)")
            return False
        if kind.path == "apis/releases":
            api, held = id.split("/releases/")[0], self.snapshot.resources
            number = str(properties.get("apiId", "")).rpartition(";rev=")[2]
            return number == str(held[api].get("apiRevision", "1")) or f"{api};rev={number}" in held
        return True

    def _revisions(self, kind: Kind) -> None:
        """The revisions that are not current, which no list of APIs has."""
        group = f"{kind.group}_revision"

        def others(id: str) -> dict[str, Properties]:
            try:
                name = id.split("/")[2]
                listed = list(self._source.call(group, "list_by_service", *self._names, name))
                names = [each.api_id.rpartition("/")[2] for each in listed if not each.is_current]
                return {
                    f"/apis/{name}": shaped(
                        "apis",
                        self._source.call(kind.group, "get", *self._names, name).serialize(keep_readonly=True),
                        self._workspace,
                    )
                    for name in names
                }
            except Exception as error:
                self._failed(kind, error)
                return {}

        current = [id for id in self.snapshot.resources if id.startswith("/apis/") and id.count("/") == 2]
        for found in self._pool.map(others, current):
            self.snapshot.resources.update(found)

    def _operation_tags(self) -> None:
        """One call for an API, not one for each of its operations."""
        if self._workspace or not self._has_tags():
            return

        def tagged(id: str) -> dict[str, Properties]:
            found: dict[str, Properties] = {}
            try:
                for each in self._source.call("operation", "list_by_tags", id.split("/")[2]):
                    document = each.serialize(keep_readonly=True)
                    operation, tag = document.get("operation") or {}, document.get("tag") or {}
                    name = str(operation.get("id", "")).rpartition("/")[2]
                    if name and tag.get("id"):
                        found[f"{id}/operations/{name}/tags/{str(tag['id']).rpartition('/')[2]}"] = {}
            except Exception as error:
                self._failed(Kind("apis/operations/tags", "operation"), error)
            return found

        apis = [
            id for id in self.snapshot.resources if id.startswith("/apis/") and id.count("/") == 2 and ";" not in id
        ]
        for found in self._pool.map(tagged, apis):
            self.snapshot.resources.update(found)

    def _has_tags(self) -> bool:
        return any(id.startswith("/tags/") for id in self.snapshot.resources)

    def _failed(self, kind: Kind, error: Exception) -> None:
        status, code = _status(error), _code(error)
        if status == 404 or code in NOT_THERE:
            return
        if status == 403:
            self.snapshot.unread[kind.path] = _why(error)
            return
        raise SourceError(f"{kind.path}: {_why(error)}") from None


def _status(error: Exception) -> int:
    return int(getattr(error, "status_code", 0) or 0)


def _code(error: Exception) -> str:
    return str(getattr(getattr(error, "error", None), "code", "") or "")


def _why(error: Exception) -> str:
    """One line, without what was sent."""
    if type(error) in (TypeError, AttributeError, KeyError, ValueError):
        raise error
    message = str(getattr(error, "message", "") or error).strip().splitlines() or [type(error).__name__]
    return f"{_status(error)} {message[0]}"[:300].strip() if _status(error) else message[0][:300]

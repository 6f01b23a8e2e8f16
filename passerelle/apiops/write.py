"""A service of a plane as an artifact folder, for `read`.

Rules
1. Policies are written as rawxml; secrets are left out, and people with them: a subscription keeps its owner's id.
2. What is written is tried: applied to where it came from it must change nothing. An operation or schema that a
   specification does not give back stands beside it; what then still differs is told.
3. The folder is replaced as a whole at the end. Hidden files in it stay, and so does what is no artifact; a folder with
   files that are something else altogether is not touched.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from passerelle.apiops.filter import Filter
from passerelle.apiops.layout import ASSOCIATIONS, BUILT_IN, INFORMATION, POLICY, collection_path, folder_of
from passerelle.apiops.read import FolderWrong, others_in, read
from passerelle.apiops.settle import described, findings
from passerelle.apiops.specification import Specification
from passerelle.plane import Plane, PlaneError

Properties = dict[str, Any]
Told = Callable[[str], None]
# what a plane computes
COMPUTED = frozenset(
    {
        *("provisioningState", "isOnline", "builtIn", "createdDate", "startDate", "createdDateTime"),
        *("updatedDateTime", "subject", "thumbprint", "expirationDate", "tagId"),
    }
)
# collections below a resource that the layout knows: parent collection -> child collections
BELOW: dict[str, tuple[str, ...]] = {
    "apis": ("diagnostics", "releases", "tagDescriptions", "wikis"),
    "products": ("apis", "groups", "wikis"),
    "gateways": ("apis",),
}
OF_ALL_REVISIONS = frozenset({"releases", "tagDescriptions", "wikis"})
TAGGED = ("apis", "products")
# what a workspace has none of
OUTSIDE = frozenset({"workspaces", "gateways", "caches", "authorizationServers", "openidConnectProviders"})
MENDED = frozenset({"apis/operations", "apis/operations/tags", "apis/schemas"})
# a policy is written before it is known whether the specification says its operation
POLICY_OF_OPERATION = re.compile(r"(?:/workspaces/[^/]+)?/apis/[^/]+/operations/[^/]+(?=/policies/policy)")
TRIES = 4
TIMEOUT = 1800.0  # seconds


def write(plane: Plane, folder: Path, wanted: Filter | None, told: Told) -> tuple[int, list[str]]:
    """(how many files there are, what of the service they do not give back).

    Raises FolderWrong, PlaneError and OSError.
    """
    beside, foreign = others_in(folder) if folder.is_dir() else ([], [])
    if foreign:
        raise FolderWrong([f"{folder / foreign[0]} is no artifact: export to an empty folder, or to one of artifacts"])
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    export = _Export(plane, told)
    for path, text in export.service("", wanted or Filter()):
        _put(draft / path, text)
    told("trying what was written")
    lost = _mend(plane, draft, whole=wanted is None)
    count = sum(each.is_file() for each in draft.rglob("*"))
    for file in beside:
        (draft / file.parent).mkdir(parents=True, exist_ok=True)
        shutil.move(str(folder / file), draft / file)
    for kept in folder.glob(".*") if folder.is_dir() else ():
        shutil.move(str(kept), draft / kept.name)  # .git and the like
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return count, lost


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


class _Export:
    """Yields (path, text)."""

    def __init__(self, plane: Plane, told: Told) -> None:
        self._plane, self._told = plane, told
        self._policies: set[str] = set()

    def service(self, workspace: str, wanted: Filter) -> Iterator[tuple[str, str]]:
        """Of the service, or of `/workspaces/w` in it."""
        for each in self._plane.all(f"{workspace}/allPolicies"):
            id = str(self._plane.relative(each["properties"]["referencePolicyId"]))
            self._policies.add(id if id.startswith(f"{workspace}/") else workspace + id)
        if wanted.wants("policies", "policy"):
            yield from self._policy(workspace)
        for collection in (each for each in INFORMATION if "/" not in each):
            if workspace and collection in OUTSIDE:
                continue
            for number, item in enumerate(self._plane.all(f"{workspace}/{collection}"), 1):
                id = f"/{collection}/{item['name']}"
                if id in BUILT_IN or not wanted.wants(collection, item["name"]):
                    continue
                self._told(f"{workspace}/{collection} {number}")
                yield from self._item(workspace + id, collection, item["properties"], wanted)

    def _item(self, id: str, collection: str, properties: Properties, wanted: Filter) -> Iterator[tuple[str, str]]:
        below = wanted.below(collection, id.rsplit("/", 1)[1])
        if collection == "apis":
            yield from self._api(id, properties, below)
        else:
            yield from self._resource(id, properties)
        if collection == "workspaces":
            yield from self.service(id, below)
        for child in BELOW.get(collection, ()):
            if ";rev=" in id and child in OF_ALL_REVISIONS:
                continue
            for each in self._plane.all(f"{id}/{child}"):
                if below.wants(child, each["name"]):
                    yield from self._resource(f"{id}/{child}/{each['name']}", each["properties"])
        if collection in ("apis", "products"):
            yield from self._policy(id)
        if collection in TAGGED and ";rev=" not in id:
            for tag in self._plane.all(f"{id}/tags"):
                yield from self._resource(f"{id}/tags/{tag['name']}", {})

    def _resource(self, id: str, properties: Properties) -> Iterator[tuple[str, str]]:
        path = collection_path(id)
        document: Properties = {}
        folder = folder_of(id)
        if path not in ASSOCIATIONS:
            shown = {name: value for name, value in self._plane.relative(properties).items() if name not in COMPUTED}
            if vault := shown.get("keyVault"):
                shown["keyVault"] = {name: value for name, value in vault.items() if name != "lastStatus"}
            if path == "policyFragments":
                yield str(folder / POLICY), str(self._plane.get(id, {"format": "rawxml"})["properties"]["value"])
                shown = {name: value for name, value in shown.items() if name not in ("format", "value")}
            document = {"properties": shown}
        yield str(folder / INFORMATION[path]), to_json(document)

    def _policy(self, owner: str) -> Iterator[tuple[str, str]]:
        if f"{owner}/policies/policy" not in self._policies:
            return
        document = self._plane.get(f"{owner}/policies/policy", {"format": "rawxml"})
        yield str(folder_of(owner) / POLICY) if owner else POLICY, str(document["properties"]["value"])

    def _api(self, id: str, properties: Properties, wanted: Filter) -> Iterator[tuple[str, str]]:
        """An API and what stands below it, but its diagnostics and releases."""
        operations = list(self._plane.all(f"{id}/operations"))
        specification = Specification.of(self._plane, id, properties, bool(operations))
        nothing = dict.fromkeys(specification.fills, "")
        yield from self._resource(id, nothing | properties | specification.options)
        if specification.file:
            yield str(folder_of(id) / specification.file), specification.text
        for operation in operations if not specification.file else ():
            yield from self._resource(f"{id}/operations/{operation['name']}", operation["properties"])
        for operation in operations:
            if wanted.wants("operations", operation["name"]):
                yield from self._policy(f"{id}/operations/{operation['name']}")
        for schema in self._plane.all(f"{id}/schemas"):
            if schema["name"] not in specification.within and wanted.wants("schemas", schema["name"]):
                yield from self._resource(f"{id}/schemas/{schema['name']}", schema["properties"])
        for resolver in self._plane.all(f"{id}/resolvers") if properties.get("type") == "graphql" else ():
            yield from self._resource(f"{id}/resolvers/{resolver['name']}", resolver["properties"])
            yield from self._policy(f"{id}/resolvers/{resolver['name']}")


def to_json(document: Properties) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _mend(plane: Plane, draft: Path, whole: bool) -> list[str]:
    """Put what a specification does not say beside it; what the folder still does not give back."""
    told: list[str] = []
    for _ in range(TRIES):
        if not any(draft.iterdir()):
            return []
        artifacts = read(draft)
        body = described(artifacts, lambda id: True) | {"prune": whole, "dryRun": True}
        try:
            lost = plane.call("POST", "/apply", body, timeout=TIMEOUT)["changes"]
            wanted = [each["id"] for each in lost if each["operation"] != "create"]
            # of operations that were changed by other means the text is written anew
            lost = [each for each in lost if collection_path(each["id"]) != "apis/specifications"]
            told = [
                f"{each['operation']} {each['id']} {', '.join(each.get('properties', []))}".strip() for each in lost
            ]
        except PlaneError as error:
            wanted = [match[0] for target, _ in error.details if (match := POLICY_OF_OPERATION.match(target))]
            found = findings(error.details, draft, artifacts.resources) or [str(error)]
            told = [f"it is refused as it stands: {each.removeprefix(f'{draft}/')}" for each in found]
        mended = [id for id in wanted if _beside(plane, draft, id)]
        if not mended:
            break
    return told


def _beside(plane: Plane, draft: Path, id: str) -> bool:
    """Write what a specification does not say as a file of its own; False for what is there, or of another kind."""
    path = collection_path(id)
    file = draft / folder_of(id) / INFORMATION.get(path, "")
    if path not in MENDED or file.exists():
        return False
    properties = {} if path in ASSOCIATIONS else {"properties": plane.relative(plane.get(id)["properties"])}
    _put(file, to_json(properties))
    return True

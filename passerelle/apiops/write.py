"""A service of a plane as an artifact folder, for `read`. Policies are written as rawxml; secrets are left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from passerelle.apiops.layout import BUILT_IN, INFORMATION, POLICY, collection_path, folder_of
from passerelle.apiops.specification import Specification
from passerelle.plane import Plane, PlaneError

Properties = dict[str, Any]
# what a plane computes
COMPUTED = frozenset({"provisioningState", "isOnline", "builtIn", "createdDate", "startDate", "updatedDateTime"})
# collections below a resource that the layout knows: parent collection -> child collections
BELOW: dict[str, tuple[str, ...]] = {
    "apis": ("diagnostics", "releases"),
    "products": ("apis", "groups"),
    "gateways": ("apis",),
}
# what stands below another resource and is one itself
OWNED = frozenset({"apis/diagnostics", "apis/releases", "apis/schemas", "apis/resolvers", "apis/operations"})
WITH_POLICY = frozenset({"apis", "products"})


def write(plane: Plane, folder: Path, told: Callable[[str], None]) -> int:
    """Everything of the plane's service; how many files there are. The folder is replaced as a whole at the end."""
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    count = 0
    for path, text in _files(plane, told):
        target = draft / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
        count += 1
    draft.mkdir(parents=True, exist_ok=True)
    for kept in folder.glob(".*") if folder.is_dir() else ():
        shutil.move(str(kept), draft / kept.name)  # .git and the like
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return count


def _files(plane: Plane, told: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    yield from _policy(plane, "")
    for collection in (each for each in INFORMATION if "/" not in each):
        told(collection)
        for item in plane.all(f"/{collection}"):
            id = f"/{collection}/{item['name']}"
            if id in BUILT_IN:
                continue
            if collection == "apis":
                yield from _api(plane, id, item["properties"])
            else:
                yield from _resource(plane, id, item["properties"])
            for below in BELOW.get(collection, ()):
                if ";rev=" in id and below == "releases":
                    continue
                for child in plane.all(f"{id}/{below}"):
                    if f"/{below}/{child['name']}" not in BUILT_IN:
                        yield from _resource(plane, f"{id}/{below}/{child['name']}", child["properties"])
            if collection in WITH_POLICY:
                yield from _policy(plane, id)
            if collection in ("apis", "products") and ";rev=" not in id:
                for tag in plane.all(f"{id}/tags"):
                    yield from _resource(plane, f"{id}/tags/{tag['name']}", {})


def _resource(plane: Plane, id: str, properties: Properties) -> Iterator[tuple[str, str]]:
    path = collection_path(id)
    association = "/" in path and path not in OWNED
    document: Properties = {}
    folder = folder_of(id)
    if not association:
        shown = {name: value for name, value in plane.relative(properties).items() if name not in COMPUTED}
        if path == "policyFragments":
            yield str(folder / POLICY), str(plane.get(id, {"format": "rawxml"})["properties"]["value"])
            shown = {name: value for name, value in shown.items() if name not in ("format", "value")}
        document = {"properties": shown}
    yield str(folder / INFORMATION[path]), json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _policy(plane: Plane, owner: str) -> Iterator[tuple[str, str]]:
    try:
        document = plane.get(f"{owner}/policies/policy", {"format": "rawxml"})
    except PlaneError as error:
        if error.status == 404:
            return
        raise
    yield str(folder_of(owner) / POLICY) if owner else POLICY, str(document["properties"]["value"])


def _api(plane: Plane, id: str, properties: Properties) -> Iterator[tuple[str, str]]:
    """An API and what stands below it, but its diagnostics and releases."""
    operations = list(plane.all(f"{id}/operations"))
    specification = Specification.of(plane, id, properties, operations)
    nothing = dict.fromkeys(specification.fills, "")
    yield from _resource(plane, id, nothing | properties | specification.options)
    if specification.file:
        yield str(folder_of(id) / specification.file), specification.text
    for operation in specification.unsaid:
        yield from _resource(plane, f"{id}/operations/{operation['name']}", operation["properties"])
    for operation in operations:
        yield from _policy(plane, f"{id}/operations/{operation['name']}")
    for schema in plane.all(f"{id}/schemas"):
        if schema["name"] not in specification.within:
            yield from _resource(plane, f"{id}/schemas/{schema['name']}", schema["properties"])
    for resolver in plane.all(f"{id}/resolvers") if properties.get("type") == "graphql" else ():
        yield from _resource(plane, f"{id}/resolvers/{resolver['name']}", resolver["properties"])
        yield from _policy(plane, f"{id}/resolvers/{resolver['name']}")

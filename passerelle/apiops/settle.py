"""What an extracted folder lacks, because no tool extracts it: secrets, and people; and what is wrong with the rest.

Rules
1. A secret that the target has already is left as it is there; one that it does not have is left out and told. A policy
   that needs it is refused then, by its own name. A certificate cannot be put without its data, so it stays as it is.
2. A subscription whose owner is not there has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from passerelle.apiops.layout import LISTS
from passerelle.apiops.places import in_list, located
from passerelle.apiops.read import Artifacts, Resource

DATA = "data"

Exists = Callable[[str], bool]


def settle(artifacts: Artifacts, exists: Exists) -> tuple[list[Resource], list[str]]:
    """(what can be applied, sentences on what cannot). `exists` says whether the target has a resource."""
    kept: list[Resource] = []
    told = list(artifacts.left_out)
    for resource in artifacts.resources:
        missing = _missing(resource)
        if missing and (missing == DATA or not exists(resource.id)):
            if not exists(resource.id):
                told.append(
                    f"{artifacts.folder / resource.files[0]}: left out, it has no {missing}: give one in the overrides"
                )
            continue
        owner = resource.properties.get("ownerId")
        if isinstance(owner, str) and not exists(owner):
            told.append(
                f"{artifacts.folder / resource.files[0]}: there is no {owner}, so the subscription has no owner"
            )
            without = {name: value for name, value in resource.properties.items() if name != "ownerId"}
            resource = replace(resource, properties=without)
        kept.append(resource)
    return kept, told


def described(artifacts: Artifacts, exists: Exists) -> dict[str, Any]:
    """The body of an `apply` of a folder; `keep` is what it has and cannot say."""
    kept, _ = settle(artifacts, exists)
    ids = {each.id for each in kept}
    return {
        "resources": [{"id": each.id, "properties": each.properties} for each in kept],
        "keep": [each.id for each in artifacts.resources if each.id not in ids],
    }


def _missing(resource: Resource) -> str:
    properties, parts = resource.properties, resource.id.split("/")
    if parts[-2] == "namedValues" and not properties.get("value") and not properties.get("keyVault"):
        return "value"
    if parts[-2] == "certificates" and not properties.get("data") and not properties.get("keyVault"):
        return DATA
    return ""


def findings(details: tuple[tuple[str, str], ...], folder: Path, resources: list[Resource]) -> list[str]:
    """What is wrong with resources, each with its place in the folder. A target is an id, a blank, and a property."""
    files = {each.id.lower(): each.files for each in resources}
    lines = []
    for target, message in details:
        id, _, field = target.partition(" ")
        if id.lower() not in files:  # an id may have blanks
            id = max((each for each in files if target.lower().startswith(each)), key=len, default=id)
            field = target[len(id) :].strip()
        of = files.get(id.lower(), ())
        if of and PurePosixPath(of[0]).name in LISTS:
            lines.append(f"{in_list(folder / of[0], id.rsplit('/', 1)[1])}: {message}")
        else:
            lines.append(located(folder, of, field, message) if of else f"{id}: {message}")
    return lines

"""`configuration.<environment>.yaml`: properties that differ between environments.

    apimServiceName: shop-prod
    namedValues:
    - name: colour
      properties: {value: red}
    apis:
    - name: shop
      properties: {serviceUrl: "https://shop.example.com"}
      diagnostics:
      - {name: applicationinsights, properties: {verbosity: error}}
    workspaces:
    - name: partners
      apis: [...]

As Azure/apiops and Azure/apiops-cli read it: names and properties have no case, a property that is there is replaced,
objects are merged. A name that the folder does not have is told and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from passerelle.apiops import tokens as marks
from passerelle.apiops.places import at
from passerelle.apiops.wrong import FolderWrong

Properties = dict[str, Any]
# sections of the file, without their case -> collections of ids; nested ones stand below their owner
SECTIONS = {
    each.lower(): each
    for each in (
        *("apis", "backends", "diagnostics", "gateways", "groups", "loggers", "namedValues", "policyFragments"),
        *("products", "subscriptions", "tags", "operations", "releases", "policies", "schemas", "policyRestrictions"),
        *("apiVersionSets", "workspaces", "resolvers", "tagDescriptions", "certificates", "caches"),
        *("authorizationServers", "openidConnectProviders"),
    )
} | {"versionsets": "apiVersionSets"}
SERVICE_NAME = "apimservicename"
# what is overridden and often not in the folder, for files that write it in a case of their own
SPELT = {
    each.lower(): each
    for each in (
        *("value", "keyVault", "secretIdentifier", "identityClientId", "displayName", "serviceUrl", "resourceId"),
        *("loggerId", "loggerType", "instrumentationKey", "connectionString", "primaryKey", "secondaryKey", "url"),
        *("subscriptionRequired", "description", "scope", "state", "ownerId", "credentials", "data", "password"),
    )
}


@dataclass(slots=True)
class Overrides:
    """`service` is what `apimServiceName` says; `properties` are (id, what to merge into its properties)."""

    file: Path | None = None
    service: str = ""
    properties: list[tuple[str, Properties]] = field(default_factory=list)


def read_overrides(path: Path, tokens: Mapping[str, str]) -> Overrides:
    """Raises FolderWrong, also for a token without a value."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = yaml.safe_load(marks.mark(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = at(path, mark.line + 1, mark.column + 1) if mark else str(path)
        raise FolderWrong([f"{place}: {error.problem}"]) from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise FolderWrong([f"{path}: {error}"]) from None
    unknown: set[str] = set()
    document = marks.fill(document or {}, tokens, unknown)
    if unknown:
        raise FolderWrong([_without_value(path, text, token) for token in sorted(unknown)])
    if not isinstance(document, dict):
        raise FolderWrong([f"{path}: it must hold lists of overrides by collection"])
    found = Overrides(path)
    for name, value in document.items():
        if str(name).lower() == SERVICE_NAME and isinstance(value, str):
            found.service = value
    found.properties += _of_sections(path, "", document)
    return found


def merge(properties: Properties, wanted: Mapping[str, Any]) -> None:
    """Put `wanted` over `properties`; a property is the same whatever its case."""
    names = {name.lower(): name for name in properties}
    for written, value in wanted.items():
        name = names.get(str(written).lower()) or SPELT.get(str(written).lower(), str(written))
        held = properties.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            merge(held, value)
        else:
            properties[name] = value


def _of_sections(path: Path, owner: str, document: Mapping[Any, Any]) -> Iterable[tuple[str, Properties]]:
    for written, items in document.items():
        section = SECTIONS.get(str(written).lower())
        if section is None or items is None:
            if not owner and str(written).lower() != SERVICE_NAME and not str(written).startswith("$"):
                raise FolderWrong([f"{path}: '{written}' is no section of overrides: those are {', '.join(_KNOWN)}"])
            continue
        if not isinstance(items, list):
            raise FolderWrong([f"{path}: {written} must be a list"])
        for item in items:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str | int):
                raise FolderWrong([f"{path}: each of {written} needs a name"])
            id = f"{owner}/{section}/{item['name']}"
            if isinstance(item.get("properties"), dict):
                yield id, item["properties"]
            yield from _of_sections(path, id, {key: value for key, value in item.items() if isinstance(value, list)})


def _without_value(path: Path, text: str, token: str) -> str:
    before = text[: text.index(token)]
    place = at(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
    return f"{place}: {token} has no value: give it by --set, in the folder of tokens, or in the environment"


_KNOWN = sorted({"apimServiceName", *SECTIONS.values(), "versionSets"})

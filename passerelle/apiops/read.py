"""An artifact folder as a list of resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from passerelle.apiops.layout import FORMATS, GRAPHQL, GRAPHQL_SCHEMA, POLICY, id_of

Properties = dict[str, Any]
LARGEST = 4 * 1024 * 1024
# files of the tool itself, beside or in the folder
CONFIGURATION = re.compile(r"configuration\..*\.?ya?ml", re.IGNORECASE)
# collections of an override file -> of ids; nested ones stand below their owner
OVERRIDES = {
    **{name: name for name in ("apis", "backends", "diagnostics", "gateways", "groups", "loggers", "namedValues")},
    **{name: name for name in ("policyFragments", "products", "subscriptions", "tags", "operations", "releases")},
    "apiVersionSets": "apiVersionSets",
    "versionSets": "apiVersionSets",
    "policies": "policies",
}
TOKEN = re.compile(r"\{#([\w.-]+)#\}")


class FolderWrong(Exception):
    """Names the file, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """`files` are where it came from, relative to the folder."""

    id: str
    properties: Properties
    files: tuple[str, ...]


def read(folder: Path, overrides: Path | None = None, tokens: Mapping[str, str] | None = None) -> list[Resource]:
    """Every resource of a folder. `tokens` replace `{#name#}` in its files. Raises FolderWrong."""
    if not folder.is_dir():
        raise FolderWrong(f"{folder} is not a folder")
    found: dict[str, tuple[Properties, list[str]]] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        if any(part.startswith(".") for part in relative.parts) or CONFIGURATION.fullmatch(relative.name):
            continue
        for id, properties in _resources(relative, _text(path, relative, tokens or {})):
            held = found.setdefault(id, ({}, []))
            held[0].update(properties)
            held[1].append(str(relative))
    if not found:
        raise FolderWrong(f"{folder} holds no artifacts: it has folders such as apis, products and 'named values'")
    for id, properties in _overrides(overrides):
        if id not in found:
            raise FolderWrong(f"{overrides}: there is no {id} in {folder}")
        _merge(found[id][0], properties)
    return [Resource(id, properties, tuple(files)) for id, (properties, files) in found.items()]


def _text(path: Path, relative: PurePosixPath, tokens: Mapping[str, str]) -> str:
    if path.stat().st_size > LARGEST:
        raise FolderWrong(f"{relative} is larger than {LARGEST} bytes")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except ValueError:
        raise FolderWrong(f"{relative} is not a text in UTF-8") from None
    return TOKEN.sub(lambda match: tokens.get(match[1], match[0]), text)


def _resources(file: PurePosixPath, text: str) -> Iterable[tuple[str, Properties]]:
    try:
        id = id_of(file.parent)
    except ValueError:
        raise FolderWrong(f"{file} belongs to no resource: a folder's path alternates collections and names") from None
    if file.name == POLICY:
        document = {"format": "rawxml", "value": text}
        yield (id, document) if id.startswith("/policyFragments/") else (f"{id}/policies/policy", document)
    elif file.name in FORMATS and id.startswith("/apis/"):
        yield id, {"format": FORMATS[file.name], "value": text}
    elif file.name == GRAPHQL and id.startswith("/apis/"):
        yield f"{id}/schemas/graphql", {"contentType": GRAPHQL_SCHEMA, "document": {"value": text}}
    elif file.name.endswith("Information.json") and id:
        yield id, _properties(file, text)
    else:
        raise FolderWrong(
            f"{file} is no artifact: those are *Information.json, policy.xml and specification.yaml, .json, .wsdl, "
            ".wadl or .graphql"
        )


def _properties(file: PurePosixPath, text: str) -> Properties:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise FolderWrong(f"{file}: {error}") from None
    properties = document.get("properties", {}) if isinstance(document, dict) else None
    if not isinstance(properties, dict):
        raise FolderWrong(f'{file} must hold {{"properties": {{...}}}}')
    return properties


def _overrides(path: Path | None) -> Iterable[tuple[str, Properties]]:
    """(id, properties) of `configuration.<environment>.yaml`."""
    if path is None:
        return
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FolderWrong(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise FolderWrong(f"{path} must hold lists of overrides by collection")
    yield from _of_collections(path, "", document)


def _of_collections(path: Path, owner: str, document: Mapping[str, Any]) -> Iterable[tuple[str, Properties]]:
    for name, items in document.items():
        if name not in OVERRIDES or not isinstance(items, list):
            continue
        for item in items:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                raise FolderWrong(f"{path}: each of {name} needs a name")
            id = f"{owner}/{OVERRIDES[name]}/{item['name']}"
            if isinstance(item.get("properties"), dict):
                yield id, item["properties"]
            yield from _of_collections(path, id, item)


def _merge(properties: Properties, wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        held = properties.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            _merge(held, value)
        else:
            properties[name] = value

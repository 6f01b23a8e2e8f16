"""An artifact folder as a list of resources.

Rules
1. A file is part of a resource or it is refused, so that a misspelt policy is not a missing one. Left out are hidden
   files, the tool's own configuration, and what no tool could take for an artifact (README.md); the latter are told.
2. Ids in it may be those of any service, as extracted: `/subscriptions/.../service/other/loggers/x` is `/loggers/x`.
3. A property that is null is not there.
4. Symbolic links are followed: a mounted ConfigMap and git-sync are made of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from passerelle.apiops import tokens as marks
from passerelle.apiops.former import VERSION_SET, Former
from passerelle.apiops.layout import BUILT_IN, FORMATS, GRAPHQL, GRAPHQL_SCHEMA, LISTS, POLICY, id_of
from passerelle.apiops.overrides import Overrides, merge, read_overrides
from passerelle.apiops.places import at
from passerelle.apiops.tokens import Tokens
from passerelle.apiops.wrong import FolderWrong

Properties = dict[str, Any]
LARGEST = 16 * 1024 * 1024  # what an import takes
MOST = 200_000  # files
# files of the tool itself, beside or in the folder
FULL_SYNC = "full-sync.txt"  # a mark for agents: docs/configuration-as-code.md
CONFIGURATION = re.compile(r"configuration\..*\.?ya?ml", re.IGNORECASE)
ARTIFACTS = frozenset({".json", ".xml", ".yaml", ".yml", ".graphql", ".wsdl", ".wadl", ".xsd", ".edmx", ".proto"})
SERVICE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ApiManagement/service/[^/]+", re.IGNORECASE
)
# JSON of others, in which null may mean something and an id is only a text
OPAQUE = frozenset({"document", "value"})


@dataclass(frozen=True, slots=True)
class Resource:
    """`files` are where it came from, relative to the folder."""

    id: str
    properties: Properties
    files: tuple[str, ...]


@dataclass(slots=True)
class Artifacts:
    """What a folder holds. `left_out` are sentences on what is not taken; `service` a name for it, if there is one."""

    resources: list[Resource]
    left_out: list[str] = field(default_factory=list)
    service: str = ""
    folder: Path = Path()


def read(folder: Path, overrides: Path | None = None, tokens: Mapping[str, str] | None = None) -> Artifacts:
    """Every resource of a folder, with the overrides. Raises FolderWrong."""
    if not folder.is_dir():
        raise FolderWrong([f"{folder} is not a folder"])
    tokens = Tokens() if tokens is None else tokens
    given = read_overrides(overrides, tokens) if overrides is not None else Overrides()
    reader = _Reader(folder, tokens)
    for path in files_of(folder):
        reader.take(path)
    reader.finish()
    if reader.wrong:
        raise FolderWrong(reader.wrong)
    if not reader.found:
        raise FolderWrong([f"{folder} holds no artifacts: it has folders such as apis, products and 'named values'"])
    reader.override(given)
    resources = [Resource(id, properties, tuple(files)) for id, (properties, files) in reader.found.values()]
    return Artifacts(resources, reader.left_out, given.service, folder)


def files_of(folder: Path) -> list[PurePosixPath]:
    """Relative paths of the files, sorted; without hidden ones. Raises FolderWrong for a folder without an end."""
    found: list[PurePosixPath] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            raise FolderWrong([f"{place} is a link to a folder that is in {folder} already"])
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = PurePosixPath(os.path.relpath(place, folder))
        found += [relative / name for name in names if not name.startswith(".")]
        if len(found) > MOST:
            raise FolderWrong([f"{folder} has more than {MOST} files"])
    return sorted(found)


def others_in(folder: Path) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """(files that are no artifacts but may stand among them, files that look like some and are none)."""
    beside: list[PurePosixPath] = []
    foreign: list[PurePosixPath] = []
    for file in files_of(folder):
        if CONFIGURATION.fullmatch(file.name) or file.suffix.lower() not in ARTIFACTS:
            beside.append(file)
        elif file.name not in (POLICY, GRAPHQL, VERSION_SET, *FORMATS, *LISTS) and not (
            file.name.lower().endswith("information.json") and len(file.parts) > 2
        ):
            foreign.append(file)
    return beside, foreign


class _Reader:
    def __init__(self, folder: Path, tokens: Mapping[str, str]) -> None:
        self._folder, self._tokens = folder, tokens
        self._former = Former(folder)
        # id in lower case -> (id, (properties, files))
        self.found: dict[str, tuple[str, tuple[Properties, list[str]]]] = {}
        self.wrong: list[str] = []
        self.left_out: list[str] = []

    def take(self, file: PurePosixPath) -> None:
        """Keep what a file says, or why it is refused."""
        if CONFIGURATION.fullmatch(file.name) or str(file) == FULL_SYNC:
            return
        if file.suffix.lower() not in ARTIFACTS:
            self.left_out.append(f"{self._folder / file} is no artifact")
            return
        try:
            for id, properties in self._resources(file):
                self._keep(id, properties, str(file))
        except FolderWrong as error:
            self.wrong += error.findings

    def _keep(self, id: str, properties: Properties, file: str) -> None:
        _, (held, files) = self.found.setdefault(id.lower(), (id, ({}, [])))
        if "/specification." in file and (others := [name for name in files if "/specification." in name]):
            self.left_out.append(f"{self._folder / others[0]}: left out, {PurePosixPath(file).name} stands beside it")
            files.remove(others[0])
        # a document beside an information file is the newer one
        weaker = {"format", "value"} & held.keys() if file.endswith("Information.json") else ()
        held.update({name: value for name, value in properties.items() if name not in weaker})
        files.append(file)

    def _resources(self, file: PurePosixPath) -> Iterator[tuple[str, Properties]]:
        try:
            id = self._former.id_of(file.parent)
        except ValueError:
            raise FolderWrong(
                [f"{self._folder / file}: it belongs to no resource: a folder's path alternates collections and names"]
            ) from None
        name = file.name
        owner = id.rsplit("/", 2)[-2:-1]
        if name == POLICY:
            document = {"format": "rawxml", "value": self._text(file)}
            yield (id, document) if owner == ["policyFragments"] else (f"{id}/policies/policy", document)
        elif name in FORMATS and owner == ["apis"]:
            yield id, {"format": FORMATS[name], "value": self._text(file)}
        elif name == GRAPHQL and owner == ["apis"]:
            yield f"{id}/schemas/graphql", {"contentType": GRAPHQL_SCHEMA, "document": {"value": self._text(file)}}
        elif name in LISTS and owner in (["products"], ["gateways"], ["apis"]):
            for each in self._names(file):
                yield f"{id}/{LISTS[name]}/{each}", {}
        elif name == VERSION_SET and owner == ["apis"]:
            yield self._former.version_set(file), self._properties(file)
        elif name.lower().endswith("information.json") and id:
            yield id, self._properties(file)
        else:
            raise FolderWrong(
                [
                    f"{self._folder / file}: it is no artifact: those are *Information.json, policy.xml, apis.json, "
                    "groups.json, tags.json, and specification.yaml, .json, .wsdl, .wadl or .graphql"
                ]
            )

    def finish(self) -> None:
        """Leave out what every service has, and what nothing can be done with."""
        for id in BUILT_IN:
            held = self.found.get(id)
            if held is not None and not held[1][0].get("primaryKey"):
                del self.found[id]

    def override(self, given: Overrides) -> None:
        for id, wanted in given.properties:
            held = self.found.get(id.lower())
            if held is None and id == "/subscriptions/master":
                held = self.found[id] = (id, ({"displayName": "Built-in all-access subscription", "scope": "/"}, []))
            if held is None:
                self.left_out.append(f"{given.file}: there is no {id} in {self._folder}")
                continue
            properties, files = held[1]
            if any(str(name).lower() == "value" for name in wanted):
                properties.pop("keyVault", None)
            merge(properties, _plain(wanted))
            files.append(str(given.file))

    def _text(self, file: PurePosixPath) -> str:
        unknown: set[str] = set()
        text = marks.replace(self._read(file), self._tokens, unknown)
        self._tell(file, unknown)
        return text

    def _tell(self, file: PurePosixPath, unknown: Iterable[str]) -> None:
        self.left_out += [f"{self._folder / file}: {token} stays as it is: it has no value" for token in unknown]

    def _read(self, file: PurePosixPath) -> str:
        path = self._folder / file
        try:
            if path.stat().st_size > LARGEST:
                raise FolderWrong([f"{path}: it is larger than {LARGEST} bytes"])
            return path.read_bytes().decode("utf-8-sig")
        except ValueError:
            raise FolderWrong([f"{path}: it is not a text in UTF-8"]) from None
        except OSError as error:
            raise FolderWrong([f"{path}: {error.strerror}"]) from None

    def _json(self, file: PurePosixPath) -> Any:
        unknown: set[str] = set()
        try:
            document = json.loads(marks.mark(self._read(file)))
        except json.JSONDecodeError as error:
            raise FolderWrong([f"{at(self._folder / file, error.lineno, error.colno)}: {error.msg}"]) from None
        except (ValueError, RecursionError) as error:
            raise FolderWrong([f"{self._folder / file}: {error}"]) from None
        document = marks.fill(document, self._tokens, unknown)
        self._tell(file, unknown)
        return document

    def _properties(self, file: PurePosixPath) -> Properties:
        document = self._json(file)
        properties = document.get("properties") or {} if isinstance(document, dict) else None
        if not isinstance(properties, dict):
            raise FolderWrong([f'{self._folder / file}: it must hold {{"properties": {{...}}}}'])
        plain: Properties = _plain(properties)
        return plain

    def _names(self, file: PurePosixPath) -> Iterator[str]:
        document = self._json(file)
        for each in document if isinstance(document, list) else [None]:
            name = each.get("name") if isinstance(each, dict) else each
            if not isinstance(name, str) or not name:
                raise FolderWrong([f'{self._folder / file}: it must be a list of {{"name": "..."}}'])
            yield name.rsplit("/", 1)[-1]


def _plain(value: Any) -> Any:
    """Without what is null, and with the ids of any service relative to it."""
    if isinstance(value, dict):
        return {key: each if key in OPAQUE else _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str) and (found := SERVICE.match(value)) and value[found.end() : found.end() + 1] in ("", "/"):
        return value[found.end() :] or "/"
    return value


__all__ = ["Artifacts", "FolderWrong", "Resource", "files_of", "id_of", "read"]

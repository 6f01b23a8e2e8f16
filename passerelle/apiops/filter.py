"""`configuration.extractor.yaml`: which resources are exported.

    apiNames: [shop, "v2-*"]        (or apis: ..., as Azure/apiops-cli writes it)
    productNames: []
    apis:
    - orders:
        operations: [get-order]     (its diagnostics, releases, schemas ... alike)

A section that is not there means all, an empty one none. Names have no case; `*` stands for any text, `?` for a sign.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from passerelle.apiops.layout import BUILT_IN
from passerelle.apiops.overrides import SECTIONS
from passerelle.apiops.wrong import FolderWrong

_NAMES = {f"{section.removesuffix('s')}names": name for section, name in SECTIONS.items()} | {"policynames": "policies"}


class Filter:
    """`wants(id)` says whether a resource is exported."""

    def __init__(self, names: Mapping[str, list[Any]] | None = None) -> None:
        self._names = dict(names or {})

    @classmethod
    def read(cls, path: Path) -> Filter:
        """Raises FolderWrong."""
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise FolderWrong([f"{path}: {error}"]) from None
        if not isinstance(document, dict):
            raise FolderWrong([f"{path}: it must hold lists of names by collection"])
        return cls(_sections(path, document))

    def wants(self, collection: str, name: str) -> bool:
        """A resource at the top; `apis` by the name of the API, for all its revisions."""
        return self._entry(collection, name) is not None

    def below(self, collection: str, name: str) -> Filter:
        """For what stands below a resource that is wanted."""
        entry = self._entry(collection, name)
        return Filter(entry if isinstance(entry, Mapping) else None)

    def _entry(self, collection: str, name: str) -> Any:
        """What the filter says of a resource: None, True, or the sections of what is below it."""
        if collection not in self._names:
            return True
        plain = name.split(";", 1)[0].lower()
        for each in self._names[collection]:
            pattern, sections = each if isinstance(each, tuple) else (each, True)
            if fnmatch.fnmatchcase(plain, pattern.lower().replace("[", "[[]")):
                return sections
        return None


def _sections(path: Path, document: Mapping[Any, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for written, items in document.items():
        name = str(written).lower()
        section = SECTIONS.get(name) or _NAMES.get(name)
        if section is None:
            raise FolderWrong([f"{path}: '{written}' is no section of a filter: those are apiNames, productNames ..."])
        if items is None:
            continue
        if not isinstance(items, list):
            raise FolderWrong([f"{path}: {written} must be a list of names"])
        found.setdefault(section, []).extend(_entry(path, str(written), each) for each in items)
    return found


def _entry(path: Path, section: str, item: Any) -> Any:
    if isinstance(item, str | int):
        return str(item)
    if isinstance(item, dict) and len(item) == 1:
        name, sections = next(iter(item.items()))
        return str(name), _sections(path, sections) if isinstance(sections, dict) else True
    raise FolderWrong([f"{path}: each of {section} is a name, or a name with lists of what is below it"])


def built_in(id: str) -> bool:
    """Whether every service has it and no folder says it."""
    return id.lower() in BUILT_IN

"""The layout of the first APIOps toolkit (2022): folders are called as people see things, files say the name.

    apis/IATI Datastore/Original/1/apiInformation.json    {"name": "datastore;rev=1", "properties": {...}}
    apis/IATI Datastore/apiVersionSet.json                {"name": "62a18c1e", "properties": {...}}
    products/Full Access/productInformation.json          {"name": "full-access", "properties": {...}}

Later ones have `name` too when they write whole ARM documents, with `id` and `type`; there the folder is the name.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from passerelle.apiops.layout import collection, id_of
from passerelle.apiops.wrong import FolderWrong

# folders of an API are its display name, version and revision
API_DEPTH = 4
VERSION_SET = "apiVersionSet.json"


class Former:
    """Ids of folders; those of the first layout by what their information file says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[PurePosixPath, str] = {}

    def id_of(self, folder: PurePosixPath) -> str:
        """ValueError for a folder that is no resource's."""
        parts = folder.parts
        for depth in (API_DEPTH, 2) if parts and collection(parts[0]) == "apis" else (2,):
            if len(parts) >= depth and (name := self._name(PurePosixPath(*parts[:depth]))):
                return id_of(PurePosixPath(collection(parts[0]), name, *parts[depth:]))
        return id_of(folder)

    def version_set(self, file: PurePosixPath) -> str:
        """The id of the version set that stands among the versions of an API. Raises FolderWrong."""
        name = self._said(self._folder / file)
        if not name:
            raise FolderWrong([f'{self._folder / file}: it must say its name: {{"name": "...", "properties": ...}}'])
        return f"/apiVersionSets/{name}"

    def _name(self, folder: PurePosixPath) -> str:
        if folder not in self._names:
            self._names[folder] = self._told(self._folder / folder, len(folder.parts) == API_DEPTH)
        return self._names[folder]

    def _told(self, folder: Path, api: bool) -> str:
        found = map(self._said, folder.glob("apiInformation.json" if api else "*Information.json"))
        return next(filter(None, found), "")

    def _said(self, file: Path) -> str:
        try:
            document = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            return ""
        if isinstance(document, dict) and isinstance(document.get("name"), str) and "id" not in document:
            return str(document["name"])
        return ""

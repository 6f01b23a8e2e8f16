"""The files that the sub-commands read: documents, named values, fragments. What is wrong with one is a usage error.

A document's scope is told by its root element, else by its place in a folder as APIOps lays it out, else it is one at
which all of its policies may stand, `api` if possible.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

import proxy.policies  # noqa: F401  (fills the registry)
from passerelle.apiops.layout import INFORMATION, POLICY
from proxy.pipeline.registry import REGISTRY
from proxy.schemas.library import Document, Library, read_document

SCOPES = ("global", "workspace", "product", "api", "operation", "resolver", "fragment")
STDIN = "-"
_PREFERRED = ("api", "operation", "product", "global", "workspace")
_FOLDERS = {
    "apis": "api", "operations": "operation", "products": "product", "workspaces": "workspace",
    "policyfragments": "fragment", "policy fragments": "fragment",
}  # fmt: skip
_STARTS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip
_DECLARED = re.compile(
    rb"""<\?xml[^>]*\bencoding\s*=\s*["'](iso-8859-[0-9]+|windows-[0-9]+|us-ascii)["']""", re.IGNORECASE
)


def documents(names: tuple[str, ...]) -> Iterator[str]:
    """The files named, and the .xml files of the folders named."""
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            found = sorted(each for each in path.rglob("*.xml") if each.is_file())
            if not found:
                raise click.UsageError(f"{name} holds no .xml file.")
            yield from map(str, found)
        else:
            yield name


def read_text(name: str) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return data.decode(_encoding(data))
    except OSError as problem:
        raise click.UsageError(f"{name} cannot be read: {problem.strerror}.") from None
    except LookupError as problem:
        raise click.UsageError(f"{name}: {problem}. Save it as UTF-8.") from None
    except UnicodeDecodeError as problem:
        raise click.UsageError(f"{name} is not UTF-8 text (byte {problem.start}). Save it as UTF-8.") from None


def _encoding(data: bytes) -> str:
    """What the first bytes tell. A declared UTF-16 is not believed: what .NET writes says so in any encoding."""
    for mark, encoding in _STARTS:
        if data.startswith(mark):
            return encoding
    declared = _DECLARED.match(data)
    return declared[1].decode() if declared else "utf-8"


def read_yaml(name: str) -> Any:
    """A YAML or JSON file, which is YAML too."""
    return parse_yaml(name, read_text(name))


def parse_yaml(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        what = getattr(problem, "problem", None) or "not YAML"
        raise click.UsageError(f"{name}{place}: {what}.") from None


def named_values(name: str | None) -> dict[str, str]:
    """The named values of a file: a mapping from name to value."""
    if name is None:
        return {}
    loaded = read_yaml(name) or {}
    if not isinstance(loaded, dict) or any(isinstance(value, dict | list) for value in loaded.values()):
        raise click.UsageError(f"{name} must be a mapping from the name of a named value to its value.")
    return {str(key): _plain(value) for key, value in loaded.items()}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def fragments(folder: str | None) -> dict[str, str]:
    """Fragments by id: NAME.xml, or NAME/policy.xml as APIOps has them."""
    return {name: read_text(file) for name, file in fragment_files(folder).items()}


def fragment_files(folder: str | None) -> dict[str, str]:
    """Where each fragment stands."""
    if folder is None:
        return {}
    found: dict[str, str] = {}
    for path in sorted(Path(folder).rglob("*.xml")):
        name = path.parent.name if path.stem == "policy" and path.parent != Path(folder) else path.stem
        found[name] = str(path)
    if not found:
        raise click.UsageError(f"{folder} holds no fragment. A fragment is a file NAME.xml or NAME/policy.xml.")
    return found


def of_artifacts(names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """What folders of APIOps artifacts among `names` have: named values with a value, files of fragments, backends."""
    values: dict[str, str] = {}
    found: dict[str, str] = {}
    backends: set[str] = set()
    for folder in (Path(name) for name in names if name != STDIN and Path(name).is_dir()):
        for path in folder.rglob(INFORMATION["namedValues"]):
            document = read_yaml(str(path))
            properties = document.get("properties") if isinstance(document, dict) else None
            if isinstance(properties, dict) and isinstance(properties.get("value"), str):
                values[str(properties.get("displayName") or path.parent.name)] = properties["value"]
        for path in folder.rglob(INFORMATION["policyFragments"]):
            if (path.parent / POLICY).is_file():
                found[path.parent.name] = str(path.parent / POLICY)
        backends.update(path.parent.name for path in folder.rglob(INFORMATION["backends"]))
    return values, found, backends


def schemas(folder: str | None) -> Library | None:
    """Schemas of the service by id: NAME.json and NAME.xsd; None when nobody says which there are."""
    if folder is None:
        return None
    found: dict[str, Document] = {}
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in (".json", ".xsd"):
            kind = "json" if path.suffix.lower() == ".json" else "xml"
            try:
                found[path.stem] = read_document({"schemaType": kind, "value": read_text(str(path))})
            except ValueError as problem:
                raise click.UsageError(f"{path}: {problem}.") from None
    if not found:
        raise click.UsageError(f"{folder} holds no schema. A schema is a file NAME.json or NAME.xsd.")
    return Library(found)


def scope_of(name: str, text: str) -> str:
    """The scope that a document's root element, place or policies tell."""
    if "<fragment" in text and "<policies" not in text:
        return "fragment"
    if "-data-source" in text and "<policies" not in text:
        return "resolver"
    parts = [part.lower() for part in Path(name).absolute().parts[:-1]]
    inner = [(parts.index(folder), scope) for folder, scope in _FOLDERS.items() if folder in parts]
    return max(inner)[1] if inner else _fitting(text)


def _fitting(text: str) -> str:
    allowed = set(_PREFERRED)
    for name, definition in REGISTRY.items():
        if not allowed <= definition.scopes and re.search(rf"<{re.escape(name)}[\s/>]", text):
            allowed &= definition.scopes
    return next((scope for scope in _PREFERRED if scope in allowed), _PREFERRED[0])

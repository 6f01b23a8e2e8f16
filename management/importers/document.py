"""The text of an API description -> a checked tree of dicts, lists and scalars.

Rules
- At most 16 MiB of text, 2,000,000 nodes after YAML aliases are followed, 200 levels: a small text cannot become a
  large tree.
- Keys are text, values are what JSON can say; see `yaml_text.py` for how YAML is read.
- Every `$ref` points into the document itself and at something that is there; in extensions (`x-...`), which nobody
  here reads, it may point anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import NoneType
from typing import Any, NoReturn

from management.importers import yaml_text
from management.importers.imported import ImportRefused
from management.importers.references import find

LARGEST_TEXT = 16 * 1024 * 1024
MOST_NODES = 2_000_000
DEEPEST = 200

# Below these keys stands data, not description: a "$ref" in there is a value like any other.
_DATA = frozenset({"example", "default", "enum", "const", "value"})
# the extensions that are read
_READ = frozenset({"x-ms-paths", "x-servers"})

Path = tuple["Path", str] | None


def read(document: str | bytes | dict[str, Any], syntax: str) -> dict[str, Any]:
    """The tree of `document`; `syntax` is "json" or "yaml" (of which JSON is a part). Raises ImportRefused."""
    tree = document if isinstance(document, dict) else parse(_text(document), syntax)
    if not isinstance(tree, dict):
        raise ImportRefused("The document is not an object")
    _check(tree)
    return tree


def _text(document: str | bytes) -> str:
    if isinstance(document, str):
        size = len(document) if len(document) > LARGEST_TEXT else len(document.encode("utf-8", "replace"))
    else:
        size = len(document)
    if size > LARGEST_TEXT:
        raise ImportRefused(f"The document has more than {LARGEST_TEXT // 1024 // 1024} MB; shorten or split it")
    if isinstance(document, str):
        return document.removeprefix("\ufeff")
    try:
        return document.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        column = error.start - document.rfind(b"\n", 0, error.start)
        raise ImportRefused("The document is not UTF-8 text", line=line, column=column) from None


def parse(text: str, syntax: str) -> Any:
    """What `text` says, unchecked. Raises ImportRefused with line and column."""
    if not text.strip():
        raise ImportRefused("The document is empty")
    if syntax == "json" or text.lstrip().startswith("{"):
        return _parse_json(text)
    return yaml_text.parse(text, DEEPEST)


def _parse_json(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ImportRefused(f"The JSON cannot be read: {constant} is not a JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ImportRefused(f"The JSON cannot be read: {error.msg}", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise ImportRefused(f"The document is nested deeper than {DEEPEST} levels") from None
    except ImportRefused:
        raise
    except ValueError as error:  # an integer beyond Python's digit limit
        raise ImportRefused(f"The JSON cannot be read: {error}") from None


def _check(tree: dict[str, Any]) -> None:
    nodes = 0
    stack: list[tuple[Any, Path, int, bool]] = [(tree, None, 0, False)]
    while stack:
        value, path, depth, data = stack.pop()
        nodes += 1
        if nodes > MOST_NODES:
            raise ImportRefused(f"The document has more than {MOST_NODES:,} nodes")
        if depth > DEEPEST:
            raise ImportRefused(f"The document is nested deeper than {DEEPEST} levels", _pointer(path))
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and not data:
                find(tree, reference, _pointer(path))
            for key, child in value.items():
                if not isinstance(key, str):
                    raise ImportRefused(f"The key {key!r} is not text", _pointer(path))
                _sound(key, path)
                silent = key in _DATA or (key.startswith("x-") and key not in _READ)
                stack.append((child, (path, key), depth + 1, data or silent))
        elif isinstance(value, list):
            stack.extend((child, (path, str(at)), depth + 1, data) for at, child in enumerate(value))
        elif isinstance(value, str):
            _sound(value, path)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ImportRefused("A number is too large", _pointer(path))
        elif not isinstance(value, (int, float, NoneType)):
            raise ImportRefused(f"A value of the type {type(value).__name__} is not JSON", _pointer(path))


def _sound(text: str, path: Path) -> None:
    """JSON can spell half a surrogate pair, which is no character and cannot be stored."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        raise ImportRefused("A text holds half a surrogate pair", _pointer(path)) from None


def _pointer(path: Path) -> str:
    def steps(path: Path) -> Iterator[str]:
        while path is not None:
            path, key = path
            yield key.replace("~", "~0").replace("/", "~1")

    return "/".join(["#", *reversed(list(steps(path)))])

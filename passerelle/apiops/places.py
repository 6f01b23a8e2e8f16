"""Where in a file something is: FILE:LINE:COLUMN, for findings that name a resource and a property."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

# how policies and specifications say where something is
IN_TEXT = re.compile(r"(?: on)? line (\d+), column (\d+)")
LONGEST_SEARCHED = 1024 * 1024  # characters; nobody waits for the place of a property in a longer file


def at(file: str | Path, line: int = 0, column: int = 0) -> str:
    """`policy.xml:3:7`, as editors and terminals understand it; counted from 1, 0 is unknown."""
    return f"{file}:{line}:{column}" if line else str(file)


def located(folder: Path, files: Iterable[str], target: str, message: str) -> str:
    """A finding of the plane's with its place; `target` is a property with dots, or a JSON pointer after `#`.

    `files` are those that the resource was read from, relative to `folder`.
    """
    files = list(files)
    if found := IN_TEXT.search(message):
        text = next((name for name in files if not name.endswith("Information.json")), files[0])
        return f"{at(folder / text, int(found[1]), int(found[2]))}: {message}"
    documents = sorted(files, key=lambda name: name.endswith("Information.json") == target.startswith("#"))
    for name in documents:
        line, column = place_of(folder / name, steps_of(target))
        if line:
            return f"{at(folder / name, line, column)}: {message}"
    return f"{folder / documents[0]}: {message}"


def steps_of(target: str) -> list[str]:
    """The names on the way to what a target means: those of a JSON pointer, or of a property."""
    if target.startswith("#"):
        return [each.replace("~1", "/").replace("~0", "~") for each in target.lstrip("#/").split("/") if each]
    return ["properties", *filter(None, target.split("."))]


def place_of(path: Path, steps: list[str]) -> tuple[int, int]:
    """(line, column) of what `steps` lead to in a JSON or YAML file, as far as they lead; (0, 0) for none."""
    node, mark = _composed(path), None
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if str(pair[0].value).lower() == step.lower()]
            if not pairs:
                break
            mark, node = pairs[0][0].start_mark, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
            node = node.value[int(step)]
            mark = node.start_mark
        else:
            break
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def in_list(path: Path, name: str) -> str:
    """FILE:LINE:COLUMN of the entry `name` in a list of names, or of {"name": ...}."""
    node = _composed(path)
    for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
        inside = [value for _, value in entry.value] if isinstance(entry, yaml.MappingNode) else [entry]
        for each in inside:
            if str(each.value).rsplit("/", 1)[-1].lower() == name.lower():
                return at(path, each.start_mark.line + 1, each.start_mark.column + 1)
    return at(path)


def _composed(path: Path) -> Any:
    """The nodes of a JSON or YAML file; None for another, and for one that is not worth its time."""
    if path.suffix not in (".json", ".yaml", ".yml"):
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > LONGEST_SEARCHED:
            return None
        # a tab is no indentation in YAML, but it is in JSON
        return yaml.compose(text.replace("\t", " "), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None

"""YAML text -> dicts, lists and scalars, built from libyaml's events so that depth costs no stack.

Rules
- Keys are always text: `404:` and `no:` are "404" and "no". Keys that stand twice in one mapping, keys that are not
  plain text, the merge key `<<` (not part of YAML 1.2) and tags other than JSON's types are refused.
- Plain scalars are those of YAML 1.2's core schema without its odd numbers: `no`, `2024-01-01`, `12:30:00`, `007` and
  infinities, which JSON cannot say, stay text.
- An alias is the same object again; one inside what it names is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from management.importers.imported import ImportRefused

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_JSON_TAGS = frozenset({f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")})
_LONGEST_NUMBER = 400  # characters; Python reads no integer of more than 4300 digits


def parse(text: str, deepest: int) -> Any:
    """The first document of `text`, nested at most `deepest` levels. Raises ImportRefused with line and column."""
    try:
        return _Builder(deepest).build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        wrong = text.split("\n")[mark.line : mark.line + 1] if mark else []
        remedy = "; indent with spaces, not with tabs" if any("\t" in each[:column] for each in wrong) else ""
        raise ImportRefused(f"The YAML cannot be read: {error.problem}{remedy}", line=line, column=column) from None
    except yaml.reader.ReaderError as error:
        raise ImportRefused(f"The YAML cannot be read: {error.reason} at character {error.position}") from None


class _Builder:
    def __init__(self, deepest: int) -> None:
        self._deepest = deepest
        self._anchors: dict[str, Any] = {}
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []  # per open collection: the key that waits for its value
        self._root: Any = None

    def build(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.ScalarEvent):
                self._place(self._scalar(event), event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._enter({} if isinstance(event, yaml.MappingStartEvent) else [], event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.AliasEvent):
                self._place(self._alias(event), event)
            elif isinstance(event, yaml.DocumentEndEvent):
                break
        return self._root

    def _enter(self, collection: dict[str, Any] | list[Any], event: yaml.CollectionStartEvent) -> None:
        if len(self._open) >= self._deepest:
            raise _refused(f"nested deeper than {self._deepest} levels", event)
        self._tagged(event)
        self._place(collection, event)
        self._open.append(collection)
        self._keys.append(None)

    def _place(self, value: Any, event: yaml.NodeEvent) -> None:
        """Puts `value` where the text stands: the root, the end of a list, a key, or a key's value."""
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[event.anchor] = value
        if not self._open:
            self._root = value
            return
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
            return
        key = self._keys[-1]
        if key is not None:
            holder[key] = value
            self._keys[-1] = None
        elif not isinstance(event, yaml.ScalarEvent):
            raise _refused("a key must be plain text", event)
        elif event.value in holder:
            raise _refused(f'the key "{event.value}" is repeated', event)
        elif event.value == "<<":
            raise _refused('merge keys ("<<") are not part of YAML 1.2; write the keys out', event)
        else:
            self._keys[-1] = event.value

    def _alias(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise _refused(f'the alias "*{event.anchor}" names nothing', event)
        value = self._anchors[event.anchor]
        if any(value is one for one in self._open):
            raise _refused(f'the alias "*{event.anchor}" stands inside what it names', event)
        return value

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        self._tagged(event)
        text = str(event.value)
        return _plain(text) if event.implicit[0] else text

    def _tagged(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag and tag != "!" and tag not in _JSON_TAGS:
            raise _refused(f'the tag "{tag}" is not JSON', event)


def _plain(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return text
    if not any(mark in text for mark in ".eE"):
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else text


def _refused(problem: str, event: yaml.Event) -> ImportRefused:
    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return ImportRefused(f"The YAML cannot be read: {problem}", line=line, column=column)

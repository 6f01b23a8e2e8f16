"""`{#NAME#}` and `{#[NAME]#}`: what an environment fills in, https://github.com/Azure/apiops replaces the same.

Rules
1. In JSON and YAML a value takes the place of its token after the text was read, so that no value can break the text
   or become more than a value; in policies and specifications it is put into the text as it is.
2. A value comes from `--set`, else from a file of the folder of tokens, else from the environment.
3. What this program itself was given (PASSERELLE_TOKEN ..., settings, which have dots) is no value: a folder may come
   from people who must not know it.
4. What has no value stays as it stands and is told, in an override file it is an error: it would be sent as a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TOKEN = re.compile(r"\{#(?:\[([\w.-]+)\]|([\w.-]+))#\}")
# around the name, while JSON and YAML are read: characters that stand in no document, and are a part of any text
MARKS = {"\ue0f0": ("{#", "#}"), "\ue0f1": ("{#[", "]#}")}
END = "\ue0f2"
MARK = re.compile(f"([{''.join(MARKS)}])(.*?){END}")
OURS = re.compile(r"passerelle_|.*\.", re.IGNORECASE)
LARGEST = 64 * 1024


class Tokens(Mapping[str, str]):
    """What tokens stand for."""

    def __init__(self, given: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._given = dict(given or {})
        self._folder = folder

    def __getitem__(self, name: str) -> str:
        if name in self._given:
            return self._given[name]
        if self._folder is not None and not name.startswith("."):
            try:
                with (self._folder / name).open(encoding="utf-8") as file:
                    return file.read(LARGEST).rstrip("\r\n")
            except (OSError, ValueError):
                pass
        if OURS.match(name):
            raise KeyError(name)
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def mark(text: str) -> str:
    """`text` of JSON or YAML with marks in place of its tokens."""
    plain, bracketed = MARKS
    return TOKEN.sub(lambda match: f"{bracketed if match[1] else plain}{match[1] or match[2]}{END}", text)


def fill(value: Any, tokens: Mapping[str, str], unknown: set[str]) -> Any:
    """What was read from a marked text, with the values; tokens without one are added to `unknown`."""
    if isinstance(value, str):
        return MARK.sub(lambda found: _value(found[2], tokens, unknown, MARKS[found[1]]), value)
    if isinstance(value, dict):
        return {fill(key, tokens, unknown): fill(each, tokens, unknown) for key, each in value.items()}
    return [fill(each, tokens, unknown) for each in value] if isinstance(value, list) else value


def replace(text: str, tokens: Mapping[str, str], unknown: set[str]) -> str:
    """Plain text with the values."""
    return TOKEN.sub(
        lambda found: _value(found[1] or found[2], tokens, unknown, ("{#[", "]#}") if found[1] else ("{#", "#}")), text
    )


def _value(name: str, tokens: Mapping[str, str], unknown: set[str], around: tuple[str, str]) -> str:
    found = tokens.get(name)
    if found is not None:
        return found
    unknown.add(around[0] + name + around[1])
    return around[0] + name + around[1]

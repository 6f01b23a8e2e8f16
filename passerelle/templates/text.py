"""The text of a template or of a parameter file: JSON with comments and with texts of several lines. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from passerelle.templates.wrong import TemplateWrong

DEEPEST = 100
# a text in quotes stays; comments go, but keep their lines
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)


def read(text: str, source: str) -> dict[str, Any]:
    """The object that `text` says. Raises TemplateWrong with line and column."""
    if source.lower().endswith((".bicep", ".bicepparam")):
        kind = "build-params" if source.lower().endswith("param") else "build"
        raise TemplateWrong(f"Bicep is read as compiled JSON: run `az bicep {kind} --file {source}`", source)
    plain = _PART.sub(lambda match: match[0] if match[0][0] == '"' else _blank(match[0]), text)
    plain = _LAST_COMMA.sub(lambda match: match[1] or f" {match[2]}", plain)
    try:
        found = json.loads(plain, strict=False)
    except json.JSONDecodeError as error:
        raise TemplateWrong(
            f"this is not JSON: {error.msg}", f"{source}, line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise TemplateWrong("this is not JSON that can be read", source) from None
    if not isinstance(found, dict):
        raise TemplateWrong("an object was expected", source)
    stack: list[tuple[Any, int]] = [(found, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > DEEPEST:
            raise TemplateWrong(f"nested deeper than {DEEPEST} levels", source)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        stack.extend((child, depth + 1) for child in children)
    return found


def _blank(comment: str) -> str:
    return re.sub(r"[^\n]", " ", comment)

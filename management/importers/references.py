"""`$ref` within one document. A reference to another file or host is refused, as APIM does; nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from management.importers.imported import ImportRefused

# How many references in a row may lead to one another before the chain is taken for a circle.
LONGEST_CHAIN = 32


def find(document: Mapping[str, Any], reference: str, target: str) -> Any:
    """What `reference` ("#/components/schemas/Order") points at. Raises ImportRefused, naming `target` as the place."""
    if not reference.startswith("#"):
        raise ImportRefused(f'The reference "{reference}" leaves the document; put what it names inside', target)
    value: Any = document
    for step in reference[1:].split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise ImportRefused(f'The reference "{reference}" points at nothing in the document', target)
    if reference[1:] and not reference.startswith("#/"):
        raise ImportRefused(f'The reference "{reference}" is not a path within the document', target)
    return value


class References:
    """Follows references of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def object(self, value: Any, target: str) -> Mapping[str, Any]:
        """`value`, or what it refers to, which must be an object. Raises ImportRefused."""
        for _ in range(LONGEST_CHAIN):
            if not isinstance(value, Mapping):
                raise ImportRefused("An object was expected here", target)
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = find(self._document, reference, target)
        raise ImportRefused("References lead in a circle here", target)

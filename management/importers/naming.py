"""Names of imported operations.

Rules: https://learn.microsoft.com/azure/api-management/api-management-api-import-restrictions
lower case; each run of other characters becomes one dash; dashes trimmed; cut at 76; taken names get -1 ... -999.
"""

from __future__ import annotations

import re
from itertools import chain

from management.importers.imported import ImportRefused

LONGEST = 76
MOST_TWINS = 999

_OTHER = re.compile(r"[^a-z0-9]+")


def normalised(text: str) -> str:
    """`text` by the rules above; may be empty."""
    return _OTHER.sub("-", text.lower()).strip("-")[:LONGEST].rstrip("-")


class Names:
    """Gives each operation of one API a name of its own, in document order."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, operation_id: str, method: str, path: str, target: str) -> str:
        """The name of the operation; without a usable `operation_id` it is made of method and path."""
        name = normalised(operation_id) or normalised(f"{method}-{path}")
        for candidate in chain((name,), (f"{name}-{twin}" for twin in range(1, MOST_TWINS + 1))):
            if candidate not in self._taken:
                self._taken.add(candidate)
                return candidate
        raise ImportRefused(f'More than {MOST_TWINS} operations are named "{name}"', target)

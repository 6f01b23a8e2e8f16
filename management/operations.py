"""Which status a change answers with: the table of what differs from the usual, by type and api-version.

Usual are 201 for what a PUT makes and 200 for what it replaces, 200 for PATCH, DELETE and HEAD, and 204 for a DELETE of
what is not there. A DELETE with 202 is a long-running operation to its clients: see `Tickets`.

Every change here is done when it is answered, so what a 202 links to always tells of success. Nothing is stored for
that: an operation's id is signed, and tells when it was made.
"""

from __future__ import annotations

import datetime
import hmac
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from management.keys import same

OPERATION = re.compile(r"(?P<time>[0-9a-f]{8})(?P<sign>[0-9a-f]{16})")
ENDS = ("operationstatuses", "operationresults")


@dataclass(slots=True, frozen=True)
class Statuses:
    """What a type answers with. `created` is of a PUT."""

    head: int = 200
    created: int = 201
    patched: int = 200
    deleted: int = 200


USUAL = Statuses()
ASSOCIATION = Statuses(head=204)
LONG_DELETION = Statuses(deleted=202)

# the version from which on -> type -> statuses; versions are read in this order, and later ones add to earlier ones
TABLE: tuple[tuple[str, dict[str, Statuses]], ...] = (
    (
        "2021-01-01",
        {
            "groups/users": ASSOCIATION,
            "notifications/recipientemails": ASSOCIATION,
            "notifications/recipientusers": ASSOCIATION,
            "portalsettings": Statuses(patched=204),
            "products/apis": ASSOCIATION,
            "products/groups": ASSOCIATION,
        },
    ),
    (
        "2023-05-01-preview",
        {
            "apis": LONG_DELETION,
            "regionalgateways": LONG_DELETION,
            "regionalgateways/configconnections": LONG_DELETION,
            "users": LONG_DELETION,
            "workspaces/apis": USUAL,
        },
    ),
)


def statuses(type: str, version: str, in_workspace: bool = False) -> Statuses:
    """Of the type with that path; one of a workspace is as one of a service, where the table says nothing else."""
    found = USUAL
    for since, table in TABLE:
        if version >= since:
            found = table.get(type.lower(), found)
            found = table.get(f"workspaces/{type.lower()}", found) if in_workspace else found
    return found


class Tickets:
    """Ids of operations that are done, and what is told of them.

    The Location of an answer is the resource itself with `asyncId` and `asyncCode`; its Azure-AsyncOperation is
    /subscriptions/{s}/providers/Microsoft.ApiManagement/locations/{place}/operationStatuses/{id}.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"long-running operations of the management plane", "sha256")

    def headers(self, origin: str, path: str, version: str, place: str) -> dict[str, str]:
        """Of a 202 to a DELETE of the resource at `path`."""
        subscription = path.split("/")[2]
        id = self._issue(subscription)
        status = (
            f"/subscriptions/{subscription}/providers/Microsoft.ApiManagement/locations/{quote(place, safe='')}"
            f"/operationStatuses/{id}?api-version={version}"
        )
        return {
            "Location": f"{origin}{path}?api-version={version}&asyncId={id}&asyncCode=204",
            "Azure-AsyncOperation": origin + status,
            "Retry-After": "1",
        }

    def answer(self, path: str, subscription: str, words: list[str]) -> tuple[int, dict[str, Any] | None] | None:
        """To a GET of locations/{place}/operationStatuses/{id} or .../operationResults/{id}; None for what is none."""
        if len(words) != 4 or words[0] != "locations" or words[2] not in ENDS:
            return None
        made = self.made(subscription, words[3])
        if made is None:
            return None
        if words[2] == "operationresults":
            return 200, None
        stamp = made.isoformat().replace("+00:00", "Z")
        told = {"id": path, "name": words[3], "status": "Succeeded", "startTime": stamp, "endTime": stamp}
        return 200, told | {"percentComplete": 100.0}

    def _issue(self, subscription: str) -> str:
        stamp = f"{int(time.time()):08x}"
        return stamp + self._sign(subscription, stamp)

    def made(self, subscription: str, id: str) -> datetime.datetime | None:
        """When the operation was; None for an id that was never given out."""
        match = OPERATION.fullmatch(id.lower())
        if match is None or not same(match["sign"], self._sign(subscription, match["time"])):
            return None
        return datetime.datetime.fromtimestamp(int(match["time"], 16), datetime.UTC)

    def _sign(self, subscription: str, stamp: str) -> str:
        text = f"{subscription.lower()}\n{stamp}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, "sha256").hexdigest()[:16]

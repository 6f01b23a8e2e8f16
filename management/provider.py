"""What ARM answers outside of any service: /subscriptions/{s}/providers/Microsoft.ApiManagement/{word}.

And what Azure runs around a service that has no meaning here; it is refused with the code by which clients know that a
service does not offer something, so that they go on without it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from management.errors import ArmError, invalid
from management.schema import services

PROVIDER = re.compile(
    r"(?:/subscriptions/(?P<subscription>[^/]+))?(?:/resourcegroups/[^/]+)?"
    r"/providers/microsoft\.apimanagement/(?P<rest>.+)",
    re.IGNORECASE,
)
SERVICE_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{0,48}[a-zA-Z0-9])?")
# what is always empty, because there is no such thing here
EMPTY = ("deletedservices",)
SKUS = (("Developer", 1), ("Basic", 2), ("Standard", 4), ("Premium", 12))
VERBS = {"read": "Read", "write": "Create or change", "delete": "Delete"}

# last words of a path below a service -> what it is in Azure
REFUSED = {
    "backup": "Backup to a storage account",
    "restore": "Restore from a storage account",
}


def refuse(word: str) -> None:
    """Raise when `word` names something that only Azure's infrastructure has."""
    title = REFUSED.get(word.lower())
    if title:
        raise ArmError(400, "MethodNotAllowedInPricingTier", f"{title} is not supported by this service.")


def answer(connection: Connection, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """(status, body) for a path outside of services; None for one that is not the provider's."""
    match = PROVIDER.fullmatch(path.rstrip("/"))
    if match is None:
        return None
    words = match["rest"].lower().split("/")
    if method == "GET" and words == ["operations"]:
        return 200, {"value": list(_operations())}
    if method == "GET" and words == ["skus"]:
        return 200, {"value": [_sku(name, most) for name, most in SKUS]}
    if method == "GET" and len(words) == 1 and words[0] in EMPTY:
        return 200, {"value": []}
    if method == "POST" and words == ["checknameavailability"]:
        return 200, _availability(connection, body.get("name"))
    if method == "POST" and words == ["getdomainownershipidentifier"]:
        digest = hashlib.sha256(str(match["subscription"]).lower().encode()).digest()
        return 200, {"domainOwnershipIdentifier": base64.b64encode(digest).decode()}
    return None


def _availability(connection: Connection, name: Any) -> dict[str, Any]:
    if not isinstance(name, str):
        raise invalid("name", "name is required.")
    if not SERVICE_NAME.fullmatch(name):
        return {"nameAvailable": False, "reason": "Invalid", "message": f"'{name[:60]}' cannot name a service."}
    taken = select(services.c.number).where(services.c.key.endswith(f"/service/{name.lower()}", autoescape=True))
    if connection.scalar(taken.limit(1)) is not None:
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": f"{name} is already in use."}
    return {"nameAvailable": True, "reason": "Valid", "message": ""}


def _sku(name: str, most: int) -> dict[str, Any]:
    capacity = {"minimum": 1, "maximum": most, "default": 1, "scaleType": "Manual" if most > 1 else "None"}
    place = {"locations": ["local"], "locationInfo": [{"location": "local", "zones": []}]}
    return {"resourceType": "service", "name": name, "capacity": capacity, "restrictions": []} | place


def _operations() -> Iterator[dict[str, Any]]:
    from management.resources import TYPES

    for path, type in sorted(TYPES.items()):
        for verb, title in VERBS.items():
            resource = f"service/{path}".rstrip("/")
            yield {
                "name": f"Microsoft.ApiManagement/{resource}/{verb}",
                "display": {
                    "provider": "Microsoft API Management",
                    "resource": type.title,
                    "operation": f"{title} {type.title.lower()}",
                    "description": f"{title} {type.title.lower()}",
                },
            }

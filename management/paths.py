"""ARM paths: /subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ApiManagement/service/{name}/{type}/{name}...

They have no case; a name keeps the spelling it was created with.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from urllib.parse import unquote

from management.errors import ArmError, bad_request

SERVICE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.apimanagement/service/(?P<name>[^/]+)",
    re.IGNORECASE,
)
# gateways outside of a service stand under this name, so that those in services keep theirs
OUTSIDE = "regionalGateways"
GATEWAYS = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/providers/microsoft\.apimanagement/gateways",
    re.IGNORECASE,
)
SERVICES = re.compile(
    r"(?P<scope>/subscriptions/[^/]+(?:/resourcegroups/[^/]+)?)/providers/microsoft\.apimanagement/service/?",
    re.IGNORECASE,
)
API_VERSION = re.compile(r"(\d{4})-(\d{2})-(\d{2})(-preview)?")
OLDEST = datetime.date(2021, 1, 1)


@dataclass(slots=True, frozen=True)
class ArmPath:
    """`service` is the full ARM id of the service or workspace; `segments` what follows, decoded.

    Of a gateway outside of a service it is the id of what holds those of its resource group.
    """

    service: str
    segments: list[str]

    @property
    def outside(self) -> bool:
        return self.segments[:1] == [OUTSIDE] and "/service/" not in self.service

    @property
    def below(self) -> str:
        return "/" + "/".join(self.segments)


def parse(raw_path: str) -> ArmPath | None:
    """The parts of a path as it stood on the wire; None when it is not the path of a service."""
    parts = [unquote(part) for part in raw_path.rstrip("/").split("/")]
    # the key of a quota counter is any text
    if any(("/" in part and parts[9:10] != ["quotas"]) or "\0" in part for part in parts):
        return None
    match = SERVICE.fullmatch("/".join(parts[:9]))
    if match is None and (found := GATEWAYS.fullmatch("/".join(parts[:8]))):
        group = f"/subscriptions/{found['subscription']}/resourceGroups/{found['group']}"
        return ArmPath(f"{group}/providers/Microsoft.ApiManagement", [OUTSIDE, *parts[8:]])
    if match is None:
        return None
    service = (
        f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}"
        f"/providers/Microsoft.ApiManagement/service/{match['name']}"
    )
    rest = parts[9:]
    if len(rest) > 2 and rest[0].lower() == "workspaces":
        return ArmPath(f"{service}/workspaces/{rest[1]}", rest[2:])
    return ArmPath(service, rest)


def parse_services(raw_path: str) -> str | None:
    """The subscription or resource group whose services are asked for, in lower case; None for any other path."""
    match = SERVICES.fullmatch(unquote(raw_path))
    return match["scope"].lower() + "/" if match else None


def check_version(version: str | None) -> None:
    """Every version from 2021 on has the shapes we speak; newer previews are read as the nearest of them."""
    if not version:
        raise bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    try:
        if not API_VERSION.fullmatch(version) or datetime.date.fromisoformat(version[:10]) < OLDEST:
            raise _unsupported(version)
    except ValueError:  # no day of a calendar
        raise _unsupported(version) from None


def _unsupported(version: str) -> ArmError:
    return bad_request(
        "InvalidApiVersionParameter",
        f"The api-version '{version[:40]}' is invalid. Use 2022-08-01, 2024-05-01 or a preview after them.",
    )

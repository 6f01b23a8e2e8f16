"""`context.Deployment`: the service, and the gateway of it that this sidecar belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.config.read import name_of
from proxy.config.resources import Deployment, Resource
from proxy.pipeline.compile import Environment

_AUTHORITY = "/certificateAuthorities/"


def deployment_of(shelves: Mapping[str, Mapping[str, Resource]], environment: Environment) -> Deployment:
    """Its region is the location of the gateway, or else of the service. What the plane's authorities are for: see
    proxy/adapters/trust.py."""
    service = shelves.get("", {}).get("/")
    body = service.body if service is not None else {}
    region, gateway = body.get("location") or "", ""
    for resource in shelves.get("gateways", {}).values():
        if resource.id.count("/") == 2:
            region, gateway = (resource.body.get("locationData") or {}).get("name") or "", name_of(resource.id)
            break
    certificates = environment.certificates if isinstance(environment.certificates, Mapping) else {}
    trusted = []
    by_name = {name.lower(): each for name, each in certificates.items()}
    for resource in shelves.get("gateways", {}).values():
        if _AUTHORITY in resource.id and resource.body.get("isTrusted") is True:
            found = by_name.get(name_of(resource.id).lower())
            if found is not None:
                trusted.append(found.der)
    told = (body.get("id") or "", body.get("name") or "", region, gateway)
    return Deployment(*told, certificates=certificates, authorities=tuple(trusted))


def debug_keys_of(shelves: Mapping[str, Mapping[str, Resource]]) -> tuple[str, ...]:
    """What debug tokens may be signed with: the key of the gateway, that of the service."""
    holders = (*shelves.get("gateways", {}).values(), *shelves.get("", {}).values())
    keys = (each.body.get("debugKey") for each in holders if each.id.count("/") < 3)
    return tuple(key for key in keys if isinstance(key, str) and key)

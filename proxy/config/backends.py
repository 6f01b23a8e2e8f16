"""Backend resources: URL and credentials, the members of pools, the rules of circuit breakers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from proxy.config.read import name_of
from proxy.config.resources import Backend, BreakerRule, Cluster, PoolMember
from proxy.pipeline.http_proxy import http_proxy_of
from proxy.ports import HttpProxy

Body = Mapping[str, Any]

_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_SECRET = re.compile(r"auth|cookie|token|key|secret|passw|credential|session|signature|code|sig", re.IGNORECASE)
_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")


def backend(name: str, body: Body) -> Backend:
    credentials = body.get("credentials") or {}
    authorization = credentials.get("authorization") or {}
    own = credentials.get("managedIdentity") or {}
    tls = body.get("tls") or {}
    return Backend(
        id=name,
        url=body.get("url") or "",
        type=body.get("type") or "Single",
        protocol=body.get("protocol") or "http",
        headers={key: tuple(values) for key, values in (credentials.get("header") or {}).items()},
        query={key: tuple(values) for key, values in (credentials.get("query") or {}).items()},
        authorization=f"{authorization['scheme']} {authorization['parameter']}" if authorization else "",
        certificates=(
            *(name_of(each) for each in credentials.get("certificateIds") or ()),
            *(str(each).upper() for each in credentials.get("certificate") or ()),
        ),
        validate_certificate_chain=tls.get("validateCertificateChain") is not False,
        validate_certificate_name=tls.get("validateCertificateName") is not False,
        breaker=tuple(_breaker_rule(rule) for rule in (body.get("circuitBreaker") or {}).get("rules") or ()),
        proxy=_proxy(body.get("proxy") or {}),
        cluster=_cluster((body.get("properties") or {}).get("serviceFabricCluster") or {}),
        managed_identity=(str(own.get("resource") or ""), str(own.get("clientId") or "")),
    )


def secrets_of(backends: Iterable[Backend]) -> Iterator[str]:
    """What backend entities add to calls and nobody may read: credentials, but no header that only says something."""
    for each in backends:
        if each.authorization:
            yield from {each.authorization, each.authorization.partition(" ")[2]}
        for given, least in ((each.headers, 16), (each.query, 8)):
            for name, values in given.items():
                yield from (value for value in values if len(value) >= least or _SECRET.search(name))


def pooled(backend: Backend, body: Body, others: Mapping[str, Backend]) -> Backend:
    """The backend with the members of its pool, which are named by id. Raises ValueError for one that is not there."""
    pool = body.get("pool") or {}
    services = pool.get("services") or []
    if backend.type != "Pool" or not services:
        return backend
    members = []
    for service in services:
        name = name_of(service["id"])
        found = next((each for key, each in others.items() if key.lower() == name.lower()), None)
        if found is None:
            raise ValueError(f"its member '{name}' is not a backend")
        if found.type == "Pool":
            raise ValueError(f"its member '{name}' is a pool itself")
        weight = service.get("weight")
        members.append(PoolMember(found, int(service.get("priority") or 0), 1 if weight is None else int(weight)))
    if not any(member.weight for member in members):
        members = [replace(member, weight=1) for member in members]
    session = (pool.get("sessionAffinity") or {}).get("sessionId") or {}
    affinity = str(session.get("name") or "") if str(session.get("source") or "cookie").lower() == "cookie" else ""
    if affinity and not _COOKIE_NAME.fullmatch(affinity):
        raise ValueError(f"{affinity!r} is not the name of a cookie")
    return replace(backend, pool=tuple(members), affinity=affinity)


def _cluster(body: Body) -> Cluster | None:
    endpoints = tuple(str(each).rstrip("/") for each in body.get("managementEndpoints") or ())
    if not endpoints:
        return None
    retries = body.get("maxPartitionResolutionRetries")
    shown = (name_of(body.get("clientCertificateId")), str(body.get("clientCertificatethumbprint") or "").upper())
    return Cluster(
        endpoints,
        1 if retries is None else int(retries),
        frozenset(str(each).upper() for each in body.get("serverCertificateThumbprints") or ()),
        tuple(filter(None, shown)),
    )


def _proxy(body: Body) -> HttpProxy | None:
    url = body.get("url") or ""
    return http_proxy_of(url, body.get("username") or "", body.get("password") or "") if url else None


def _breaker_rule(body: Body) -> BreakerRule:
    condition = body.get("failureCondition") or {}
    return BreakerRule(
        name=body.get("name") or "",
        count=int(condition.get("count") or 0),
        percentage=int(condition.get("percentage") or 0),
        interval=duration(condition.get("interval") or "PT1M"),
        statuses=tuple((int(each["min"]), int(each["max"])) for each in condition.get("statusCodeRanges") or ()),
        reasons=tuple(str(each).lower() for each in condition.get("errorReasons") or ()),
        trip=duration(body.get("tripDuration") or "PT1M"),
        accept_retry_after=bool(body.get("acceptRetryAfter")),
    )


def duration(text: str) -> float:
    """Seconds of an ISO 8601 duration such as PT1M30S; also of hh:mm:ss. Raises ValueError."""
    if clock := re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+)", text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
    found = _DURATION.fullmatch(text)
    if found is None or text in ("P", "PT"):
        raise ValueError(f"{text!r} is not a duration such as PT1M30S")
    parts = [float(part or 0) for part in found.groups()]
    return sum(part * unit for part, unit in zip(parts, (604800, 86400, 3600, 60, 1), strict=True))

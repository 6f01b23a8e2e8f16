"""Diagnostics of the service and of APIs: what is recorded of a request, and to which logger it goes."""

from __future__ import annotations

from typing import Any, Literal

from management.declare import BOOLEAN, OBJECT, Change, Field, Reference, ResourceType
from management.errors import invalid

MOST_BYTES = 8192
MOST_HEADERS = 100


def prepare(change: Change) -> None:
    sampling = change.properties.get("sampling") or {}
    percentage = sampling.get("percentage")
    if percentage is not None and not (_number(percentage) and 0 <= percentage <= 100):
        raise invalid("sampling.percentage", "sampling.percentage must be a number from 0 to 100.")
    for side in ("frontend", "backend"):
        for message in ("request", "response"):
            _message(f"{side}.{message}", (change.properties.get(side) or {}).get(message))


def _message(place: str, given: Any) -> None:
    """What is written down of one message, as documented."""
    if given is None:
        return
    if not isinstance(given, dict):
        raise invalid(place, f"{place} must be an object.")
    headers = given.get("headers")
    if headers is not None and not (
        isinstance(headers, list) and len(headers) <= MOST_HEADERS and all(isinstance(each, str) for each in headers)
    ):
        raise invalid(f"{place}.headers", f"{place}.headers must be a list of at most {MOST_HEADERS} header names.")
    body = given.get("body")
    size = body.get("bytes") if isinstance(body, dict) else None
    if body is not None and not (
        isinstance(body, dict) and (size is None or (_number(size) and 0 <= size <= MOST_BYTES))
    ):
        raise invalid(f"{place}.body.bytes", f"{place}.body.bytes must be a number from 0 to {MOST_BYTES}.")
    masking = given.get("dataMasking")
    if masking is not None and not isinstance(masking, dict):
        raise invalid(f"{place}.dataMasking", f"{place}.dataMasking must be an object.")
    for kind in ("headers", "queryParams"):
        entries = (masking or {}).get(kind)
        if entries is not None and not (isinstance(entries, list) and all(map(_mask, entries))):
            raise invalid(
                f"{place}.dataMasking.{kind}",
                f"{place}.dataMasking.{kind} must be a list of {{value, mode}}; mode is Mask or Hide.",
            )


def _mask(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("value"), str)
        and str(entry.get("mode") or "Mask").lower() in ("mask", "hide")
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(path: str, audience: Literal["all", "api"]) -> ResourceType:
    return ResourceType(
        path=path,
        title="Diagnostic",
        audience=audience,
        fields=(
            Field("loggerId", required=True),
            Field("alwaysLog", choices=("allErrors",)),
            Field("sampling", OBJECT),
            Field("sampling.samplingType", choices=("fixed",)),
            Field("frontend", OBJECT),
            Field("backend", OBJECT),
            Field("logClientIp", BOOLEAN),
            Field("httpCorrelationProtocol", choices=("None", "Legacy", "W3C")),
            Field("verbosity", choices=("verbose", "information", "error")),
            Field("operationNameFormat", choices=("Name", "Url")),
            Field("metrics", BOOLEAN),
        ),
        references=(Reference("loggerId", "loggers"),),
        prepare=prepare,
    )


TYPES = (_type("diagnostics", "all"), _type("apis/diagnostics", "api"))

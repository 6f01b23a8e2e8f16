"""Diagnostics of the service and of APIs: what is recorded of a request, and to which logger it goes."""

from __future__ import annotations

from typing import Literal

from management.declare import BOOLEAN, OBJECT, Change, Field, Reference, ResourceType
from management.errors import invalid


def prepare(change: Change) -> None:
    sampling = change.properties.get("sampling") or {}
    percentage = sampling.get("percentage")
    if percentage is not None and not (
        isinstance(percentage, int | float) and not isinstance(percentage, bool) and 0 <= percentage <= 100
    ):
        raise invalid("sampling.percentage", "sampling.percentage must be a number from 0 to 100.")


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

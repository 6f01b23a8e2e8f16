"""Operations of an API."""

from __future__ import annotations

import re

from management.declare import ARRAY, OBJECT, Change, Field, ResourceType
from management.effective_policy import effective_policy
from management.errors import invalid

PARAMETER = re.compile(r"\{([^{}]*)\}")
METHOD = re.compile(r"[A-Za-z*][A-Za-z0-9_-]{0,29}")


def prepare(change: Change) -> None:
    properties = change.properties
    if not METHOD.fullmatch(properties["method"]):
        raise invalid("method", f"'{properties['method'][:40]}' is not an HTTP method.")
    template = properties["urlTemplate"]
    if template.count("{") != template.count("}"):
        raise invalid("urlTemplate", f"The braces of '{template[:200]}' do not match.")
    parameters = properties.get("templateParameters") or []
    if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in parameters):
        raise invalid("templateParameters", "Each template parameter is an object with a name.")
    declared = {each["name"].lower() for each in parameters}
    used = {name.lstrip("*").lower() for name in PARAMETER.findall(template)} - {""}
    missing = sorted(used - declared)
    if missing:
        raise invalid(
            "templateParameters",
            f"All template parameters used in the URL template must be defined: '{missing[0]}' is not.",
        )


TYPES = (
    ResourceType(
        path="apis/operations",
        title="Operation",
        audience="api",
        fields=(
            Field("displayName", required=True, longest=300),
            Field("method", required=True),
            Field("urlTemplate", required=True, longest=1000),
            Field("description"),
            Field("templateParameters", ARRAY, default=[]),
            Field("request", OBJECT),
            Field("responses", ARRAY, default=[]),
        ),
        prepare=prepare,
        views={"effectivePolicy": effective_policy},
    ),
)

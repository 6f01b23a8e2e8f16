"""What the ARM API shows of a resource -> what a plane takes. Pure."""

from __future__ import annotations

from typing import Any

from passerelle.templates.services import relative, within

Properties = dict[str, Any]
MASK = "***"
# computed, or said by another resource; "" is for every kind
_DROPPED = {
    "": frozenset({"provisioningState"}),
    "apis": frozenset({"isOnline", "apiVersionSet", "sourceApiId"}),
    "apis/operations": frozenset({"policies"}),
    "apis/releases": frozenset({"createdDateTime", "updatedDateTime"}),
    "apis/tagDescriptions": frozenset({"tagId", "displayName"}),
    "groups": frozenset({"builtIn"}),
    "namedValues": frozenset({"keyVault"}),
    "policyFragments": frozenset({"provisioningState"}),
    "subscriptions": frozenset({"createdDate"}),
    "users": frozenset({"registrationDate", "groups"}),
}


def shaped(path: str, document: Properties, workspace: str = "") -> Properties:
    """`document` is the whole resource; `path` its kind, such as "apis/operations"."""
    dropped = _DROPPED[""] | _DROPPED.get(path, frozenset())
    properties = document.get("properties") or {}
    found = {name: value for name, value in properties.items() if name not in dropped and value is not None}
    made: Properties = relative(found)
    return within(made, f"/workspaces/{workspace}") if workspace else made


def masked(value: Any) -> bool:
    """Whether a secret stands there that nobody can read."""
    if isinstance(value, dict):
        return any(masked(each) for each in value.values())
    if isinstance(value, list):
        return any(masked(each) for each in value)
    return isinstance(value, str) and value == MASK

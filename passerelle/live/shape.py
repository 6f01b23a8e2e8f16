"""What the ARM API shows of a resource -> what a plane takes. Pure."""

from __future__ import annotations

from typing import Any

from passerelle.templates.services import relative

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
    prefix = f"/workspaces/{workspace}/".lower() if workspace else ""
    made: Properties = _within(relative(found), prefix)
    if path == "subscriptions" and workspace and made.get("scope") == f"/workspaces/{workspace}":
        made["scope"] = "/"
    return made


def _within(value: Any, prefix: str) -> Any:
    """Ids of a workspace's own resources lose the workspace."""
    if not prefix:
        return value
    if isinstance(value, str):
        return value[len(prefix) - 1 :] if value.lower().startswith(prefix) else value
    if isinstance(value, dict):
        return {key: _within(each, prefix) for key, each in value.items()}
    return [_within(each, prefix) for each in value] if isinstance(value, list) else value


def masked(value: Any) -> bool:
    """Whether a secret stands there that nobody can read."""
    if isinstance(value, dict):
        return any(masked(each) for each in value.values())
    if isinstance(value, list):
        return any(masked(each) for each in value)
    return isinstance(value, str) and value == MASK

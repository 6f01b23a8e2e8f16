"""The index of resource types: one line per file. A type that is not here does not exist."""

from __future__ import annotations

from management.declare import ResourceType
from management.resources import (
    api_version_sets,
    apis,
    associations,
    authorization_providers,
    backends,
    caches,
    certificates,
    diagnostics,
    gateways,
    groups,
    loggers,
    named_values,
    operations,
    policies,
    policy_fragments,
    products,
    releases,
    schemas,
    service,
    subscriptions,
    tags,
    users,
)

_FILES = (
    service,
    apis,
    operations,
    schemas,
    releases,
    api_version_sets,
    products,
    associations,
    subscriptions,
    gateways,
    groups,
    users,
    policies,
    policy_fragments,
    named_values,
    backends,
    loggers,
    diagnostics,
    certificates,
    authorization_providers,
    caches,
    tags,
)

# by lower-case path: "apis/operations"; "" is the service itself
TYPES: dict[str, ResourceType] = {each.path.lower(): each for file in _FILES for each in file.TYPES}

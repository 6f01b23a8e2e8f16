"""Loggers: where diagnostics send what they record."""

from __future__ import annotations

from management.declare import BOOLEAN, OBJECT, Field, ResourceType
from management.secret_fields import Secret

TYPES = (
    ResourceType(
        path="loggers",
        title="Logger",
        name_limit=256,
        fields=(
            Field("loggerType", required=True, choices=("azureEventHub", "applicationInsights", "azureMonitor")),
            Field("description", longest=256),
            Field("credentials", OBJECT),
            Field("isBuffered", BOOLEAN, default=True),
            Field("resourceId"),
        ),
        secrets=(Secret("credentials", masked=True, open=frozenset({"name", "endpointAddress", "identityClientId"})),),
    ),
)

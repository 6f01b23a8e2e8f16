"""Identity providers that developers sign in to the portal with. A provider is named by its kind."""

from __future__ import annotations

import re

from management.declare import ARRAY, Change, Field, ResourceType
from management.resources.authorization_servers import list_secrets
from management.secret_fields import Secret

KINDS = ("facebook", "google", "microsoft", "twitter", "aad", "aadB2C")


def prepare(change: Change) -> None:
    change.properties["type"] = next(kind for kind in KINDS if kind.lower() == change.name.lower())


TYPES = (
    ResourceType(
        path="identityProviders",
        title="Identity provider",
        audience="none",
        name=re.compile("|".join(KINDS), re.IGNORECASE),
        fields=(
            Field("clientId", required=True),
            Field("clientSecret", required=True),
            Field("signinTenant"),
            Field("allowedTenants", ARRAY),
            Field("authority"),
            Field("clientLibrary", longest=16),
        ),
        secrets=(Secret("clientSecret"),),
        prepare=prepare,
        actions={"listSecrets": list_secrets("clientSecret")},
    ),
)

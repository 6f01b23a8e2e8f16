"""Credential providers, their connections (called authorizations), and who may use those.

A connection by client credentials is connected once it is stored: a gateway fetches its tokens when it needs them. The
authorization code grant wants a person to sign in; such a connection is stored, and stays unauthenticated.
"""

from __future__ import annotations

from management.declare import ARRAY, OBJECT, Change, Field, ResourceType
from management.secret_fields import Secret

# what of a grant's parameters is no secret
OPEN = frozenset(
    {
        *("clientId", "scopes", "scope", "tokenUrl", "authorizationUrl", "refreshUrl", "resourceUri", "tenantId"),
        *("loginUri", "redirectUrl", "audience", "resource"),
    }
)


def prepare(change: Change) -> None:
    properties = change.properties
    if properties["oauth2grantType"] == "ClientCredentials":
        properties["status"] = "Connected"
        properties.pop("error", None)
        return
    properties["status"] = "Error"
    properties["error"] = {"code": "Unauthenticated", "message": "This connection is not authenticated."}


TYPES = (
    ResourceType(
        path="authorizationProviders",
        title="Authorization provider",
        name_limit=256,
        fields=(
            Field("displayName", longest=300),
            Field("identityProvider"),
            Field("oauth2", OBJECT),
            Field("oauth2.redirectUrl"),
            Field("oauth2.grantTypes", OBJECT),
            Field("oauth2.grantTypes.authorizationCode", OBJECT),
            Field("oauth2.grantTypes.clientCredentials", OBJECT),
        ),
        secrets=(Secret("oauth2.grantTypes", masked=True, open=OPEN),),
        can_patch=False,
    ),
    ResourceType(
        path="authorizationProviders/authorizations",
        title="Authorization",
        name_limit=256,
        fields=(
            Field("authorizationType", choices=("OAuth2",), default="OAuth2"),
            Field("oauth2grantType", choices=("AuthorizationCode", "ClientCredentials"), default="AuthorizationCode"),
            Field("parameters", OBJECT),
        ),
        readonly=frozenset({"status", "error"}),
        secrets=(Secret("parameters", masked=True, open=OPEN),),
        can_patch=False,
        prepare=prepare,
    ),
    ResourceType(
        path="authorizationProviders/authorizations/accessPolicies",
        title="Authorization access policy",
        name_limit=256,
        fields=(
            Field("appIds", ARRAY),
            Field("tenantId"),
            Field("objectId"),
        ),
        can_patch=False,
    ),
)

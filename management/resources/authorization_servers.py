"""OAuth 2.0 authorization servers and OpenID Connect providers that the try-it console of a portal signs in with."""

from __future__ import annotations

from management.declare import ARRAY, BOOLEAN, Action, Answer, Call, Field, ResourceType
from management.secret_fields import Secret


def list_secrets(*names: str) -> Action:
    """POST listSecrets: the properties `names` in clear, those that are there."""

    def act(call: Call) -> Answer:
        clear = call.row.clear()
        return Answer(200, {name: clear[name] for name in names if name in clear}, etag=True)

    return act


SERVER_SECRETS = ("clientSecret", "resourceOwnerUsername", "resourceOwnerPassword")

TYPES = (
    ResourceType(
        path="authorizationServers",
        title="Authorization server",
        audience="none",
        fields=(
            Field("displayName", required=True, longest=50),
            Field("clientRegistrationEndpoint", required=True),
            Field("authorizationEndpoint", required=True),
            Field("grantTypes", ARRAY, required=True),
            Field("clientId", required=True),
            Field("authorizationMethods", ARRAY),
            Field("clientAuthenticationMethod", ARRAY),
            Field("tokenBodyParameters", ARRAY),
            Field("bearerTokenSendingMethods", ARRAY),
            Field("supportState", BOOLEAN, default=False),
            Field("useInTestConsole", BOOLEAN, default=True),
            Field("useInApiDocumentation", BOOLEAN, default=False),
        ),
        secrets=tuple(Secret(name) for name in SERVER_SECRETS),
        actions={"listSecrets": list_secrets(*SERVER_SECRETS)},
    ),
    ResourceType(
        path="openidConnectProviders",
        title="OpenID Connect provider",
        audience="none",
        name_limit=256,
        fields=(
            Field("displayName", required=True, longest=50),
            Field("metadataEndpoint", required=True),
            Field("clientId", required=True),
            Field("useInTestConsole", BOOLEAN, default=True),
            Field("useInApiDocumentation", BOOLEAN, default=False),
        ),
        secrets=(Secret("clientSecret"),),
        actions={"listSecrets": list_secrets("clientSecret")},
    ),
)

"""Connections to credential providers, from the ARM resources authorizationProviders, their authorizations, and the
access policies of those: what is posted where for a token.

Rules
1. What the provider says and what the connection says are one set of parameters; the connection's prevail.
2. Of the grants only client credentials can be used: the others want a person to sign in, whose refresh token nobody
   here has. Such a connection, and one that lacks something, has a `problem` instead.
3. Nothing raises: a connection in trouble is trouble of the documents that use it, when they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from proxy.config.resources import Connection, Resource
from proxy.pipeline.source import substitute

_NOT_SENT = frozenset(
    {"tokenurl", "authorizationurl", "refreshurl", "loginuri", "tenantid", "resourceuri", "redirecturl", "granttype"}
)
_NAMES = {"clientid": "client_id", "clientsecret": "client_secret", "scopes": "scope"}
LOGIN = "https://login.microsoftonline.com"


def connections_of(shelf: Mapping[str, Resource], named_values: Mapping[str, str]) -> dict[str, Connection]:
    """By "provider/connection" in lower case."""
    found: dict[str, Connection] = {}
    bodies = {key.lower(): each.body for key, each in shelf.items()}
    for resource in shelf.values():
        parts = resource.id.split("/")[2::2]
        if len(parts) == 2:
            name, own = "/".join(parts), resource.id.lower()
            provider = bodies.get(f"/authorizationproviders/{parts[0].lower()}", {})
            policies = [body for key, body in bodies.items() if key.startswith(f"{own}/accesspolicies/")]
            found[name.lower()] = connection(name, provider, resource.body, policies, named_values)
    return found


def connection(
    name: str,
    provider: Mapping[str, Any],
    own: Mapping[str, Any],
    policies: list[Mapping[str, Any]],
    named_values: Mapping[str, str],
) -> Connection:
    """One of these, from the properties of its resources."""
    allowed = frozenset(
        (str(each.get("tenantId") or "").lower(), str(each.get("objectId") or "").lower()) for each in policies
    )
    grant = str(_get(own, "oauth2grantType") or "")
    if grant.lower() != "clientcredentials":
        return Connection(name, problem=f"its grant is {grant or 'not given'}; only ClientCredentials can be used")
    grants = _get(_get(provider, "oauth2"), "grantTypes")
    given = {**_plain(_get(grants, "clientCredentials")), **_plain(_get(own, "parameters"))}
    values = {key: substitute(text, named_values).text for key, text in given.items()}
    form = {"grant_type": "client_credentials"}
    for key, text in values.items():
        if key not in _NOT_SENT and text:
            form[_NAMES.get(key, key)] = text
    url = values.get("tokenurl", "")
    if str(provider.get("identityProvider") or "").lower() == "aad":
        tenant = values.get("tenantid") or "common"
        url = url or f"{values.get('loginuri', LOGIN).rstrip('/')}/{quote(tenant, safe='')}/oauth2/v2.0/token"
        if "scope" not in form and values.get("resourceuri"):
            form["scope"] = f"{values['resourceuri'].rstrip('/')}/.default"
    for key, what in (("client_id", "clientId"), ("client_secret", "clientSecret")):
        if not form.get(key):
            return Connection(name, problem=f"it has no {what}", allowed=allowed)
    if not url:
        return Connection(name, problem="its provider has no tokenUrl", allowed=allowed)
    return Connection(name, url, tuple(form.items()), allowed=allowed)


def _get(body: Any, name: str) -> Any:
    """A member, whatever the case of its name."""
    if not isinstance(body, Mapping):
        return None
    return next((value for key, value in body.items() if key.lower() == name.lower()), None)


def _plain(body: Any) -> dict[str, str]:
    """Texts by name in lower case."""
    if not isinstance(body, Mapping):
        return {}
    return {key.lower(): value for key, value in body.items() if isinstance(value, str)}

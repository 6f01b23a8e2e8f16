"""Connections to credential providers on real sockets: fetched once, renewed with their resources, read forgivingly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sidecar_harness import Backend, Harness, open_api, policy, resource

from proxy.adapters.grants import LIFE, OAuthGrants
from proxy.config.connections import connection, connections_of
from proxy.config.resources import Connection, Resource

DOCUMENT = """<policies><inbound>
  <get-authorization-context provider-id="p" authorization-id="c" context-variable-name="a" ignore-error="true" />
  <set-header name="Authorization" exists-action="override">
    <value>@("Bearer " + ((Authorization)context.Variables["a"])?.AccessToken)</value></set-header>
</inbound><backend><forward-request /></backend></policies>"""


@pytest.fixture
async def issuer() -> AsyncIterator[Backend]:
    body = b'{"access_token":"t-1","token_type":"bearer"}'
    made = Backend(answer=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()


def resources(issuer: Backend, secret: str, **more: Any) -> list[Resource]:
    grants = {"clientCredentials": {"tokenUrl": f"{issuer.url}/token"}}
    parameters = {"clientId": "me", "clientSecret": secret}
    return [
        resource("/authorizationProviders/p", {"identityProvider": "oauth2", "oauth2": {"grantTypes": grants}}),
        resource(
            "/authorizationProviders/p/authorizations/c",
            {"oauth2grantType": "ClientCredentials", "parameters": parameters, **more},
        ),
    ]


async def test_a_token_is_fetched_once_until_its_connection_changes(
    harness: Harness, backend: Backend, issuer: Backend
) -> None:
    ports = harness.sidecar.ports
    grants = OAuthGrants(harness.transport, ports.clock)
    harness.sidecar.ports = replace(ports, grants=grants)
    shop = [*open_api("shop", backend.url), policy("/apis/shop", DOCUMENT)]
    assert not harness.configure(*shop)  # what is not there is a warning
    assert (await harness.request("GET", "/shop/x")).status == 200
    assert b"Authorization: Bearer \r\n" in backend.requests[0]
    assert not harness.configure(*shop, *resources(issuer, "one"))
    answers = await asyncio.gather(*(harness.request("GET", "/shop/x") for _ in range(5)))
    assert [each.status for each in answers] == [200] * 5
    assert len(issuer.requests) == 1
    assert issuer.requests[0].endswith(b"grant_type=client_credentials&client_id=me&client_secret=one")
    assert all(b"Authorization: Bearer t-1\r\n" in each for each in backend.requests[1:])
    assert not harness.configure(*shop, *resources(issuer, "two"))
    assert (await harness.request("GET", "/shop/x")).status == 200
    assert issuer.requests[1].endswith(b"client_secret=two")
    await grants.close()


async def test_a_token_without_an_end_lasts_a_while(harness: Harness, issuer: Backend) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def __getattr__(self, name: str) -> Any:
            return getattr(harness.sidecar.ports.clock, name)

    clock = Clock()
    grants = OAuthGrants(harness.transport, clock)
    known = Connection("p/c", f"{issuer.url}/token", (("grant_type", "client_credentials"),))
    for now, calls in ((0.0, 1), (LIFE / 2 - 1, 1), (LIFE / 2 + 1, 2)):
        clock.now = now
        assert (await grants.grant(known)).token == "t-1"
        assert len(issuer.requests) == calls
    await grants.close()


@pytest.mark.parametrize(
    ("provider", "own", "problem"),
    [
        ({}, {}, "its grant is not given"),
        ({}, {"oauth2grantType": "AuthorizationCode"}, "its grant is AuthorizationCode"),
        ({}, {"oauth2grantType": "ClientCredentials"}, "it has no clientId"),
        ({}, {"oauth2grantType": "clientcredentials", "parameters": {"clientId": "a"}}, "it has no clientSecret"),
        (
            {},
            {"OAuth2GrantType": "ClientCredentials", "parameters": {"clientId": "a", "clientSecret": "b"}},
            "tokenUrl",
        ),
    ],
)
def test_what_a_connection_lacks(provider: dict[str, Any], own: dict[str, Any], problem: str) -> None:
    assert problem in connection("p/c", provider, own, [], {}).problem


def test_the_parameters_of_provider_and_connection_are_one_set() -> None:
    grants = {
        "ClientCredentials": {"TokenUrl": "https://a.example", "scopes": "x", "audience": "api", "clientId": "no"}
    }
    own = {"oauth2grantType": "ClientCredentials", "parameters": {"clientId": "me", "clientSecret": "s"}}
    made = connection("p/c", {"oauth2": {"grantTypes": grants}}, own, [{"tenantId": "T", "objectId": "O"}], {})
    assert made.token_url == "https://a.example"
    assert dict(made.form) == {
        "grant_type": "client_credentials",
        "scope": "x",
        "audience": "api",
        "client_id": "me",
        "client_secret": "s",
    }
    assert made.allowed == {("t", "o")}
    assert "client_secret" not in repr(made)


def test_names_are_found_whatever_their_case() -> None:
    shelf = {
        each.id: each
        for each in (
            resource("/authorizationProviders/P", {"identityProvider": "aad"}),
            resource("/authorizationProviders/p/authorizations/C", {"oauth2grantType": "ClientCredentials"}),
            resource("/authorizationProviders/p/authorizations/c/accessPolicies/x", {"tenantId": "t", "objectId": "o"}),
        )
    }
    assert connections_of(shelf, {})["p/c"].allowed == {("t", "o")}

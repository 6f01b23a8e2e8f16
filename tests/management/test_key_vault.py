"""Named values and certificates that stand in a Key Vault: stored, told, and missing where they are needed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.management.agent import Agent
from tests.management.conftest import POLICY, Plane

VAULT = {"secretIdentifier": "https://v.vault.azure.net/secrets/key", "identityClientId": "i"}
USE = '<set-header name="x" exists-action="override"><value>{{key}}</value></set-header>'


async def named(plane: Plane, **more: Any) -> dict[str, Any]:
    return (await plane.put("/namedValues/key", {"displayName": "key", "secret": True, "keyVault": VAULT, **more}))[
        "properties"
    ]


async def test_the_reference_is_told(plane: Plane) -> None:
    properties = await named(plane)
    assert properties["keyVault"].items() >= VAULT.items()
    assert properties["keyVault"]["lastStatus"]["code"] == "NotRead"
    assert "value" not in properties
    assert (await plane.call("POST", "/namedValues/key/listValue")).status == 400
    refreshed = await plane.call("POST", "/namedValues/key/refreshSecret")
    assert refreshed.status == 200
    assert "no value" in refreshed.body["properties"]["keyVault"]["lastStatus"]["message"]


async def test_the_same_again_changes_nothing(plane: Plane) -> None:
    """So that a folder with such a reference can be applied twice."""
    first = await named(plane)
    assert (await named(plane))["keyVault"] == first["keyVault"]
    again = await named(plane, keyVault=first["keyVault"])
    assert again["keyVault"] == first["keyVault"]
    refreshed = await plane.call("POST", "/namedValues/key/refreshSecret")
    assert refreshed.body["properties"]["keyVault"]["lastStatus"] != first["keyVault"]["lastStatus"]
    valued = await named(plane, value="hush")
    assert "is used" in valued["keyVault"]["lastStatus"]["message"]


@pytest.mark.parametrize("secret", [True, False, None])
async def test_a_value_beside_it_is_used(plane: Plane, secret: bool | None) -> None:
    """And is secret, whatever else was said."""
    properties = await named(plane, value="hush", secret=secret)
    assert properties["secret"] is True
    assert "hush" not in str(properties)
    assert (await plane.call("POST", "/namedValues/key/listValue")).body == {"value": "hush"}
    reply = await plane.call("PATCH", "/namedValues/key", {"tags": ["a"]})
    assert (reply.status, reply.body["properties"]["keyVault"]["secretIdentifier"]) == (200, VAULT["secretIdentifier"])
    assert (await plane.call("POST", "/namedValues/key/listValue")).body == {"value": "hush"}


async def test_a_policy_may_use_what_is_missing(plane: Plane) -> None:
    """The plane takes it, as Azure does; the gateway gets no value, not an empty one."""
    await named(plane)
    await plane.put("/policies/policy", {"format": "rawxml", "value": POLICY.format(USE)})
    agent = await Agent.of(plane)
    await agent.poll()
    assert "value" not in agent.body("/namedValues/key")
    unknown = POLICY.format(USE.replace("key", "other"))
    assert (await plane.call("PUT", "/policies/policy", {"format": "rawxml", "value": unknown})).status == 400


@pytest.mark.parametrize("identifier", [None, "", "https://v", "http://v/secrets/x", 1])
async def test_what_is_no_secret(plane: Plane, identifier: Any) -> None:
    properties = {"displayName": "key", "keyVault": {"secretIdentifier": identifier}}
    assert (await plane.call("PUT", "/namedValues/key", properties)).status == 400
    assert (await plane.call("PUT", "/certificates/c", {"keyVault": {"secretIdentifier": identifier}})).status == 400


async def test_certificates(plane: Plane) -> None:
    body = await plane.put("/certificates/c", {"keyVault": VAULT})
    assert body["properties"]["thumbprint"] == ""
    assert body["properties"]["keyVault"]["lastStatus"]["code"] == "NotRead"
    assert (await plane.call("POST", "/certificates/c/refreshSecret")).status == 200
    assert (await plane.call("PUT", "/certificates/d", {})).status == 400

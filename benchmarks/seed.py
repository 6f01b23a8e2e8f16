"""A service of N operations as large customers have them, put through `POST {service}/apply` in chunks.

For N operations: N subscriptions, N * 6/25 named values, N/25 policies (half of the texts are the same, every fourth
names a named value), N/7.5 APIs, each assigned to the gateway, and ten products. 75,000 is the Premium tier's limit.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import aiohttp

API_VERSION = "2024-05-01"
GATEWAY = "local"
CHUNK = 5_000
PRODUCTS = 10
OPERATIONS = (
    *(("list", "GET", "/things"), ("create", "POST", "/things"), ("read", "GET", "/things/{id}")),
    *(("replace", "PUT", "/things/{id}"), ("remove", "DELETE", "/things/{id}"), ("change", "PATCH", "/things/{id}")),
    *(("parts", "GET", "/things/{id}/parts"), ("add", "POST", "/things/{id}/parts")),
)

Resource = dict[str, Any]


class Refused(RuntimeError):
    """The plane did not accept a resource; the message has its words."""


class Arm:
    """Calls below one service, with keep-alive."""

    def __init__(self, session: aiohttp.ClientSession, plane: str, service: str, token: str) -> None:
        self._session = session
        self._root = f"{plane}{service}"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The JSON of the answer. Raises Refused."""
        parameters = {"api-version": API_VERSION, **query}
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, f"{self._root}{path}", data=data, headers=self._headers, params=parameters
        ) as response:
            text = await response.read()
            if response.status not in (200, 201, 202, 204):
                raise Refused(f"{method} {path}: {response.status} {text[:500]!r}")
            return json.loads(text) if text else None

    async def put(self, path: str, properties: dict[str, Any]) -> Any:
        return await self.call("PUT", path, {"properties": properties})


def name_of(number: int) -> str:
    return f"api-{number:05}"


def policy(marker: str, named_value: str = "") -> str:
    """A policy that answers by itself and shows `marker`, so that a request tells which configuration it met."""
    tenant = f"{{{{{named_value}}}}}" if named_value else "@(context.Api.Name)"
    return f"""<policies>
  <inbound>
    <base />
    <set-header name="X-Tenant" exists-action="override"><value>{tenant}</value></set-header>
    <return-response>
      <set-status code="200" reason="OK" />
      <set-header name="X-Marker" exists-action="override"><value>{marker}</value></set-header>
    </return-response>
  </inbound>
  <backend><base /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>"""


def operation(kind: int) -> dict[str, Any]:
    name, method, template = OPERATIONS[kind % len(OPERATIONS)]
    suffix = "" if kind < len(OPERATIONS) else f"/{kind}"
    parameters = [{"name": "id", "type": "string", "required": True}] if "{id}" in template else []
    return {
        "displayName": f"{name} {kind}",
        "method": method,
        "urlTemplate": template + suffix,
        "description": f"The usual way to {name} things, as many documents describe it.",
        "templateParameters": parameters,
        "request": {"queryParameters": [{"name": "verbose", "type": "boolean"}], "headers": [], "representations": []},
        "responses": [{"statusCode": 200, "description": "OK", "representations": [], "headers": []}],
    }


def apis_for(operations: int) -> int:
    return max(operations * 2 // 15, 1)


def subscription(number: int) -> dict[str, Any]:
    return {
        "displayName": f"Customer {number:05}",
        "scope": f"/products/product-{number % PRODUCTS}",
        "state": "active",
        "primaryKey": hashlib.md5(f"{number}".encode()).hexdigest(),
        "secondaryKey": hashlib.md5(f"second {number}".encode()).hexdigest(),
    }


def policy_of(number: int, named_values: int) -> dict[str, Any]:
    named = f"value-{number % named_values:05}" if named_values and number % 4 == 0 else ""
    return {"format": "rawxml", "value": policy(f"own-{number}" if number % 2 else "shared", named)}


def resources(operations: int) -> Iterator[Resource]:
    """All of a service, what is referred to first."""
    apis, named_values, policies = apis_for(operations), operations * 6 // 25, max(operations // 25, 1)
    for number in range(named_values):
        properties = {"displayName": f"value-{number:05}", "value": f"v{number}", "secret": number % 4 == 1}
        yield {"id": f"/namedValues/value-{number:05}", "properties": properties}
    for number in range(PRODUCTS):
        properties = {"displayName": f"Product {number}", "state": "published"}
        yield {"id": f"/products/product-{number}", "properties": properties}
    done = 0
    for number in range(apis):
        api = name_of(number)
        properties = {"displayName": f"API {number}", "path": api, "protocols": ["http", "https"],
                      "subscriptionRequired": False, "serviceUrl": "http://127.0.0.1:1"}  # fmt: skip
        yield {"id": f"/apis/{api}", "properties": properties}
        yield {"id": f"/gateways/{GATEWAY}/apis/{api}", "properties": {}}
        share = (operations - done) // (apis - number)
        for kind in range(share):
            yield {"id": f"/apis/{api}/operations/op-{kind}", "properties": operation(kind)}
        done += share
        if number < policies:
            yield {"id": f"/apis/{api}/policies/policy", "properties": policy_of(number, named_values)}
    for number in range(apis, policies):
        kind = f"/apis/{name_of(number % apis)}/operations/op-0"
        yield {"id": f"{kind}/policies/policy", "properties": policy_of(number, named_values)}
    for number in range(operations):
        yield {"id": f"/subscriptions/customer-{number:05}", "properties": subscription(number)}


async def seed(arm: Arm, operations: int) -> tuple[int, float]:
    """(resources, seconds that it took)."""
    began, count, source = time.monotonic(), 0, resources(operations)
    while chunk := list(islice(source, CHUNK)):
        await arm.call("POST", "/apply", {"resources": chunk})
        count += len(chunk)
        if count % (CHUNK * 8) == 0:
            print(f"{count:,} resources after {time.monotonic() - began:.0f} s", file=sys.stderr)
    return count, time.monotonic() - began

"""N APIs with five operations and one policy each, put through the plane's ARM API as any client would."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

API_VERSION = "2024-05-01"
GATEWAY = "local"
AT_ONCE = 8

OPERATIONS = ("list", "create", "read", "replace", "remove")


class Refused(RuntimeError):
    """The plane did not accept a resource; the message has its words."""


class Arm:
    """Calls below one service, with keep-alive."""

    def __init__(self, session: aiohttp.ClientSession, plane: str, service: str, token: str) -> None:
        self._session = session
        self._root = f"{plane}{service}"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def put(self, path: str, properties: dict[str, Any]) -> None:
        address = f"{self._root}{path}?api-version={API_VERSION}"
        body = json.dumps({"properties": properties})
        headers = {**self._headers, "Content-Type": "application/json"}
        async with self._session.put(address, data=body, headers=headers) as response:
            text = await response.text()
            if response.status not in (200, 201, 202):
                raise Refused(f"PUT {path}: {response.status} {text[:500]}")

    async def put_policy(self, api: str, marker: str) -> None:
        await self.put(f"/apis/{api}/policies/policy", {"format": "rawxml", "value": policy(marker)})


def name_of(number: int) -> str:
    return f"api-{number}"


def policy(marker: str) -> str:
    """A policy that answers by itself and shows `marker`, so that a request tells which configuration it met."""
    return f"""<policies>
  <inbound>
    <base />
    <set-header name="X-Tenant" exists-action="override"><value>@(context.Api.Name)</value></set-header>
    <return-response>
      <set-status code="200" reason="OK" />
      <set-header name="X-Marker" exists-action="override"><value>{marker}</value></set-header>
    </return-response>
  </inbound>
  <backend><base /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>"""


def description(number: int) -> str:
    """An OpenAPI document with the five usual operations."""

    def operation(name: str, *parameters: str) -> dict[str, Any]:
        return {
            "operationId": name,
            "summary": f"{name} things of {name_of(number)}",
            "parameters": [
                {"name": each, "in": "path", "required": True, "schema": {"type": "string"}} for each in parameters
            ],
            "responses": {"200": {"description": "OK"}},
        }

    listed, created, read, replaced, removed = OPERATIONS
    paths = {
        "/things": {"get": operation(listed), "post": operation(created)},
        "/things/{id}": {
            "get": operation(read, "id"),
            "put": operation(replaced, "id"),
            "delete": operation(removed, "id"),
        },
    }
    return json.dumps({"openapi": "3.0.1", "info": {"title": name_of(number), "version": "1"}, "paths": paths})


async def seed(arm: Arm, count: int, first: int = 0) -> float:
    """Seconds that it took. Half of the policy texts are the same."""
    began = time.monotonic()
    numbers = iter(range(first, first + count))

    async def worker() -> None:
        for number in numbers:
            api = name_of(number)
            await arm.put(
                f"/apis/{api}",
                {
                    "format": "openapi+json",
                    "value": description(number),
                    "displayName": api,
                    "path": api,
                    "protocols": ["http", "https"],
                    "subscriptionRequired": False,
                    "serviceUrl": "https://backend.example.com",
                },
            )
            await arm.put_policy(api, f"own-{number}" if number % 2 else "shared")
            await arm.put(f"/gateways/{GATEWAY}/apis/{api}", {})
            if number % 1000 == 999:
                print(f"{number + 1:,} APIs after {time.monotonic() - began:.0f} s", file=sys.stderr)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return time.monotonic() - began

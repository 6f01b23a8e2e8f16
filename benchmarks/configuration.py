"""The configuration that is measured, as wire resources: id -> body. Two APIs in front of one backend:

| path | what a request passes |
|---|---|
| /plain | no key, no policy |
| /shaped | subscription key, rate-limit (never reached), three set-header policies |
"""

from __future__ import annotations

from typing import Any

KEY = "0123456789abcdef0123456789abcdef"

PRODUCT_POLICY = """<policies>
  <inbound><base /><rate-limit calls="1000000000" renewal-period="60" /></inbound>
  <backend><base /></backend>
  <outbound><base /></outbound>
  <on-error><base /></on-error>
</policies>"""

PROOF = b"X-Served-By: passerelle"

API_POLICY = """<policies>
  <inbound>
    <base />
    <set-header name="X-Tenant" exists-action="override"><value>contoso</value></set-header>
    <set-header name="X-Api" exists-action="override"><value>@(context.Api.Name)</value></set-header>
  </inbound>
  <backend><base /></backend>
  <outbound>
    <base />
    <set-header name="X-Served-By" exists-action="override"><value>passerelle</value></set-header>
  </outbound>
  <on-error><base /></on-error>
</policies>"""


def api(name: str, backend: str, *, key: bool) -> dict[str, Any]:
    return {
        "displayName": name,
        "path": name,
        "serviceUrl": backend,
        "protocols": ["http", "https"],
        "subscriptionRequired": key,
        "isCurrent": True,
        "apiRevision": "1",
    }


def operation(template: str) -> dict[str, Any]:
    return {"displayName": template, "method": "GET", "urlTemplate": template, "templateParameters": []}


def resources(backend: str) -> dict[str, Any]:
    return {
        "/": {"id": "benchmark", "name": "benchmark", "location": "local", "gatewayUrl": "http://127.0.0.1"},
        "/gateways/local": {"locationData": {"name": "local"}},
        "/apis/plain": api("plain", backend, key=False),
        "/apis/plain/operations/item": operation("/item"),
        "/apis/shaped": api("shaped", backend, key=True),
        "/apis/shaped/operations/item": operation("/item"),
        "/apis/shaped/policies/policy": {"format": "rawxml", "value": API_POLICY},
        "/products/starter": {"displayName": "Starter", "state": "published", "subscriptionRequired": True},
        "/products/starter/apis/shaped": {},
        "/products/starter/policies/policy": {"format": "rawxml", "value": PRODUCT_POLICY},
        "/subscriptions/load": {
            "displayName": "Load",
            "scope": "/products/starter",
            "state": "active",
            "primaryKey": KEY,
            "secondaryKey": KEY[::-1],
        },
    }

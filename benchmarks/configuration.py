"""The configuration that is measured, as wire resources: id -> body. Three APIs in front of one backend:

| path | what a request passes |
|---|---|
| /plain | no key, no policy |
| /shaped | subscription key, rate-limit (never reached), three set-header policies |
| /ten | no key, ten policies with six expressions |
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


# Ten policies as published documents combine them; every request of the benchmark passes all of them.
TEN_POLICIES = """<policies>
  <inbound>
    <base />
    <cors><allowed-origins><origin>https://app.example</origin></allowed-origins></cors>
    <check-header name="Accept" failed-check-httpcode="406" failed-check-error-message="JSON only" ignore-case="true">
      <value>application/json</value></check-header>
    <rate-limit-by-key calls="1000000000" renewal-period="60" counter-key="@(context.Request.IpAddress)" />
    <set-variable name="kind" value="@(context.Request.Headers.GetValueOrDefault("X-Kind", "plain"))" />
    <choose>
      <when condition="@((string)context.Variables["kind"] == "special")"><set-method>POST</set-method></when>
      <otherwise>
        <set-query-parameter name="kind"><value>@((string)context.Variables["kind"])</value></set-query-parameter>
      </otherwise>
    </choose>
    <set-header name="X-Correlation" exists-action="skip"><value>@(context.RequestId.ToString())</value></set-header>
    <rewrite-uri template="/v2/item" />
  </inbound>
  <backend><forward-request timeout="30" /></backend>
  <outbound>
    <base />
    <set-header name="X-Served-By" exists-action="override"><value>passerelle</value></set-header>
    <set-header name="X-Kind"><value>@(context.Variables.GetValueOrDefault<string>("kind", ""))</value></set-header>
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
        "/apis/ten": api("ten", backend, key=False),
        "/apis/ten/operations/item": operation("/item"),
        "/apis/ten/policies/policy": {"format": "rawxml", "value": TEN_POLICIES},
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

"""An exchange to evaluate expressions on, made from the small vocabulary of the conformance tables."""

from __future__ import annotations

import dataclasses
import datetime
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.config.resources import Api, Deployment, Group, Identity, Operation, Product, Subscription, User
from proxy.errors import LastError
from proxy.exchange import Exchange
from proxy.expressions import compile_expression
from proxy.messages import Body, Request, Response, Url
from proxy.ports import Ports

NOW = datetime.datetime(2026, 3, 5, 14, 7, 9, 123456, tzinfo=datetime.UTC)


class StillClock:
    """Time stands at NOW; monotonic time is 12.5 s; random numbers are all 0.5."""

    def monotonic(self) -> float:
        return 12.5

    def utcnow(self) -> datetime.datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        return

    def random(self) -> float:
        return 0.5

    def entropy(self, size: int) -> bytes:
        return b"\x80" * size


def fields(given: dict[str, Any] | None) -> CIMultiDict[str]:
    """Headers; a list is one that stands several times."""
    made: CIMultiDict[str] = CIMultiDict()
    for name, value in (given or {}).items():
        for one in value if isinstance(value, list) else [value]:
            made.add(name, str(one))
    return made


def make_exchange(setup: dict[str, Any] | None = None) -> Exchange:
    """Keys: method, url, headers, body, matched, variables (a C# expression or plain text each), status,
    response_headers, response_body, anonymous (no product, subscription, user), error."""
    setup = setup or {}
    parts = setup.get("url", "https://gateway.example:8443/shop/orders/7?a=1&b=2&a=3")
    scheme, rest = parts.split("://", 1)
    authority, _, tail = rest.partition("/")
    host, _, port = authority.partition(":")
    path, _, query = tail.partition("?")
    url = Url(scheme, host, int(port or (443 if scheme == "https" else 80)), f"/{path}", query)
    headers = fields(setup.get("headers"))
    body = setup.get("body", "")
    request = Request(
        method=setup.get("method", "GET"),
        original_url=url,
        path="/orders/7",
        query=query,
        headers=headers,
        body=Body(body.encode()),
        base=Url("https", "backend.example", 443, "/v1"),
        client_ip="203.0.113.9",
    )
    response = None
    if "status" in setup:
        response = Response(setup["status"], setup.get("reason", "OK"), fields(setup.get("response_headers")))
        response.body = Body(setup.get("response_body", "").encode())
    api = Api(
        "shop", "shop;rev=2", "Shop API", "shop", service_url="https://backend.example/v1", revision="2", version="v1"
    )
    # an expression reaches the clock and no other port
    ports = Ports(**{**dict.fromkeys(field.name for field in dataclasses.fields(Ports)), "clock": StillClock()})
    exchange = Exchange(
        request=request,
        ports=ports,
        deployment=Deployment("svc-id", "contoso", "West Europe", "gw-1", "pod-1"),
        started=10.0,
        timestamp=NOW,
        request_id=uuid.UUID("11111111-2222-4333-8444-555555555555"),
    ).having(
        response=response,
        api=api,
        operation=Operation("get-order", "Get order", "GET", "/orders/{id}", "shop"),
        matched_parameters=dict(setup.get("matched") or {"id": "7"}),
    )
    if not setup.get("anonymous"):
        groups = (Group("developers", "Developers"), Group("admins", "Administrators"))
        exchange.product = Product("starter", "Starter", groups=groups)
        exchange.subscription = Subscription(
            "sub-1", "First", "product:starter", "active", "k1", "k2", "u-1", created=NOW
        )
        exchange.user = User(
            "u-1",
            "ada@example.com",
            "Ada",
            "Lovelace",
            groups=groups,
            identities=(Identity("ada", "Azure"),),
            registration_date=NOW,
        )
    if setup.get("error"):
        exchange.last_error = LastError("set-header", "Why", setup["error"], "api", "inbound", "set-header[1]", "p1")
    for name, value in (setup.get("variables") or {}).items():
        is_expression = isinstance(value, str) and value.startswith(("@(", "@{"))
        exchange.variables[name] = compile_expression(value).evaluate(exchange) if is_expression else value
    return exchange


@pytest.fixture
def evaluate() -> Callable[..., Any]:
    def run(source: str, **setup: Any) -> Any:
        return compile_expression(source).evaluate(make_exchange(setup))

    return run


def shared_data() -> Path:
    """The folder of real policy documents, outside the repository; tests skip without it."""
    root = Path(os.environ.get("PASSERELLE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    for folder in (root / "data" / "policies", root / "policies", root.parent / "shared" / "data" / "policies"):
        if folder.is_dir():
            return folder
    pytest.skip("no corpus of policy documents: set PASSERELLE_SHARED to the folder that has data/policies")

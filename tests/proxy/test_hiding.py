"""Secrets of the configuration are taken out of what a record says; ordinary words stay."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from sidecar_harness import Backend, Harness, api, operation, policy, resource

from proxy.hiding import hider

SECRET = 'p4ss+w/rd="x"'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        quote(base64.b64encode(SECRET.encode()).decode(), safe=""),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET.replace('"', '\\"'),
        SECRET.encode().hex(),
    ],
)
def test_a_secret_is_hidden_in_every_form(form: str) -> None:
    hide = hider(frozenset({SECRET}))
    assert hide is not None
    assert hide(f"before {form} after") == "before *** after"


def test_what_would_hide_half_of_a_text_is_not_looked_for() -> None:
    assert hider(frozenset()) is None
    assert hider(frozenset({"", "abc", "true", "12345"})) is None


async def test_neither_a_named_value_nor_a_backends_credential_is_in_a_record(
    harness: Harness, backend: Backend
) -> None:
    secret = {"displayName": "nv", "value": "swordfish-7", "secret": True}
    credentials = {"query": {"code": ["credential-8"]}, "header": {"x-kind": ["plain"], "x-key": ["credential-9"]}}
    text = (
        "<policies><inbound><set-backend-service backend-id='b' />"
        "<set-query-parameter name='n' exists-action='override'><value>{{nv}}</value></set-query-parameter>"
        "<trace source='s' severity='error'><message>{{nv}}, plain</message></trace></inbound>"
        "<backend><forward-request /></backend>"
        "<outbound><set-variable name='x' value='@(int.Parse(&quot;{{nv}}&quot;))' /></outbound><on-error /></policies>"
    )
    harness.configure(
        resource("/namedValues/nv", secret),
        resource("/backends/b", {"url": backend.url, "protocol": "http", "credentials": credentials}),
        api("a", backend.url),
        operation("a", "GET", "/*"),
        policy("/apis/a", text),
    )
    await harness.request("GET", "/a/x")
    (record,) = await harness.recorded()
    assert b"n=swordfish-7" in backend.requests[0]
    assert b"code=credential-8" in backend.requests[0]
    told = repr(record)
    assert not any(each in told for each in ("swordfish-7", "credential-8", "credential-9"))
    assert record.backend_url.endswith("/x?n=***&code=***")
    assert "***, plain" in told

"""From wire resources to requests: certificates and providers come with the configuration and change with it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from sidecar_harness import Backend, api, operation, policy, resource

from passerelle.cases.tokens import FakeKeys, certificate, jwk, opened, pfx, token
from passerelle.cases.world import World
from proxy.adapters.clock import SystemClock
from proxy.adapters.openid import OpenIdKeys
from proxy.adapters.reach import Reach
from proxy.adapters.transport import HttpTransport
from proxy.config.certificates import open_pfx
from proxy.config.gateway import Gateway, build
from proxy.config.resources import Resource
from proxy.config.snapshot import apply
from proxy.exchange import Exchange
from proxy.pipeline.run import execute


def certificate_resource(pair: str, password: str = "") -> Resource:
    content = base64.b64encode(pfx(pair, password)).decode()
    return resource("/certificates/signer", {"data": content, "password": password, "subject": "CN=x"})


def guarded(key: str) -> Resource:
    text = f'<validate-jwt header-name="Authorization"><issuer-signing-keys>{key}</issuer-signing-keys></validate-jwt>'
    return policy("/apis/shop", f"<policies><inbound>{text}</inbound><backend><return-response /></backend></policies>")


def resources(*more: Resource) -> list[Resource]:
    return [api("shop", "http://backend.example"), operation("shop", "GET", "/x", "x"), *more]


async def ask(gateway: Gateway, **made: Any) -> Exchange:
    world = World(keys=FakeKeys({}))
    exchange = world.exchange(headers={"Authorization": f"Bearer {token(**made)}"})
    entry = gateway.entries["shop"]
    await execute(gateway.pipeline(None, entry.api, None), exchange)
    return exchange


def status(exchange: Exchange) -> int:
    assert exchange.response is not None
    return exchange.response.status


async def test_a_changed_certificate_changes_who_is_trusted() -> None:
    text = guarded('<key certificate-id="signer" />')
    held = apply({}, resources(certificate_resource("rsa", "open"), text), [], True)
    gateway, issues = build(held)
    assert not issues
    assert status(await ask(gateway, alg="RS256", key="rsa")) == 200
    assert status(await ask(gateway, alg="RS256", key="second")) == 401
    renewed, issues = build(apply(held, [certificate_resource("second")], [], False), gateway)
    assert not issues
    assert status(await ask(renewed, alg="RS256", key="second")) == 200
    assert status(await ask(renewed, alg="RS256", key="rsa")) == 401  # though it was verified before


async def test_a_certificate_that_cannot_be_opened_is_an_issue_of_its_own() -> None:
    broken = resource("/certificates/signer", {"data": base64.b64encode(pfx("rsa", "open")).decode(), "password": "x"})
    gateway, issues = build(apply({}, resources(broken, guarded('<key certificate-id="signer" />')), [], True))
    assert [issue.resource_id for issue in issues] == ["/certificates/signer", "/apis/shop/policies/policy"]
    assert "PKCS #12" in issues[0].message
    assert status(await ask(gateway, alg="RS256", key="rsa")) == 500


def test_a_backend_shows_the_certificate_that_it_names() -> None:
    def backend(**credentials: Any) -> Resource:
        return resource("/backends/b", {"url": "https://b.example", "credentials": credentials})

    by_id = backend(certificateIds=["/subscriptions/s/certificates/signer"])
    by_thumbprint = backend(certificate=[opened("rsa").thumbprint.lower()])
    for named in (by_id, by_thumbprint):
        gateway, issues = build(apply({}, resources(named, certificate_resource("rsa")), [], True))
        assert not issues
        assert isinstance(gateway.environment.backends, Mapping)
        found = gateway.environment.backends["b"].identity
        assert found is not None
        assert found.pem == opened("rsa").pem
        assert gateway.deployment.certificates["signer"].thumbprint == opened("rsa").thumbprint
    gateway, issues = build(apply({}, resources(by_id), [], True))
    assert [(issue.resource_id, "none of its certificates" in issue.message) for issue in issues] == [
        ("/backends/b", True)
    ]


async def test_the_providers_of_a_configuration_are_known_beforehand() -> None:
    text = '<validate-jwt header-name="A"><openid-config url="https://id.example/c" /></validate-jwt>'
    tenant = '<validate-azure-ad-token tenant-id="t" authentication-endpoint="https://login.example" />'
    document = policy("/apis/shop", f"<policies><inbound>{text}{tenant}</inbound></policies>")
    gateway, issues = build(apply({}, resources(document), [], True))
    assert not issues
    assert gateway.providers() == {
        "https://id.example/c",
        "https://login.example/t/v2.0/.well-known/openid-configuration",
        "https://login.example/t/.well-known/openid-configuration",
    }


async def test_a_provider_over_the_network(backend: Backend) -> None:
    """One document, one provider, real sockets: the first request waits for the keys, the others do not."""

    def answer(value: Any) -> bytes:
        body = json.dumps(value).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    url = f"http://127.0.0.1:{backend.port}"

    async def script(reader: Any, writer: Any) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            backend.seen.append(head.split(b" ")[1])
            keys = head.startswith(b"GET /keys ")
            writer.write(answer({"keys": [jwk("rsa")]} if keys else {"issuer": "i", "jwks_uri": f"{url}/keys"}))

    backend.script = script
    text = f'<validate-jwt header-name="Authorization"><openid-config url="{url}/c" /></validate-jwt>'
    document = policy(
        "/apis/shop", f"<policies><inbound>{text}</inbound><backend><return-response /></backend></policies>"
    )
    gateway, _ = build(apply({}, resources(document), [], True))
    transport = HttpTransport(reach=Reach(loopback=True))
    keys = OpenIdKeys(transport, SystemClock())
    try:
        for key, expected in (("rsa", 200), ("rsa", 200), ("second", 401)):
            exchange = World().exchange()
            exchange.ports = replace(exchange.ports, transport=transport, keys=keys)
            made = token({"iss": "i"}, "RS256", key, {"kid": "rsa"})
            exchange.request.headers["Authorization"] = f"Bearer {made}"
            await execute(gateway.pipeline(None, gateway.entries["shop"].api, None), exchange)
            assert status(exchange) == expected
        assert backend.seen == [b"/c", b"/keys"]
    finally:
        await keys.close()
        await transport.close()


def test_a_thumbprint_is_what_others_call_one() -> None:
    found = open_pfx("x", pfx("rsa", "open"), "open")
    assert found.thumbprint == hashlib.sha1(certificate("rsa").public_bytes(Encoding.DER)).hexdigest().upper()

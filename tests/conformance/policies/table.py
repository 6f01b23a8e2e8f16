"""One row of a conformance table: a request, a policy, a backend's answer, and what must come of it.

A table is `<policy>.yaml`, a list of rows:

    name        what the row shows
    inbound, backend, outbound, on-error
                content of a section (backend: `<base/>` unless given, so the request is forwarded)
    scope       of the document (api)
    request     method, path (with query), headers, body, stream, ip, parameters, variables, subscription (false: none),
                certificate (name of a client certificate),
                original (the path that the client asked for)
    operation   url_template, method, examples
    answers     the backend's answers in order: status, reason, headers, body (or hex, or size in zeros);
                or "timeout", "refused"
    fragments, backends, named-values
                what the document may refer to
    loggers     logger resources by name
    in-flight   requests of others inside limit-concurrency, by key
    certificates
                names of certificate resources; "name.cer" has no private key
    token       what stands for $TOKEN in the request's headers, path and variables; see tests/policies/tokens.py
    identity    access tokens by resource, or by "resource client-id"; others cannot be had
    providers   OpenID providers by URL: issuer, keys, rotated
    times       send the request so often; what is expected is expected of the last (1)
    pause       seconds between requests (0)
    requests    instead of `request` and `times`: several requests in order; what is expected is expected of the last
    external    the external cache: "up" or "down"; without it there is none
    expect      status, reason, headers (null: absent), body, variables, errors (reasons), last-error, sleeps, traces,
                calls (number of backend calls), cache (of the record: hit, miss, none),
                sent (the last backend call: method, url, headers, body, and fields),
                requests (the same for all calls in order, those of policies too), errands (what nobody waits for),
                authorized (Authorization that they get in the background),
                in-flight (what limit-concurrency counts afterwards), metrics (namespace, name, value, dimensions)
    issues      instead of `expect`: [element, code] of what compiling must report, in order
"""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path
from typing import Any

import yaml

from proxy.adapters.cache import LocalCache
from proxy.config.read import logger
from proxy.config.resources import Backend, BreakerRule, Example, PoolMember
from proxy.exchange import Exchange
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.pipeline.markup import read
from tests.policies.tokens import SECRETS, FakeKeys, FakeTokens, jwk, opened, pfx, token
from tests.policies.world import SUBSCRIPTION, DownCache, Sent, World, content, document, operation, policies

TABLES = Path(__file__).parent
KEY = re.compile(r"\$(SECRET|N|E|THUMBPRINT|PFX|LOCKED):([a-z.]+)")
__all__ = ["Row", "check", "compiled", "read", "rows", "run", "text"]
Row = dict[str, Any]
_KEYS = {
    *("name", "inbound", "backend", "outbound", "on-error", "scope", "request", "operation", "answers"),
    *("fragments", "backends", "named-values", "times", "pause", "requests", "external", "expect", "issues"),
    *("in-flight", "certificates", "token", "providers", "identity", "loggers"),
}


def rows(policy: str) -> list[Row]:
    loaded: list[Row] = yaml.safe_load((TABLES / f"{policy}.yaml").read_text(encoding="utf-8"))
    for row in loaded:
        assert set(row) <= _KEYS, f"{policy}: {row.get('name')}: unknown keys {set(row) - _KEYS}"
        assert ("expect" in row) != ("issues" in row), f"{policy}: {row['name']}: expect xor issues"
    return loaded


def text(row: Row) -> str:
    written = policies(
        row.get("inbound", ""), row.get("backend", "<base/>"), row.get("outbound", ""), row.get("on-error", "")
    )
    return KEY.sub(lambda found: _key(*found.groups()), written) if "$" in written else written


def _key(kind: str, name: str) -> str:
    """$SECRET:x is a secret in Base64; $N:x and $E:x are modulus and exponent of a pair; $PFX:x and $LOCKED:x are
    PKCS #12 files in Base64, without a password and with the password "open"."""
    if kind in ("PFX", "LOCKED"):
        return base64.b64encode(pfx(name, "open" if kind == "LOCKED" else "")).decode()
    if kind == "SECRET":
        return base64.b64encode(SECRETS[name]).decode()
    return str(jwk(name)[kind.lower()]) if kind in "NE" else opened(name).thumbprint


def environment(row: Row) -> Environment:
    backends: dict[str, Backend] = {}
    for name, fields in row.get("backends", {}).items():  # members before their pools
        given = {"url": "", **fields}
        given["pool"] = tuple(
            PoolMember(backends[each.pop("id")], **each) for each in copy.deepcopy(given.get("pool", ()))
        )
        given["breaker"] = tuple(BreakerRule("rule", **rule) for rule in given.get("breaker", ()))
        backends[name] = Backend(name, **given)
    certificates = {name: opened(name.removesuffix(".cer"), "." not in name) for name in row.get("certificates", ())}
    values = row.get("named-values", {})
    loggers = {name: logger(name, body, values) for name, body in row.get("loggers", {}).items()}
    return Environment(values, row.get("fragments", {}), backends, certificates=certificates, loggers=loggers)


def compiled(row: Row) -> CompiledDocument:
    """Whatever comes of the row's document, issues included."""
    return compile_document(text(row), Scope(row.get("scope", "api"), "/apis/shop"), environment(row))


async def run(row: Row) -> tuple[World, Exchange]:
    """Send the row's requests; the world and the last exchange."""
    world = World(
        in_flight=dict(row.get("in-flight", {})),
        keys=FakeKeys(row.get("providers", {})),
        tokens=FakeTokens(row.get("identity", {})),
    )
    if "answers" in row:
        world.transport.answers = row["answers"]
    if "external" in row:
        world.external_cache = LocalCache(world.clock.monotonic) if row["external"] == "up" else DownCache()
    made = document(text(row), row.get("scope", "api"), environment=environment(row))
    requests = row.get("requests", [row.get("request", {})] * row.get("times", 1))
    for attempt, request in enumerate(requests):
        if attempt:
            world.clock.advance(row.get("pause", 0))
        exchange = _exchange(world, row, request)
        await world.serve(exchange, [made])
        if attempt + 1 < len(requests):
            await world.finish(exchange)
    return world, exchange


def _exchange(world: World, row: Row, request: dict[str, Any]) -> Exchange:
    request = _with_token(request, token(**row["token"])) if "token" in row else dict(request)
    headers = request.pop("headers", {})
    request["headers"] = [
        (name, value)
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    request["subscription"] = SUBSCRIPTION if request.get("subscription", True) else None
    fields = dict(row.get("operation", {}))
    fields["examples"] = tuple(Example(**example) for example in fields.get("examples", ()))
    return world.exchange(of=operation(**fields), **request)


def _with_token(part: Any, made: str) -> Any:
    if isinstance(part, dict):
        return {name: _with_token(value, made) for name, value in part.items()}
    if isinstance(part, list):
        return [_with_token(value, made) for value in part]
    return part.replace("$TOKEN", made) if isinstance(part, str) else part


async def check(row: Row, world: World, exchange: Exchange) -> None:
    expect = dict(row["expect"])
    response = exchange.response
    assert response is not None
    for name in ("status", "reason"):
        if name in expect:
            assert getattr(response, name) == expect.pop(name)
    check_headers(response.headers, expect.pop("headers", {}))
    if "body" in expect:
        assert await content(response) == expect.pop("body")
    for name, value in expect.pop("variables", {}).items():
        assert exchange.variables.get(name) == value, name
    if "errors" in expect:
        assert [error.reason for error in exchange.errors] == expect.pop("errors")
    for name, value in expect.pop("last-error", {}).items():
        assert getattr(exchange.last_error, name) == value, name
    if "sleeps" in expect:
        assert world.clock.sleeps == expect.pop("sleeps")
    if "traces" in expect:
        assert [list(trace) for trace in exchange.traces] == expect.pop("traces")
    if "calls" in expect:
        assert len(world.transport.sent) == expect.pop("calls")
    if "cache" in expect:
        assert exchange.cache == expect.pop("cache")
    if "sent" in expect:
        check_sent(world.transport.sent[-1], expect.pop("sent"))
    for name, found in (("requests", world.transport.sent), ("errands", world.errands.sent)):
        if name in expect:
            wanted = expect.pop(name)
            assert len(found) == len(wanted), [str(sent.outgoing.url) for sent in found]
            for sent, each in zip(found, wanted, strict=True):
                check_sent(sent, each)
    if "authorized" in expect:
        assert [await authorize() for authorize in world.errands.authorized] == expect.pop("authorized")
    if "metrics" in expect:
        assert json.loads(json.dumps(exchange.metrics)) == expect.pop("metrics")
    if "in-flight" in expect:
        assert world.in_flight == expect.pop("in-flight")
    assert not expect, f"unknown expectations {sorted(expect)}"


def check_sent(sent: Sent, expect: dict[str, Any]) -> None:
    for name, value in expect.items():
        if name == "headers":
            check_headers(sent.outgoing.headers, value)
        elif name == "body":
            assert sent.body.decode() == value
        elif name == "size":
            assert len(sent.body) == value
        elif name == "url":
            assert str(sent.outgoing.url) == value
        elif name == "identity":
            assert (sent.outgoing.identity.pem if sent.outgoing.identity else None) == (
                opened(value).pem if value else None
            )
        else:
            assert getattr(sent.outgoing, name) == value, name


def check_headers(headers: Any, expect: dict[str, Any]) -> None:
    for name, value in expect.items():
        lines = value if isinstance(value, list) else [] if value is None else [value]
        assert headers.getall(name, []) == lines, name

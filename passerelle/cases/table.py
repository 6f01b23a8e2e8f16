"""One row of a conformance table: a request, a policy, a backend's answer, and what must come of it.

A table is a YAML file: a list of rows, or a mapping of `defaults` (what each row has that does not say otherwise) and
`cases` (the rows). A row:

    name        what the row shows
    document    path of a whole policy document, from the table's folder; instead of the four sections
    inbound, backend, outbound, on-error
                content of a section (backend: `<base/>` unless given, so the request is forwarded)
    scope       of the document (api)
    request     method, path (with query), headers, body (what is no text is sent as JSON), stream, ip, parameters,
                variables, subscription (false: none), certificate (name of a client certificate), original (the path
                that the client asked for)
    operation   url_template, method, examples, described (request, responses, templateParameters of the ARM resource)
    schemas, api-schemas
                schema resources of the service and of the API, by name: what their `properties` hold
    answers     the backend's answers in order: status, reason, headers, body (or hex, or size in zeros);
                or "timeout", "refused"
    graphql     the API is a GraphQL one: see passerelle/cases/graphql.py
    fragments, backends, named-values
                what the document may refer to; a fragment is its text, or its path from the table's folder (`.xml`)
    loggers     logger resources by name
    connections properties of resources by "provider/connection": provider, authorization, policies
    certificates
                names of certificate resources; "name.cer" has no private key
    token       what stands for $TOKEN in the request's headers, path and variables; see passerelle/cases/tokens.py
    identity    access tokens by resource, or by "resource client-id"; others cannot be had
    providers   OpenID providers by URL: issuer, keys, rotated
    in-flight   requests of others inside limit-concurrency, by key
    times       send the request so often; what is expected is expected of the last (1)
    pause       seconds between requests (0)
    requests    instead of `request` and `times`: several requests in order; what is expected is expected of the last
    external    the external cache: "up" or "down"; without it there is none
    expect      status, reason, headers (null: absent), body, variables, errors (reasons), last-error, sleeps, traces,
                calls (number of backend calls), cache (of the record: hit, miss, none),
                sent (the last backend call: method, url, headers, body, proxy (its URL and what it sees), and fields),
                requests (the same for all calls in order, those of policies too), errands (what nobody waits for),
                events (what went to event hubs: logger, partition, key, body, size),
                authorized (Authorization that they get in the background),
                in-flight (what limit-concurrency counts afterwards), metrics (namespace, name, value, dimensions)
    issues      instead of `expect`: [element, code] of what compiling must report, in order
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from passerelle.cases.graphql import enter, resolver_documents
from passerelle.cases.tokens import SECRETS, FakeKeys, FakeTokens, jwk, opened, pfx, token
from passerelle.cases.world import (
    SUBSCRIPTION,
    DownCache,
    Sent,
    World,
    content,
    document,
    operation,
    policies,
    schema_library,
)
from proxy.adapters.cache import LocalCache
from proxy.config.connections import connection
from proxy.config.read import logger
from proxy.config.resources import Backend, BreakerRule, Cluster, PoolMember
from proxy.exchange import Exchange
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.ports import Places
from proxy.tracing.ports import watched
from proxy.tracing.recorder import Entry, Recorder
from telemetry.records import EventRecord

Row = dict[str, Any]
_KEY = re.compile(r"\$(SECRET|N|E|THUMBPRINT|PFX|LOCKED):([a-z.]+)")
_SECTIONS = ("inbound", "backend", "outbound", "on-error")
_KEYS = {
    *("name", "document", "inbound", "backend", "outbound", "on-error", "scope", "request", "operation", "answers"),
    *("fragments", "backends", "named-values", "times", "pause", "requests", "external", "expect", "issues"),
    *("in-flight", "certificates", "token", "providers", "identity", "loggers", "connections", "schemas"),
    *("api-schemas", "graphql"),
}


class TableError(Exception):
    """A table that cannot be read; names the file, the row and the remedy."""


def rows(path: Path) -> list[Row]:
    """The rows of a table, complete with their defaults and the texts of the files that they name."""
    loaded = _loaded(path)
    defaults: Row = {}
    if isinstance(loaded, dict):
        if unknown := set(loaded) - {"defaults", "cases"}:
            raise TableError(f"{path}: unknown keys {_list(unknown)}; a table has defaults and cases.")
        defaults, loaded = loaded.get("defaults") or {}, loaded.get("cases")
    if not isinstance(loaded, list) or not isinstance(defaults, dict) or not loaded:
        raise TableError(f"{path}: a table is a list of cases, or a mapping of defaults and cases.")
    return [_row(path, index, defaults, each) for index, each in enumerate(loaded, 1)]


def is_table(path: Path) -> bool:
    """Whether a YAML file is meant as a table, be it right or wrong."""
    loaded = _loaded(path)
    return isinstance(loaded, list) or (isinstance(loaded, dict) and bool({"cases", "defaults"} & set(loaded)))


def _loaded(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise TableError(f"{path}: {problem}") from None


def _row(path: Path, index: int, defaults: Row, given: Any) -> Row:
    if not isinstance(given, dict) or not given.get("name"):
        raise TableError(f"{path}: case {index} needs a name.")
    row: Row = {**defaults, **given}
    place = f"{path}: {row['name']}"
    if unknown := set(row) - _KEYS:
        raise TableError(f"{place}: unknown keys {_list(unknown)}; known are {_list(_KEYS)}.")
    if ("expect" in row) == ("issues" in row):
        raise TableError(f"{place}: a case has either 'expect' or 'issues'.")
    if "document" in row:
        if sections := [name for name in _SECTIONS if name in row]:
            raise TableError(f"{place}: a case has a document or sections, not both ({_list(sections)}).")
        row["document"] = _file(place, path, str(row["document"]))
    if "fragments" in row:
        texts = {name: str(text) for name, text in row["fragments"].items()}
        row["fragments"] = {
            name: _file(place, path, text) if text.endswith(".xml") else text for name, text in texts.items()
        }
    return row


def _file(place: str, table: Path, name: str) -> str:
    try:
        return (table.parent / name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise TableError(f"{place}: {name} cannot be read: {problem}") from None


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def text(row: Row) -> str:
    """The row's document: its own, or one around its sections."""
    if "document" in row:
        return str(row["document"])
    written = policies(
        row.get("inbound", ""), row.get("backend", "<base/>"), row.get("outbound", ""), row.get("on-error", "")
    )
    return _KEY.sub(lambda found: _key(*found.groups()), written) if "$" in written else written


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
        members = [dict(each) for each in given.get("pool", ())]
        given["pool"] = tuple(PoolMember(backends[each.pop("id")], **each) for each in members)
        given["breaker"] = tuple(BreakerRule("rule", **rule) for rule in given.get("breaker", ()))
        if "cluster" in given:
            given["cluster"] = Cluster(**given["cluster"])
        backends[name] = Backend(name, **given)
    certificates = {name: opened(name.removesuffix(".cer"), "." not in name) for name in row.get("certificates", ())}
    values = row.get("named-values", {})
    loggers = {name: logger(name, body, values) for name, body in row.get("loggers", {}).items()}
    connections = {
        name.lower(): connection(name, each["provider"], each["authorization"], each.get("policies", []), values)
        for name, each in row.get("connections", {}).items()
    }
    return Environment(
        values,
        row.get("fragments", {}),
        backends,
        certificates=certificates,
        loggers=loggers,
        connections=connections,
        schemas=schema_library(row.get("schemas", {})),
    )


def compiled(row: Row) -> CompiledDocument:
    """Whatever comes of the row's document, issues included."""
    return compile_document(text(row), Scope(row.get("scope", "api"), "/apis/shop"), environment(row))


async def run(row: Row, recorder: Recorder | None = None) -> tuple[World, Exchange]:
    """Send the row's requests; the world and the last exchange. A recorder looks on at all of them."""
    world = World(
        in_flight=Places(row.get("in-flight", {})),
        keys=FakeKeys(row.get("providers", {})),
        tokens=FakeTokens(row.get("identity", {})),
    )
    if "answers" in row:
        world.transport.answers = [_answer(each) for each in row["answers"]]
    if "external" in row:
        world.external_cache = LocalCache(world.clock.monotonic) if row["external"] == "up" else DownCache()
    made = document(text(row), row.get("scope", "api"), environment=environment(row))
    requests = row.get("requests", [row.get("request", {})] * row.get("times", 1))
    for attempt, request in enumerate(requests):
        if attempt:
            world.clock.advance(row.get("pause", 0))
        exchange = _exchange(world, row, request)
        if "graphql" in row:
            enter(exchange, row["graphql"], environment(row))
        if recorder is not None:
            exchange.watch, exchange.ports = recorder, watched(exchange.ports, recorder, exchange)
        await world.serve(exchange, [made])
        if attempt + 1 < len(requests):
            await world.finish(exchange)
    return world, exchange


def _answer(answer: Any) -> Any:
    if not isinstance(answer, dict) or not isinstance(answer.get("headers"), dict):
        return answer
    return {**answer, "headers": _pairs(answer["headers"])}


def _pairs(headers: dict[str, Any]) -> list[tuple[str, str]]:
    """A header with several values is a list of them."""
    return [
        (name, written(value))
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _exchange(world: World, row: Row, request: dict[str, Any]) -> Exchange:
    request = _with_token(request, token(**row["token"])) if "token" in row else dict(request)
    request["headers"] = _pairs(request.pop("headers", {}))
    if isinstance(request.get("body"), dict | list):
        request["body"] = json.dumps(request["body"], ensure_ascii=False)
    request["subscription"] = SUBSCRIPTION if request.get("subscription", True) else None
    made = operation(**row.get("operation", {}))
    return world.exchange(of=made, schemas=schema_library(row.get("api-schemas", {})), **request)


def _with_token(part: Any, made: str) -> Any:
    if isinstance(part, dict):
        return {name: _with_token(value, made) for name, value in part.items()}
    if isinstance(part, list):
        return [_with_token(value, made) for value in part]
    return part.replace("$TOKEN", made) if isinstance(part, str) else part


async def examine(row: Row) -> list[str]:
    """What is not as the row expects, each as a sentence; nothing, if all is well."""
    documents = [compiled(row), *resolver_documents(row.get("graphql", {}), environment(row))]
    issues = [issue for each in documents for issue in each.issues]
    if "issues" in row:
        found = [[issue.element, issue.code] for issue in issues]
        return [] if found == row["issues"] else [difference("issues", row["issues"], found)]
    errors = [str(issue) for issue in issues if issue.severity == "error"]
    return errors or [problem async for problem in check(row, *await run(row))]


async def trace(row: Row) -> list[Entry]:
    """What happened in the row's requests, step by step; nothing, if its document does not compile."""
    recorder = Recorder()
    if "issues" not in row and not compiled(row).broken:
        await run(row, recorder)
    return recorder.entries


async def check(row: Row, world: World, exchange: Exchange) -> AsyncIterator[str]:
    """What is not as the row expects of the world and the last exchange."""
    expect = dict(row["expect"])
    response = exchange.response
    assert response is not None
    sent = world.transport.sent
    found: dict[str, Any] = {
        "status": response.status,
        "reason": response.reason,
        "errors": [error.reason for error in exchange.errors],
        "sleeps": world.clock.sleeps,
        "traces": [list(trace) for trace in exchange.traces],
        "calls": len(sent),
        "cache": exchange.cache,
        "in-flight": world.in_flight,
    }
    if "authorized" in expect:
        found["authorized"] = [await authorize() for authorize in world.errands.authorized]
    if "body" in expect:
        found["body"] = as_expected(await content(response), expect["body"])
    if "events" in expect:
        wanted = expect.pop("events")
        events = [_event(event, each) for event, each in zip(world.journal.events, wanted, strict=False)]
        events += [{}] * (len(world.journal.events) - len(events))
        if events != wanted:
            yield difference("events", wanted, events)
    # values may come with the end of the body
    found["metrics"] = json.loads(json.dumps(exchange.metrics))
    for name in [each for each in expect if each in found]:
        wanted = expect.pop(name)
        if found[name] != wanted:
            yield difference(name, wanted, found[name])
    for problem in check_headers(response.headers, expect.pop("headers", {})):
        yield problem
    for name, value in expect.pop("variables", {}).items():
        if exchange.variables.get(name) != value:
            yield difference(f"variable {name}", value, exchange.variables.get(name))
    for name, value in expect.pop("last-error", {}).items():
        actual = getattr(exchange.last_error, name, None)
        if actual != value:
            yield difference(f"last-error {name}", value, actual)
    if "sent" in expect:
        wanted = expect.pop("sent")
        for problem in check_sent(sent[-1], wanted) if sent else ["the backend was not called"]:
            yield problem
    for name, calls in (("requests", sent), ("errands", world.errands.sent)):
        if name in expect:
            wanted = expect.pop(name)
            if len(calls) != len(wanted):
                yield difference(f"number of {name}", len(wanted), [str(call.outgoing.url) for call in calls])
                continue
            for call, each in zip(calls, wanted, strict=True):
                for problem in check_sent(call, each):
                    yield f"{name}: {problem}"
    if expect:
        yield f"unknown expectations {_list(expect)}"


def _event(event: EventRecord, wanted: dict[str, Any]) -> dict[str, Any]:
    """What is asked of it."""
    body = event.content.decode(errors="replace")
    found = {
        "logger": event.logger,
        "partition": event.partition_id,
        "key": event.partition_key,
        "body": as_expected(body, wanted.get("body")),
        "size": len(event.content),
    }
    return {name: found.get(name) for name in wanted}


def check_sent(sent: Sent, expect: dict[str, Any]) -> Iterator[str]:
    for name, value in expect.items():
        if name == "headers":
            yield from (f"sent {problem}" for problem in check_headers(sent.outgoing.headers, value))
            continue
        if name == "body":
            actual: Any = as_expected(sent.body.decode(errors="replace"), value)
        elif name == "size":
            actual = len(sent.body)
        elif name == "identity":
            actual = sent.outgoing.identity.pem if sent.outgoing.identity else None
            value = opened(value).pem if value else None
        elif name == "url":
            actual = str(sent.outgoing.url)
        elif name == "proxy":
            way = sent.outgoing.proxy
            actual = way and f"{way.scheme}://{way.host}:{way.port} {way.authorization}".strip()
        else:
            actual = getattr(sent.outgoing, name, None)
        if actual != value:
            yield difference(f"sent {name}", value, actual)


def as_expected(body: str, wanted: Any) -> Any:
    """A body as JSON where a mapping or a list is expected, and it is JSON."""
    if isinstance(wanted, dict | list):
        with contextlib.suppress(ValueError):
            return json.loads(body)
    return body


def written(value: Any) -> str:
    """A YAML scalar as it stands in a header."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_headers(headers: Any, expect: dict[str, Any]) -> Iterator[str]:
    for name, value in expect.items():
        lines = [written(each) for each in (value if isinstance(value, list) else [] if value is None else [value])]
        actual = headers.getall(name, [])
        if actual != lines:
            yield difference(f"header {name}", value, actual[0] if len(actual) == 1 else actual or None)


def difference(what: str, wanted: Any, found: Any) -> str:
    return f"{what}: expected {wanted!r}, got {found!r}"

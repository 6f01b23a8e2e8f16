"""Requests that nobody sends by accident: every operation of the official specification, as it should be called and in
many ways as it should not, and what must hold for every answer.

A world is made first, from the official examples: one resource of each type, named alike wherever it is referred to.
Requests are drawn from a seed, so a finding can be drawn again; `Finding` says what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from management.paths import parse
from management.transaction import reading
from tests.management.conftest import Plane
from tests.management.hostile import (
    BODIES,
    FILTERS,
    HEADERS,
    METHODS,
    NUMBERS,
    SEGMENTS,
    SWITCHES,
    TAGS,
    TEXTS,
    TYPES,
    VALUES,
    VERSIONS,
)
from tests.management.replay import _pkcs12, seeds
from tests.management.specification import Operation, Specification

VERSION = "2024-05-01"
SERVICE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.apimanagement/service/[^/\"]+", re.I
)
CANARY = "canary-that-no-answer-may-sing"
LONGEST = 8000  # characters of a URL
SLOWEST = 5.0  # seconds that one answer may take
# names of what every service has, and of what has its own rules; all others get the name of their collection
NAMES = {
    "users": "1",
    "policies": "policy",
    "templates": "newDeveloperNotificationMessage",
    "notifications": "RequestPublisherNotificationMessage",
    "recipientEmails": "a@example.com",
    "recipientUsers": "1",
    "identityProviders": "facebook",
    "wikis": "default",
    "diagnostics": "applicationinsights",
    "tenant": "access",
    "settings": "public",
    "portalsettings": "signin",
    "portalconfigs": "default",
    "schemas": "shape",
    "tagDescriptions": "tags",
    "certificateAuthorities": "certificates",
    "hostnameConfigurations": "host",
}
REFERRED = re.compile(
    r"/(workspaces|apis|products|loggers|backends|apiVersionSets|namedValues|certificates|gateways|authorizationServers"
    r"|openidConnectProviders|tags|subscriptions|users|groups|operations)/([^/\"\\? ]+)"
)
MADE = re.compile(r"Management/service/\{serviceName\}(/|$)")
PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(slots=True)
class Request:
    """What goes over the wire; `path` and `query` are encoded already."""

    operation: str
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None = None
    done: list[str] = field(default_factory=list)  # what was made odd about it

    @property
    def url(self) -> str:
        return self.path + "?" + "&".join(f"{name}={value}" for name, value in self.query)

    def __str__(self) -> str:
        body = "" if self.body is None else f" body={self.body[:300]!r}"
        return f"{self.operation}: {self.method} {self.url[:400]} {self.headers}{body} [{', '.join(self.done)}]"


@dataclass(slots=True)
class Answer:
    status: int
    type: str
    body: bytes
    seconds: float


@dataclass(slots=True)
class Finding:
    what: str
    request: Request
    answer: Answer | None = None

    def __str__(self) -> str:
        answer = f" -> {self.answer.status} {self.answer.body[:300]!r}" if self.answer else ""
        return f"{self.what}: {self.request}{answer}"


class World:
    """One resource of each type, and the bodies that make them."""

    def __init__(self, specification: Specification, service: str) -> None:
        self.specification, self.service = specification, service
        self.bodies: dict[str, Any] = {}
        self.secret = frozenset(secret_names(specification))
        bodies = seeds(specification)
        for operation in sorted(specification.operations, key=lambda each: (each.path.count("/"), each.path)):
            if operation.method == "PUT" and MADE.search(operation.path):
                path, body = self.path(operation.path), bodies[operation.shape]
                self.bodies[path] = self._body(path, body)

    def path(self, path: str) -> str:
        """The path of an operation with the names of this world."""
        head, _, below = path.partition("{serviceName}")
        if "Microsoft.ApiManagement/service" not in head:
            return PARAMETER.sub("x", path.replace("{subscriptionId}", self.service.split("/")[2]))
        return self.service + "".join(self._segments(below))

    def _segments(self, below: str) -> Iterator[str]:
        collection = ""
        for segment in below.split("/")[1:]:
            yield "/" + (self.name(collection) if segment.startswith("{") else segment)
            collection = segment

    def name(self, collection: str) -> str:
        return NAMES.get(collection, collection)

    def _body(self, path: str, body: Any) -> Any:
        text = SERVICE.sub(self.service, json.dumps(body))
        text = REFERRED.sub(lambda match: f"/{match[1]}/{self.name(match[1])}", text.replace(self.service, "\0"))
        made = json.loads(text.replace("\0", self.service)) or {}
        properties = made.get("properties") if isinstance(made, dict) else None
        if isinstance(properties, dict):
            self._plant(properties)
            if "data" in properties and "password" in properties:
                properties["data"], properties["password"] = _pkcs12(), "secret"
            collection = path.split("/")[-2]
            if collection == "apis":
                properties["path"] = "fuzzed" + ("-in-workspace" if "/workspaces/" in path else "")
                properties.pop("apiVersion", None)
            if collection == "namedValues":
                properties |= {"value": CANARY, "secret": True, "displayName": "namedValues"}
                properties.pop("keyVault", None)
            if collection == "policies" or collection == "policyFragments":
                root = "fragment" if collection == "policyFragments" else "policies"
                properties |= {"format": "rawxml", "value": f"<{root} />" if root == "policies" else "<fragment/>"}
        return made

    def _plant(self, document: Any) -> None:
        for key, value in document.items() if isinstance(document, dict) else ():
            if key in self.secret and isinstance(value, str):
                document[key] = CANARY
            elif isinstance(value, dict):
                self._plant(value)


def secret_names(specification: Specification) -> Iterator[str]:
    """Names of the properties that the specification marks as secret; certificates have contents of their own."""
    for path in {path for each in specification.operations for path, _ in each.codes.values()}:
        specification.load(path)
    for document in specification.files.values():
        for definition in document.get("definitions", {}).values():
            for name, each in definition.get("properties", {}).items():
                if each.get("x-ms-secret") and name not in ("data", "password"):
                    yield name


class Fuzzer:
    def __init__(self, plane: Plane, specification: Specification, seed: int) -> None:
        self.plane, self.specification = plane, specification
        self.world = World(specification, plane.service)
        self.random = random.Random(seed)
        self.findings: list[Finding] = []
        self.statuses: Counter[int] = Counter()
        self.accepted: set[str] = set()
        self.seeded: set[str] = set()
        self.base = str(plane.server.make_url("/")).rstrip("/")
        self.mutations: tuple[Callable[[Request], None], ...] = (
            self.odd_body,
            self.odd_body,
            self.odd_body,
            self.odd_content,
            self.odd_type,
            self.odd_segment,
            self.odd_path,
            self.odd_query,
            self.odd_query,
            self.odd_match,
            self.odd_method,
            self.odd_version,
            self.odd_header,
        )

    # --- the world

    async def seed(self, below: str = "") -> None:
        """Make what the world should have below a path; in rounds, because some of it refers to other parts."""
        todo = [path for path in self.world.bodies if path.startswith(below) and (path == below or self.lacks(path))]
        for _ in range(3):
            left = []
            for path in todo:
                request = Request("seed", "PUT", path, [("api-version", VERSION)], self.headers())
                request.headers["If-Match"] = "*"
                request.body = json.dumps(self.world.bodies[path]).encode()
                answer = await self.send(request)
                if answer.status < 300:
                    self.seeded.add(path)
                else:
                    left.append(path)
            if len(left) == len(todo):
                break
            todo = left

    def headers(self) -> dict[str, str]:
        return {**self.plane.headers, "Content-Type": "application/json"}

    def lacks(self, path: str) -> bool:
        found = parse(path)
        with reading(self.plane.store, found.service if found else "") as tx:
            return tx is None or found is None or tx.get(found.below) is None

    async def mend(self, request: Request, operation: Operation) -> None:
        """Make again what the request may have taken away."""
        if request.method == "DELETE" and request.done:
            await self.seed()
        elif request.method != "GET" and (path := self.world.path(operation.path)) in self.world.bodies:
            await self.seed(path)

    # --- requests

    def valid(self, operation: Operation) -> Request:
        """The operation as its specification has it."""
        request = Request(
            operation.id,
            operation.method,
            self.world.path(operation.path),
            [("api-version", VERSION)],
            self.headers(),
        )
        for parameter in operation.parameters:
            if parameter["in"] == "body":
                body = self.world.bodies.get(request.path) if request.method in ("PUT", "PATCH") else None
                if body is None:
                    example = next(self.specification.examples(operation), None)
                    body = copy.deepcopy(example.values.get(parameter["name"])) if example else {}
                request.body = json.dumps(body).encode()
            if parameter["name"] == "If-Match":
                request.headers["If-Match"] = "*"
        return request

    def odd(self, operation: Operation) -> Request:
        request = self.valid(operation)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self.random.choice(self.mutations)(request)
        if request.body and request.path != self.world.path(operation.path):
            request.body = request.body.replace(CANARY.encode(), b"open")  # what is secret depends on the type
        return request

    def odd_body(self, request: Request) -> None:
        """One place of the document is something else, gone, or new."""
        if request.body is None or len(request.body) > 100_000:
            return
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            return
        holders = [holder for holder in _holders(document) if holder]
        if not holders:
            return
        holder = self.random.choice(holders)
        key = self.random.choice(list(holder) if isinstance(holder, dict) else list(range(len(holder))))
        kind = self.random.randrange(10)
        if key == "secret":  # what is not secret may be read
            return
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[self.random.choice(("unknown", "id", "name", "type", "", "__proto__", "a.b", "🦄"))] = self._value()
        elif kind == 2:
            deep: Any = "x"
            for _ in range(self.random.choice((30, 150, 400))):
                deep = {"a": deep} if self.random.random() < 0.5 else [deep]
            holder[key] = deep
        elif kind == 3 and isinstance(holder, list):
            holder += [copy.deepcopy(holder[0])] * 5
        else:
            holder[key] = self._value()
        with contextlib.suppress(RecursionError):
            request.body = json.dumps(document).encode()
        request.done.append(f"body {key!r}")

    def _value(self) -> Any:
        return self.random.choice(TEXTS if self.random.random() < 0.5 else VALUES)

    def odd_content(self, request: Request) -> None:
        request.body = self.random.choice(BODIES)
        request.done.append("content")

    def odd_type(self, request: Request) -> None:
        request.headers["Content-Type"] = self.random.choice(TYPES)
        request.done.append("content type")

    def odd_segment(self, request: Request) -> None:
        """A name, or a collection, is something else."""
        parts = request.path.split("/")
        where = self.random.randrange(min(8, len(parts) - 1), len(parts))
        parts[where] = self.random.choice(SEGMENTS)
        request.path = "/".join(parts)
        request.done.append("segment")

    def odd_path(self, request: Request) -> None:
        kind = self.random.randrange(7)
        if kind == 0:
            request.path += "/"
        elif kind == 1:
            request.path += "/" + self.random.choice(SEGMENTS)
        elif kind == 2:
            request.path = request.path.upper()
        elif kind == 3:
            request.path = request.path.replace("/", "//", self.random.randrange(1, 12))
        elif kind == 4:
            request.path = request.path.rsplit("/", self.random.randrange(1, 4))[0] or "/"
        elif kind == 5:
            request.path += "".join(f"/{self.random.choice(SEGMENTS)}" for _ in range(30))
        else:
            request.path = quote(request.path, safe="")
        request.done.append("path")

    def odd_query(self, request: Request) -> None:
        names = [p["name"] for p in self._operation(request).parameters if p["in"] == "query"]
        name = self.random.choice([*names, "$filter", "$top", "$skip", "$orderby", "$expand", "unknown"])
        values = {"$filter": FILTERS, "$top": NUMBERS, "$skip": NUMBERS, "api-version": VERSIONS}.get(name, SWITCHES)
        for _ in range(self.random.choice((1, 1, 1, 2))):
            value = self.random.choice(values)
            raw = value.isascii() and value.isprintable() and self.random.random() < 0.05
            request.query.append((name, value if raw else quote(value, safe="")))
        request.done.append(f"query {name}")

    def odd_version(self, request: Request) -> None:
        versions = [quote(each) for each in VERSIONS]
        request.query = [("api-version", self.random.choice(versions))] if self.random.random() < 0.8 else []
        request.done.append("version")

    def odd_match(self, request: Request) -> None:
        request.headers["If-Match"] = self.random.choice(TAGS).replace("\x7f", "")
        request.done.append("If-Match")

    def odd_method(self, request: Request) -> None:
        request.method = self.random.choice(METHODS)
        request.done.append("method")

    def odd_header(self, request: Request) -> None:
        name, value = self.random.choice(HEADERS)
        request.headers[name] = value
        request.done.append(name)

    def _operation(self, request: Request) -> Operation:
        return next(each for each in self.specification.operations if each.id == request.operation)

    # --- answers

    async def send(self, request: Request) -> Answer:
        before, started = self._revision(), time.monotonic()
        if len(request.url) > LONGEST:
            return Answer(414, "", b"", 0)  # the parser of HTTP takes no longer lines, and the plane never sees them
        url = URL(self.base + request.url.replace(" ", "%20").replace("#", "%23"), encoded=True)
        try:
            async with self.plane.session.request(
                request.method, url, data=request.body, headers=request.headers, allow_redirects=False
            ) as response:
                content = await response.read()
                answer = Answer(response.status, response.content_type, content, time.monotonic() - started)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            answer = Answer(0, "", repr(error).encode(), time.monotonic() - started)
        self.statuses[answer.status] += 1
        self.judge(request, answer, before)
        return answer

    def _revision(self) -> int:
        with reading(self.plane.store, self.plane.service) as tx:
            return tx.service.revision if tx else -1

    def judge(self, request: Request, answer: Answer, before: int) -> None:
        def found(what: str) -> None:
            self.findings.append(Finding(what, request, answer))

        # what is no HTTP, or no URL, never reaches the plane: the client or the parser of HTTP refuses it
        if answer.status == 0:
            if b"InvalidURL" not in answer.body and b"ValueError" not in answer.body:
                found("no answer")
            return
        if answer.status >= 500:
            found("a server's error")
        if answer.seconds > SLOWEST:
            found(f"slow, {answer.seconds:.1f} s")
        if b"Traceback" in answer.body or b'File "' in answer.body:
            found("a stack trace")
        if request.method in ("GET", "HEAD") and CANARY.encode() in answer.body:
            found("a secret")
        if answer.status >= 400:
            if request.method != "HEAD" and (why := _not_arms(answer)):
                found(f"not ARM's error: {why}")
            if self._revision() != before:
                found("refused, and yet something changed")

    # --- rounds

    async def round(self, operation: Operation, count: int) -> None:
        """The operation as it should be called, then `count` others."""
        for request in (self.valid(operation), *(self.odd(operation) for _ in range(count))):
            answer = await self.send(request)
            if not request.done and answer.status < 300:
                self.accepted.add(request.operation)
            if answer.status in (200, 201, 202) and request.method in ("PUT", "PATCH") and request.done:
                await self.look(request)
            if answer.status < 300 and request.method in ("DELETE", "PUT", "PATCH", "POST"):
                await self.mend(request, operation)

    async def look(self, request: Request) -> None:
        """What was taken must be readable: the resource, and the list that it is in."""
        for path in (request.path, request.path.rstrip("/").rsplit("/", 1)[0]):
            again = Request(request.operation, "GET", path, [("api-version", VERSION)], self.headers())
            again.done = [*request.done, "read again"]
            answer = await self.send(again)
            if path == request.path and answer.status != 200 and "{}" not in path:
                self.findings.append(Finding("taken, and not there", request, answer))

    async def run(self, count: int, seconds: float = 1e9) -> int:
        """All operations in a random order, each with `count` odd requests; how many operations there was time for."""
        operations = list(self.specification.operations)
        self.random.shuffle(operations)
        until = time.monotonic() + seconds
        await self.seed()
        for number, operation in enumerate(operations):
            if time.monotonic() > until:
                return number
            if number % 50 == 49:
                await self.seed()
            await self.round(operation, count)
            await asyncio.sleep(0)
        return len(operations)


def _holders(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list):
        yield document
        for each in document.values() if isinstance(document, dict) else document:
            yield from _holders(each)


def _not_arms(answer: Answer) -> str | None:
    """Why the body of a failure is not the one that ARM's clients read; None when it is."""
    if answer.type != "application/json":
        return f"it is {answer.type}"
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError):
        return "it has no error"
    if not all(isinstance(error.get(name), str) and error[name] for name in ("code", "message")):
        return "code or message is missing"
    details = error.get("details", ())
    for each in details or ():
        if not all(isinstance(each.get(name), str) for name in ("code", "target", "message")):
            return "a detail lacks code, target or message"
    return None

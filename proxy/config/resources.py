"""The configuration resources that requests need, as frozen dataclasses.

Ids here are names (the last segment of the ARM path), because names are what APIM shows in `context` and in logs.
A wire resource is `(id, digest, body)`: id is the ARM path below the service, body the `properties` object of the ARM
resource, with secrets in clear and with ids relative to the service ("/products/starter").
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.ports import ClientIdentity, HttpProxy
from proxy.schemas.library import Library
from telemetry.event_hub import EventHub

# orjson turns an integer beyond 64 bits into a float: one that long goes through the exact parser.
LONG_NUMBER = b"0" * 19
DIGITS = bytes(0x30 if chr(each) in "0123456789" else 0x20 for each in range(256))  # all else becomes a space


@dataclass(slots=True, frozen=True)
class Resource:
    """One wire resource. `digest` is the SHA-256 (hex) of the canonical JSON text of the body.

    `content` is the body, or its checked JSON text: that takes a fraction of the memory, and most bodies are read once.
    """

    id: str
    digest: str
    content: Mapping[str, Any] | bytes

    @property
    def body(self) -> Mapping[str, Any]:
        if isinstance(self.content, bytes):
            parsed: dict[str, Any] = orjson.loads(self.content)
            return parsed
        return self.content


def checked(body: bytes) -> dict[str, Any] | bytes:
    """The text of a JSON object; the object itself where orjson would not keep its numbers. Raises ValueError."""
    exact = LONG_NUMBER in body.translate(DIGITS)
    try:
        value = json.loads(body) if exact else orjson.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value if exact else body


@dataclass(slots=True, frozen=True)
class Example:
    """A response example of an operation, for mock-response. Without a `value` it may have a schema to make one of;
    `schema` and `type_name` as of a parameter."""

    status: int
    content_type: str
    value: str
    name: str = "default"
    schema: str = ""
    type_name: str = ""


@dataclass(slots=True, frozen=True)
class Parameter:
    """A parameter of a request, or a header of a response. `values` are what it may be; `schema` and `type_name` say
    which schema of the API describes it, empty for none."""

    name: str
    required: bool = False
    type: str = "string"
    default: str | None = None
    values: tuple[str, ...] = ()
    schema: str = ""
    type_name: str = ""


@dataclass(slots=True, frozen=True)
class Representation:
    """A body that a message may have; `schema` and `type_name` as of a parameter."""

    content_type: str
    schema: str = ""
    type_name: str = ""


@dataclass(slots=True, frozen=True)
class ResponseShape:
    """What an operation says of its responses of one status."""

    status: int
    representations: tuple[Representation, ...] = ()
    headers: tuple[Parameter, ...] = ()


@dataclass(slots=True, frozen=True)
class VersionSet:
    """How the version of an API is found. `scheme` is Segment, Query or Header."""

    id: str
    name: str
    scheme: str
    query_name: str = ""
    header_name: str = ""


@dataclass(slots=True, frozen=True)
class Operation:
    """`url_template` may carry a query part ("/find?by={by}") whose parameters must be present to match."""

    id: str
    name: str
    method: str
    url_template: str
    api: str
    template_parameters: tuple[Parameter, ...] = ()
    examples: tuple[Example, ...] = ()
    query_parameters: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    request: tuple[Representation, ...] = ()
    responses: tuple[ResponseShape, ...] = ()


_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(slots=True, frozen=True)
class Api:
    """`id` is the name without ";rev=n"; `key` the name with it, unique in a gateway."""

    id: str
    key: str
    name: str
    path: str
    type: str = "http"
    service_url: str = ""
    backend_id: str = ""
    protocols: tuple[str, ...] = ("https",)
    revision: str = "1"
    is_current: bool = True
    version: str = ""
    version_set: VersionSet | None = None
    subscription_required: bool = True
    key_header: str = "Ocp-Apim-Subscription-Key"
    key_query: str = "subscription-key"
    schemas: Library = field(default_factory=Library, compare=False, repr=False)

    @property
    def schemes(self) -> frozenset[str]:
        """http and https, as far as it is offered over them; a WebSocket begins as one of them."""
        return frozenset(_SCHEMES.get(protocol.lower(), "") for protocol in self.protocols)


@dataclass(slots=True, frozen=True)
class Group:
    id: str
    name: str


@dataclass(slots=True, frozen=True)
class Product:
    id: str
    name: str
    published: bool = True
    subscription_required: bool = True
    approval_required: bool = False
    subscriptions_limit: int | None = None
    groups: tuple[Group, ...] = ()
    apis: frozenset[str] = frozenset()


@dataclass(slots=True, frozen=True)
class Identity:
    id: str
    provider: str


@dataclass(slots=True, frozen=True)
class User:
    id: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    note: str = ""
    registration_date: datetime.datetime | None = None
    groups: tuple[Group, ...] = ()
    identities: tuple[Identity, ...] = ()


@dataclass(slots=True, frozen=True)
class Subscription:
    """`scope` is "product:<id>", "api:<id>", "apis" (all APIs) or "service" (all-access)."""

    id: str
    name: str
    scope: str
    state: str
    primary_key: str = field(repr=False)
    secondary_key: str = field(repr=False)
    user: str = ""
    created: datetime.datetime | None = None
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None


@dataclass(slots=True, frozen=True)
class BreakerRule:
    """When the circuit breaker of a backend opens, and for how long. `interval` and `trip` are seconds; `count` and
    `percentage` are 0 when not given; `statuses` are pairs of bounds; `reasons` are those of LastError, lower case."""

    name: str
    count: int = 0
    percentage: int = 0
    interval: float = 60.0
    statuses: tuple[tuple[int, int], ...] = ()
    reasons: tuple[str, ...] = ()
    trip: float = 60.0
    accept_retry_after: bool = False


@dataclass(slots=True, frozen=True)
class PoolMember:
    """A backend of a pool. Lower `priority` goes first; `weight` is its share among those of one priority."""

    backend: Backend
    priority: int = 0
    weight: int = 1


@dataclass(slots=True, frozen=True)
class Cluster:
    """A Service Fabric cluster: URLs of its management endpoints, what is shown to them, and the thumbprints that their
    certificates may have (none: these are checked as any other). `retries`: how often a call may be repeated elsewhere.
    """

    endpoints: tuple[str, ...]
    retries: int = 1
    thumbprints: frozenset[str] = frozenset()
    certificates: tuple[str, ...] = ()
    identity: ClientIdentity | None = None


@dataclass(slots=True, frozen=True)
class Backend:
    """A backend entity; `credentials` are added to each call: headers, query, Authorization, client certificate.

    A pool has no URL of its own; `affinity` is the name of its session cookie, empty for none.
    `certificates` are ids and thumbprints, of which the first that is there becomes the `identity`. `managed_identity`
    is the resource, and the client id or "", of the token that calls carry; an empty resource is none.
    """

    id: str
    url: str
    type: str = "Single"
    protocol: str = "http"
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)
    certificates: tuple[str, ...] = ()
    identity: ClientIdentity | None = None
    validate_certificate_chain: bool = True
    validate_certificate_name: bool = True
    pool: tuple[PoolMember, ...] = ()
    affinity: str = ""
    breaker: tuple[BreakerRule, ...] = ()
    proxy: HttpProxy | None = None
    managed_identity: tuple[str, str] = ("", "")
    cluster: Cluster | None = None  # then `url` is the name of a service: fabric:/app/service


@dataclass(slots=True, frozen=True)
class Certificate:
    """A certificate resource, opened. `thumbprint` is the SHA-1 in upper-case hex; `pem` is the certificate, its chain
    and its private key, if it has one; `der` the certificate alone."""

    id: str
    thumbprint: str
    der: bytes = field(repr=False)
    pem: bytes = field(repr=False)
    has_private_key: bool = False


@dataclass(slots=True, frozen=True)
class Connection:
    """A connection to a credential provider: what is posted where for an OAuth 2 token. `problem` says why none can be
    had. `allowed` are the (tenant, object id) pairs of its access policies."""

    id: str  # provider/connection
    token_url: str = ""
    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    problem: str = ""
    allowed: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True, frozen=True)
class Logger:
    """`hub` is None for a logger of another type."""

    id: str
    type: str
    hub: EventHub | None = None


@dataclass(slots=True, frozen=True)
class Deployment:
    """`context.Deployment`; `certificates` by their ids. `authorities` (DER) may sign for backends."""

    service_id: str = ""
    service_name: str = ""
    region: str = ""
    gateway_id: str = ""
    instance_id: str = ""
    is_managed: bool = False
    certificates: Mapping[str, Certificate] = field(default_factory=dict, repr=False)
    authorities: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(slots=True, frozen=True)
class ResourceIssue:
    """Something is wrong with one resource; the rest is in force. Line and column are 1-based, 0 when unknown."""

    resource_id: str
    line: int
    column: int
    element: str
    message: str

"""One request and its response in flight: the only state that policies share.

Lifetime: made by `lifecycle.serve` once a gateway is in force, dropped when its record is written. Not thread-safe.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.errors import LastError
from proxy.messages import Request, Response
from proxy.ports import ClientIdentity, HttpProxy, Ports
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.config.resources import Api, Backend, Deployment, Operation, Product, Subscription, User
    from proxy.graphql.graph import Graph
    from proxy.pipeline.resolution import Resolution
    from proxy.pipeline.responses import CachingPlan
    from proxy.pipeline.semantic import SemanticPlan
    from proxy.pipeline.service_fabric import FabricCall
    from proxy.pipeline.watch import Watch


@dataclass(slots=True)
class Exchange:
    """What `context` shows to expressions, plus what the record needs.

    `variables` holds .NET-valued objects (see expressions/dotnet). `response` is None until a backend answered or a
    policy made one. `started` is the monotonic time of acceptance, seconds; the `*_ms` fields are milliseconds.
    """

    request: Request
    ports: Ports
    deployment: Deployment
    started: float
    timestamp: datetime.datetime
    request_id: uuid.UUID = field(default_factory=uuid.uuid4)
    response: Response | None = None
    api: Api | None = None
    operation: Operation | None = None
    product: Product | None = None
    subscription: Subscription | None = None
    user: User | None = None
    backend: Backend | None = None
    # the scope whose set-backend-service chose `backend` by id
    backend_scope: str = ""
    # where the service of a Service Fabric backend is, for forward-request
    fabric: FabricCall | None = None
    # what authentication-certificate has us show to the backend
    identity: ClientIdentity | None = None
    # the HTTP proxy on the way to the backend
    proxy: HttpProxy | None = None
    matched_parameters: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    last_error: LastError | None = None
    errors: list[LastError] = field(default_factory=list)
    # what the record says of the backend call
    backend_method: str = ""
    backend_url: str = ""
    backend_status: int = 0
    backend_ms: float = 0.0
    responding: float = 0.0  # when the response began to be sent, on the monotonic clock; 0: not yet
    cache: str = "none"
    cache_ms: float = 0.0
    # what cache-lookup found out, for cache-store; None: this response may not be cached
    caching: CachingPlan | None = None
    # the same of a semantic cache lookup
    semantic: SemanticPlan | None = None
    # of a GraphQL API: its schema and resolvers; and, for the policies of a resolver, what they work on
    graph: Graph | None = None
    resolution: Resolution | None = None
    # the cache-store behind which outbound goes on after a hit: "scope path"
    resume_after: str = ""
    # trace policy messages: (source, severity, message, metadata)
    traces: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    # what emit-metric said
    metrics: tuple[MetricRecord, ...] = ()
    # W3C trace context of this hop, 16 and 8 bytes in hexadecimal; parent is empty for a root
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    trace_flags: str = "01"
    backend_span_id: str = ""  # the parent that the backend sees
    # subscription ids whose counters were already incremented, response headers set late by limit policies, ...
    after_outbound: list[Any] = field(default_factory=list)
    # runs when the backend section has ended, before outbound
    before_outbound: list[Callable[[Exchange], Awaitable[None]]] | None = None
    # called when the response is out, with the body bytes received from and sent to the client
    at_end: list[Callable[[int, int], None]] | None = None
    # who looks on: the request is traced; None nearly always
    watch: Watch | None = None
    # quota counters (key, start, period) that this request was counted in, and for how many calls
    counted: dict[tuple[str, float, int], int] | None = None

    def elapsed_ms(self) -> int:
        return int((self.ports.clock.monotonic() - self.started) * 1000)

    def message(self, section: str) -> Request | Response:
        """The message a policy of `section` works on: the request, or from outbound on the response."""
        if section in ("inbound", "backend"):
            return self.request
        if self.response is None:
            self.response = Response()
        return self.response

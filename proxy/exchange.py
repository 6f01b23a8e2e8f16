"""One request and its response in flight: the only state that policies share.

Lifetime: made by `lifecycle.serve` once a gateway is in force, dropped when its record is written. Not thread-safe.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from proxy.errors import LastError
from proxy.messages import Headers, Request, Response
from proxy.ports import ClientIdentity, HttpProxy, Ports, Transport
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.capture import Capture
    from proxy.config.resources import Api, Backend, Deployment, Operation, Product, Subscription, User
    from proxy.graphql.graph import Graph
    from proxy.pipeline.resolution import Resolution
    from proxy.pipeline.responses import CachingPlan
    from proxy.pipeline.semantic import SemanticPlan
    from proxy.pipeline.service_fabric import FabricCall
    from proxy.pipeline.watch import Watch

_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # RFC 9562 section 4.1


class Exchange:
    """What `context` shows to expressions, plus what the record needs.

    `variables` holds .NET-valued objects (see expressions/dotnet). `response` is None until a backend answered or a
    policy made one. `started` is the monotonic time of acceptance, seconds; the `*_ms` fields are milliseconds.

    What most requests leave as it is are values of the class, so that a request sets only what it has.
    """

    response: Response | None = None
    api: Api | None = None
    operation: Operation | None = None
    product: Product | None = None
    subscription: Subscription | None = None
    user: User | None = None
    backend: Backend | None = None
    # the scope whose set-backend-service chose `backend` by id
    backend_scope: str = ""
    # an expression chose where the request is forwarded to
    screened: bool = False
    # where the service of a Service Fabric backend is, for forward-request
    fabric: FabricCall | None = None
    # what authentication-certificate has us show to the backend
    identity: ClientIdentity | None = None
    # the HTTP proxy on the way to the backend
    proxy: HttpProxy | None = None
    last_error: LastError | None = None
    # what the record says of the backend call
    backend_method: str = ""
    backend_url: str = ""
    backend_status: int = 0
    backend_http_version: str = "1.1"
    backend_ms: float = 0.0
    responding: float = 0.0  # when the response began to be sent, on the monotonic clock; 0: not yet
    awaited_ms: float = 0.0  # of that time, waiting for the backend's body
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
    # what emit-metric said
    metrics: tuple[MetricRecord, ...] = ()
    # W3C trace context of this hop, 16 and 8 bytes in hexadecimal; parent is empty for a root
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    trace_flags: str = "01"
    backend_span_id: str = ""  # the parent that the backend sees
    drawn: str = ""  # 32 hexadecimal digits, of which the id is made when somebody asks for it
    # runs when the backend section has ended, before outbound
    before_outbound: list[Callable[[Exchange], Awaitable[None]]] | None = None
    # called when the response is out, with the body bytes received from and sent to the client
    at_end: list[Callable[[int, int], None]] | None = None
    # told of informational answers (1xx) of the backend
    inform: Callable[[int, Headers], None] | None = None
    # who looks on: the request is traced; None nearly always
    watch: Watch | None = None
    # what diagnostics want beside the record; None where they want nothing
    capture: Capture | None = None
    # quota counters (key, start, period) that this request was counted in, and for how many calls
    counted: dict[tuple[str, float, int], int] | None = None

    def __init__(
        self,
        request: Request,
        ports: Ports,
        deployment: Deployment,
        started: float,
        timestamp: datetime.datetime,
        request_id: uuid.UUID | None = None,
    ) -> None:
        self.request = request
        self.ports = ports
        self.deployment = deployment
        self.started = started
        self.timestamp = timestamp
        self._id = str(request_id) if request_id is not None else ""
        self.matched_parameters: dict[str, str] = {}
        self.variables: dict[str, Any] = {}
        self.errors: list[LastError] = []
        # trace policy messages: (source, severity, message, metadata)
        self.traces: list[tuple[str, str, str, dict[str, str]]] = []
        # response headers set late by limit policies, ...
        self.after_outbound: list[Any] = []

    def having(self, **values: Any) -> Exchange:
        """This exchange, with these of its attributes set."""
        for name, value in values.items():
            if name not in self.__dict__ and not hasattr(Exchange, name):
                raise AttributeError(name)
            setattr(self, name, value)
        return self

    def copy(self) -> Exchange:
        """Another exchange with the same values; what they hold is shared."""
        made = Exchange.__new__(Exchange)
        made.__dict__.update(self.__dict__)
        return made

    @property
    def request_id(self) -> uuid.UUID:
        return uuid.UUID(self.activity_id)

    @property
    def activity_id(self) -> str:
        """The request's id as it is shown, with hyphens."""
        if not self._id:
            if digits := self.drawn:
                variant = _VARIANT[digits[16]]
                self._id = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
            else:
                self._id = str(uuid.uuid4())
        return self._id

    def elapsed_ms(self) -> int:
        return int((self.ports.clock.monotonic() - self.started) * 1000)

    @property
    def transport(self) -> Transport:
        """For every call that a policy makes."""
        return self.ports.transport if self.capture is None else self.capture.transport

    def message(self, section: str) -> Request | Response:
        """The message a policy of `section` works on: the request, or from outbound on the response."""
        if section in ("inbound", "backend"):
            return self.request
        if self.response is None:
            self.response = Response()
        return self.response

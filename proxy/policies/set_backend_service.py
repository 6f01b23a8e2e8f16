"""`set-backend-service`: sends the request to another base URL or to a backend entity.

https://learn.microsoft.com/azure/api-management/set-backend-service-policy
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed, GatewayError
from proxy.pipeline.backends import parse_base
from proxy.pipeline.dapr import address, segment, segments
from proxy.pipeline.registry import BACKEND, INBOUND, Handler, policy
from proxy.pipeline.service_fabric import REPLICAS, FabricCall
from proxy.pipeline.source import unresolved

if TYPE_CHECKING:
    from proxy.config.resources import Backend
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

_SERVICE_FABRIC = (
    "sf-resolve-condition",
    "sf-service-instance-name",
    "sf-partition-key",
    "sf-replica-type",
    "sf-listener-name",
)
FabricOf = Callable[["Exchange", "Backend"], FabricCall]


@policy("set-backend-service", sections={INBOUND, BACKEND})
def set_backend_service(element: Element, compiler: Compiler) -> Handler:
    """Choose the backend by base URL, by backend id (also a service of a Service Fabric cluster), or a Dapr service."""
    fabric_of = _fabric(element)
    by_url, by_id = element.has("base-url"), element.has("backend-id")
    if by_url == by_id:
        element.issue("Exactly one of 'base-url' and 'backend-id' is needed.", "missing-attribute")
        return _nothing
    if by_url:
        _warn(element, "a base-url")
        return _base_url(element, compiler)
    backend_id = element.string("backend-id")
    if backend_id.constant and backend_id.value == "dapr":
        _warn(element, "Dapr")
        return _dapr(element)
    return _backend_id(element, compiler, fabric_of)


def _nothing(exchange: Exchange) -> None:
    return None


def _base_url(element: Element, compiler: Compiler) -> Handler:
    base_url = element.string("base-url")
    scope = compiler.scope
    if base_url.constant and not unresolved(base_url.value):
        try:
            parse_base(base_url.value)
        except ValueError as problem:
            if base_url.value.strip():
                element.issue(str(problem), "invalid-attribute")
            else:
                element.issue("Attribute 'base-url' is empty. Fill it in.", "unfilled", severity=element.missing)

    def handle(exchange: Exchange) -> None:
        # documented: what a broader scope chose by backend-id can only be overridden by backend-id
        if exchange.backend_scope not in ("", scope):
            return
        try:
            exchange.request.base = parse_base(base_url.get(exchange))
        except ValueError as problem:
            raise ExpressionFailed(str(problem)) from problem
        exchange.backend, exchange.backend_scope, exchange.fabric = None, "", None
        exchange.screened = not base_url.constant

    return handle


def _backend_id(element: Element, compiler: Compiler, fabric_of: FabricOf) -> Handler:
    backend_id = element.string("backend-id")
    scope = compiler.scope

    def use(exchange: Exchange, backend: Backend) -> None:
        first = backend.pool[0].backend if backend.pool else backend  # of a pool, forward-request chooses
        exchange.request.base = parse_base(first.url)
        exchange.backend, exchange.backend_scope, exchange.fabric = backend, scope, None
        exchange.screened = False

    async def use_cluster(exchange: Exchange, backend: Backend) -> None:
        call = fabric_of(exchange, backend)
        await call.resolve(exchange)
        exchange.backend, exchange.backend_scope, exchange.fabric = backend, scope, call
        exchange.screened = False

    if backend_id.constant:
        backend = compiler.backend(element, backend_id.value)

        def handle(exchange: Exchange) -> None:
            if backend is None:
                raise _unknown(backend_id.value)
            use(exchange, backend)

        if backend is None or backend.cluster is None:
            if backend is not None:
                _warn(element, f"backend '{backend.id}'")
            return handle

        async def handle_cluster(exchange: Exchange) -> None:
            await use_cluster(exchange, backend)

        return handle_cluster
    backends = compiler.any_backend()

    def find(exchange: Exchange) -> Backend:
        name = backend_id.get(exchange)
        found = backends.get(name)
        if found is None:
            raise _unknown(name)
        return found

    if not any(each.cluster for each in backends.values()):
        return lambda exchange: use(exchange, find(exchange))

    async def handle_any(exchange: Exchange) -> None:
        found = find(exchange)
        if found.cluster is None:
            use(exchange, found)
        else:
            await use_cluster(exchange, found)

    return handle_any


def _fabric(element: Element) -> FabricOf:
    """What the attributes for Service Fabric say at a moment."""
    condition = element.boolean("sf-resolve-condition") if element.has("sf-resolve-condition") else None
    service = element.string("sf-service-instance-name", "")
    key = element.string("sf-partition-key", None)
    replica = element.choice("sf-replica-type", *REPLICAS, default=REPLICAS[0])
    listener = element.string("sf-listener-name", "")

    def make(exchange: Exchange, backend: Backend) -> FabricCall:
        return FabricCall(
            backend,
            service.get(exchange) or backend.url,
            key.get(exchange) if key is not None else None,
            replica.get(exchange),
            listener.get(exchange),
            condition,
        )

    return make


def _warn(element: Element, what: str) -> None:
    """Attributes that have no meaning here are worth a word."""
    for name in _SERVICE_FABRIC:
        if element.has(name):
            message = f"Attribute '{name}' is for services of a Service Fabric cluster; with {what} it means nothing."
            element.issue(message, "not-applicable", severity="warning")


def _dapr(element: Element) -> Handler:
    app = element.string("dapr-app-id")
    method = element.string("dapr-method")
    namespace = element.string("dapr-namespace", None)

    def handle(exchange: Exchange) -> None:
        service = app.get(exchange)
        if namespace is not None and (space := namespace.get(exchange)):
            service = f"{service}.{space}"
        exchange.request.base = address(exchange, f"invoke/{segment(service)}/method/{segments(method.get(exchange))}")
        exchange.request.path = ""
        exchange.backend, exchange.backend_scope, exchange.fabric = None, "", None
        exchange.screened = False

    return handle


def _unknown(name: str) -> GatewayError:
    return GatewayError(
        f"Backend with id '{name}' could not be found.",
        reason="BackendNotFound",
        detail="Create the backend or correct backend-id.",
    )

"""Everything that requests need, built from wire resources: `build(resources, previous)` -> (gateway, issues).

Rules
1. `build` never raises. What cannot be read or compiled is an issue of its own resource; its last good state stays.
2. A gateway never changes once it is in force. The next one shares with it all that did not change: resources compare
   by identity (see snapshot.apply), and only the shelves, APIs, mounts and documents that were touched are made anew.
3. No policy is parsed after this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from proxy.admission import Access
from proxy.config import layers, read
from proxy.config.backends import backend, pooled, secrets_of
from proxy.config.caches import Address, CacheEntity, cache_entity, nearest_cache
from proxy.config.certificates import with_identity
from proxy.config.connections import connections_of
from proxy.config.deployment import debug_keys_of, deployment_of
from proxy.config.diagnostics import Telling, diagnostic, telling
from proxy.config.diagnostics import logger as told_logger
from proxy.config.documents import SUFFIX, Document, compile_resource, is_current, scope_of
from proxy.config.graphs import GraphEntry, graphs
from proxy.config.hostnames import Hostname, hostnames_of
from proxy.config.operations import UNREADABLE, entry_of
from proxy.config.people import products_of, users_of
from proxy.config.resources import (
    Api,
    Backend,
    Certificate,
    Deployment,
    Operation,
    Product,
    Resource,
    ResourceIssue,
    Subscription,
    VersionSet,
)
from proxy.config.schemas import library, prepare_operations, unusable
from proxy.config.shelves import Shelf, differences, rearranged, shelf_of
from proxy.pipeline.compile import Environment
from proxy.pipeline.link import Pipeline, link
from proxy.pipeline.source import substitute
from proxy.routing import ApiEntry, Routes, build_routes
from proxy.schemas.library import Library
from telemetry.diagnostics import Diagnostic

log = logging.getLogger("proxy.config")

_EMPTY: Shelf = {}
T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Gateway:
    """One configuration in force. `shelves` sorts resources: "apis/NAME" holds an API, its operations, schemas and
    resolvers, every other shelf is a collection. `unread` are issues of resources that could not be read."""

    resources: Mapping[str, Resource]
    shelves: Mapping[str, Shelf]
    deployment: Deployment
    entries: Mapping[str, ApiEntry]
    routes: Routes
    subscriptions: Mapping[str, Subscription]
    access: Access
    environment: Environment
    documents: Mapping[str, Document]
    diagnostics: Mapping[str, Diagnostic]  # by resource id
    unread: Mapping[str, ResourceIssue]
    cache: Address | None = None  # the external one
    graphs: Mapping[str, GraphEntry] = field(default_factory=dict)
    hostnames: tuple[Hostname, ...] = ()
    telling: Telling = field(default_factory=Telling)
    # what debug tokens may be signed with: the key of this gateway, that of the service
    debug_keys: tuple[str, ...] = field(default=(), repr=False)
    _pipelines: dict[tuple[str, str, str], Pipeline] = field(default_factory=dict, repr=False)

    def pipeline(self, product: Product | None, api: Api | None, operation: Operation | None) -> Pipeline:
        """The effective policy; spliced at the first request that needs it, then remembered."""
        key = (product.id if product else "", api.key if api else "", operation.id if operation else "")
        found = self._pipelines.get(key)
        if found is None:
            owners = [""]
            if product is not None:
                owners.append(f"/products/{product.id}")
            if api is not None:
                owners.append(f"/apis/{api.key}")
                if operation is not None:
                    owners.append(f"/apis/{api.key}/operations/{operation.id}")
            documents = (self.documents.get(owner + SUFFIX) for owner in owners)
            found = link([each.compiled for each in documents if each is not None])
            if api is not None and api.key in self.graphs:
                found = self.graphs[api.key].first_in(found)
            plan = self.telling.plan_of(api)
            self._pipelines[key] = found = found if plan is None else replace(found, plan=plan)
        return found

    def providers(self) -> frozenset[str]:
        """URLs of the OpenID metadata that requests will need."""
        return frozenset().union(*(each.compiled.providers for each in self.documents.values()))

    def issues(self) -> list[ResourceIssue]:
        """All that is wrong now."""
        listed = list(self.unread.values())
        for document in self.documents.values():
            listed.extend(document.issues)
        for entry in self.entries.values():
            if entry.api.schemas.problems:
                listed.extend(unusable(entry.api))
        return listed


def empty(skipping: bool = False) -> Gateway:
    return Gateway(
        {},
        {},
        Deployment(),
        {},
        Routes({}),
        {},
        Access.of((), (), ()),
        Environment(backends={}, certificates={}, loggers={}, connections={}, schemas=Library(), skipping=skipping),
        {},
        {},
        {},
    )


def build(
    resources: Mapping[str, Resource],
    previous: Gateway | None = None,
    *,
    skipping: bool = False,
    touched: Iterable[str] | None = None,
) -> tuple[Gateway, list[ResourceIssue]]:
    """The gateway of these resources and all that is wrong with them. `skipping`: see Environment; the first counts.

    `touched` are ids, outside of which `previous` was built of the same resources; None: nobody knows, compare all.
    """
    before = previous if previous is not None else empty(skipping)
    try:
        gateway = _build(resources, before, touched)
    except Exception as problem:  # rule 1; a defect of ours must not stop the configuration from being acknowledged
        log.exception("building the configuration failed; the previous one stays in force")
        return before, [*before.issues(), ResourceIssue("/", 0, 0, "", f"The gateway could not be built: {problem!r}")]
    return gateway, gateway.issues()


def _build(resources: Mapping[str, Resource], before: Gateway, ids: Iterable[str] | None) -> Gateway:
    changed, removed = differences(before.resources, resources, ids)
    shelves, touched = rearranged(before.shelves, changed, removed)
    held = before.resources
    unread = {name: issue for name, issue in before.unread.items() if resources.get(name) is held.get(name)}
    after = replace(before, resources=resources, shelves=shelves, unread=unread, _pipelines={})

    environment, references = _environment(after, touched)
    entries, routes = _apis(after, touched, {each.id for each in (*changed, *removed)})
    subscriptions, access = _access(after, touched, changed, removed)
    deployment, hostnames = before.deployment, before.hostnames
    if touched & {"", "gateways", "certificates"}:
        deployment = deployment_of(shelves, environment)
        hostnames = hostnames_of(shelves.get("gateways", _EMPTY), deployment.certificates, unread)
    diagnostics, told = _diagnostics(after, environment, entries, touched, deployment.service_name)
    documents = _documents(after, environment, references, changed, removed)
    prepare_operations(entries, documents.values(), access.products.values())
    return replace(
        after,
        deployment=deployment,
        hostnames=hostnames,
        cache=_cache(after, environment, deployment)
        if touched & {"caches", "namedValues", "gateways"}
        else before.cache,
        environment=environment,
        debug_keys=debug_keys_of(shelves) if touched & {"", "gateways"} else before.debug_keys,
        entries=entries,
        routes=routes,
        subscriptions=subscriptions,
        access=access,
        diagnostics=diagnostics,
        telling=told,
        documents=documents,
        graphs=graphs(shelves, entries, documents, before.graphs, unread),
    )


# what documents refer to
_REFERRED = {
    *("namedValues", "policyFragments", "backends", "certificates", "loggers", "authorizationProviders"),
    "schemas",
}


def _environment(after: Gateway, touched: set[str]) -> tuple[Environment, set[str]]:
    """What documents may refer to, and which references changed."""
    held = after.environment
    if not touched & _REFERRED:
        return held, set()
    shown = [(_name(each), each.body) for each in after.shelves.get("namedValues", _EMPTY).values()]
    named_values = {
        (body.get("displayName") or name): str(body.get("value") or "")
        for name, body in shown
        if body.get("value") is not None  # one that only a Key Vault has is unknown here
    }
    fragments = {
        _name(each): str(each.body.get("value") or "") for each in after.shelves.get("policyFragments", _EMPTY).values()
    }
    secrets = frozenset(str(body.get("value") or "") for _, body in shown if body.get("secret"))
    certificates = _certificates(after, touched)
    backends = _backends(after, certificates)
    held_backends = held.backends if isinstance(held.backends, Mapping) else {}
    references = {f"namedValues/{name}" for name in _differing(held.named_values, named_values)}
    references |= {f"policyFragments/{name}" for name in _differing(held.fragments, fragments)}
    if moved := _differing(held_backends, backends):
        references |= {f"backends/{name}" for name in moved} | {"backends/*"}
    known = held.certificates if isinstance(held.certificates, Mapping) else {}
    if renewed := _differing(known, certificates):
        references |= {f"certificates/{name}" for name in renewed} | {"certificates/*"}
    shelf = after.shelves.get("loggers", _EMPTY)
    assert isinstance(after.unread, dict)
    for name in shelf:
        after.unread.pop(name, None)
    listed = _read_all(shelf, after.unread, lambda r: read.logger(_name(r), r.body, named_values))
    loggers = {_name(each): value for each, value in listed}
    held_loggers = held.loggers if isinstance(held.loggers, Mapping) else {}
    if altered := _differing(held_loggers, loggers):
        references |= {f"loggers/{name}" for name in altered} | {"loggers/*"}
    providers = after.shelves.get("authorizationProviders", _EMPTY)
    connections = connections_of(providers, named_values)
    if _differing(held.connections or {}, connections):
        references.add("authorizationProviders/*")
    schemas = library(after.shelves.get("schemas", _EMPTY), held.schemas, after.unread)
    references |= set() if schemas is held.schemas else {"schemas/*"}
    return replace(
        held,
        named_values=named_values,
        fragments=fragments,
        backends=backends,
        certificates=certificates,
        loggers=loggers,
        connections=connections,
        secrets=secrets.union(secrets_of(backends.values())),
        schemas=schemas,
    ), references


def _certificates(after: Gateway, touched: set[str]) -> Mapping[str, Certificate]:
    """Certificates by name; opening one takes milliseconds, so they are opened only when one of them changed."""
    held = after.environment.certificates
    if "certificates" not in touched and isinstance(held, Mapping):
        return held
    shelf = after.shelves.get("certificates", _EMPTY)
    found = _read_all(shelf, after.unread, lambda resource: read.certificate(_name(resource), resource.body))
    return {_name(resource): certificate for resource, certificate in found}


def _backends(after: Gateway, certificates: Mapping[str, Certificate]) -> dict[str, Backend]:
    """All backends by name; a pool whose member is not there is unread until it is."""
    assert isinstance(after.unread, dict)
    shelf = after.shelves.get("backends", _EMPTY)
    for name in shelf:
        after.unread.pop(name, None)
    read_first = _read_all(shelf, after.unread, lambda r: with_identity(backend(_name(r), r.body), certificates))
    single = {_name(each): value for each, value in read_first}
    known = {each.id: each for each, _ in read_first}
    members = _read_all(known, after.unread, lambda r: pooled(single[_name(r)], r.body, single))
    return {_name(each): value for each, value in members}


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]


def _apis(after: Gateway, touched: set[str], ids: set[str]) -> tuple[Mapping[str, ApiEntry], Routes]:
    names = {shelf[5:] for shelf in touched if shelf.startswith("apis/")}
    sets: dict[str, VersionSet] = {}
    for resource in after.shelves.get("apiVersionSets", _EMPTY).values():
        sets[_name(resource).lower()] = read.version_set(_name(resource), resource.body)
    if "apiVersionSets" in touched:
        moved = {name.rpartition("/")[2].lower() for name in ids if name.startswith("/apiVersionSets/")}
        for shelf in after.shelves:
            own = after.shelves[shelf].get("/" + shelf) if shelf.startswith("apis/") else None
            if own is not None and read.name_of(own.body.get("apiVersionSetId")).lower() in moved:
                names.add(shelf[5:])
    if not names:
        return after.entries, after.routes
    entries = dict(after.entries)
    old = [entries[name] for name in names if name in entries]
    new: list[ApiEntry] = []
    for name in names:
        entry = _entry(name, after, sets)
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
            new.append(entry)
    everything = not old and len(new) == len(entries)
    return entries, build_routes(new) if everything else after.routes.changed(old, new)


def _entry(name: str, after: Gateway, sets: Mapping[str, VersionSet]) -> ApiEntry | None:
    shelf = after.shelves.get(f"apis/{name}", _EMPTY)
    own = shelf.get(f"/apis/{name}")
    if own is None:
        return None
    try:
        api = read.api(name, own.body, sets)
    except UNREADABLE as problem:
        _unreadable(own, problem, after.unread, name in after.entries)
        return after.entries.get(name)
    below, described = f"/apis/{name}/operations/", f"/apis/{name}/schemas/"
    held = after.entries.get(name)
    given = {key: each for key, each in shelf.items() if key.startswith(described)}
    api = replace(api, schemas=library(given, held.api.schemas if held is not None else None, after.unread))
    listed = {key: each for key, each in shelf.items() if key.startswith(below)}
    try:
        return entry_of(api, listed, held, lambda which, why, kept: _unreadable(which, why, after.unread, kept))
    except UNREADABLE as problem:
        _unreadable(own, problem, after.unread, held is not None)
        return held


def _access(
    after: Gateway, touched: set[str], changed: Iterable[Resource], removed: Iterable[Resource]
) -> tuple[Mapping[str, Subscription], Access]:
    access, subscriptions = after.access, after.subscriptions
    if "subscriptions" in touched:
        names = (each.id for each in (*changed, *removed) if each.id.startswith("/subscriptions/"))
        entries: dict[str, Subscription | None] = {name: None for name in names if shelf_of(name) == "subscriptions"}
        old = [subscriptions[name] for name in entries if name in subscriptions]
        fresh = {each.id: each for each in changed if each.id in entries}
        found = _read_all(fresh, after.unread, lambda r: read.subscription(_name(r), r.body))
        entries.update((resource.id, value) for resource, value in found)
        access = access.with_subscriptions(old, [value for _, value in found])
        subscriptions = layers.changed(subscriptions, entries)
    if touched & {"products", "groups"}:
        products = _guarded(after, "/products", lambda: products_of(after.shelves), access.products.values())
        access = access.with_products(products)
    if touched & {"users", "groups"}:
        access = access.with_users(_guarded(after, "/users", lambda: users_of(after.shelves), access.users.values()))
    return subscriptions, access


def _guarded(after: Gateway, place: str, make: Callable[[], list[T]], otherwise: Iterable[T]) -> Iterable[T]:
    assert isinstance(after.unread, dict)
    after.unread.pop(place, None)
    try:
        return make()
    except UNREADABLE as problem:
        _unreadable(Resource(place, "", {}), problem, after.unread)
        return otherwise


def _documents(
    after: Gateway,
    environment: Environment,
    references: set[str],
    changed: Iterable[Resource],
    removed: Iterable[Resource],
) -> Mapping[str, Document]:
    held = after.documents
    due = {each.id: each for each in changed if each.id.endswith(SUFFIX)}
    if references:
        for name, document in held.items():
            resource = after.resources.get(name)
            if resource is not None and not is_current(document, resource, references):
                due.setdefault(name, resource)
    gone = [each.id for each in removed if each.id in held]
    if not due and not gone:
        return held
    documents = dict(held)
    for name in gone:
        del documents[name]
    for name, resource in due.items():
        scope = scope_of(name)
        if scope is None:
            continue
        document = documents[name] = compile_resource(resource, scope, environment, held.get(name))
        for issue in document.issues:
            kept = "the last good one stays in force" if not document.compiled.broken else "its operations answer 500"
            log.error("policy %s, line %d, column %d: %s (%s)", name, issue.line, issue.column, issue.message, kept)
        for skipped in document.compiled.skipped:
            log.warning("policy %s, line %d, column %d: %s", name, skipped.line, skipped.column, skipped.message)
    return documents


def _diagnostics(
    after: Gateway, environment: Environment, entries: Mapping[str, ApiEntry], touched: set[str], service: str
) -> tuple[Mapping[str, Diagnostic], Telling]:
    """Diagnostics by resource id, and what comes of them and of the loggers."""
    diagnostics, unread = after.diagnostics, after.unread
    if "diagnostics" in touched:
        found = _read_all(after.shelves.get("diagnostics", _EMPTY), unread, lambda r: diagnostic(_name(r), r.body))
        diagnostics = {resource.id: value for resource, value in found}
    apis = (shelf.startswith("apis/") for shelf in touched)
    if not touched & {"", "diagnostics", "loggers", "namedValues"} and not (diagnostics and any(apis)):
        return diagnostics, after.telling
    shelf, named_values = after.shelves.get("loggers", _EMPTY), environment.named_values
    loggers = _read_all(shelf, unread, lambda r: told_logger(_name(r), r.body, named_values))
    by_name = {each.id.lower(): each for _, each in loggers}
    assert isinstance(unread, dict)
    unread.pop("/diagnostics", None)
    try:
        told = telling(diagnostics, by_name, {key: each.api for key, each in entries.items()}, service)
    except ValueError as problem:
        _unreadable(Resource("/diagnostics", "", {}), problem, unread)
        return diagnostics, after.telling
    return diagnostics, told


def _cache(after: Gateway, environment: Environment, deployment: Deployment) -> Address | None:
    """The external cache for where this gateway is."""

    def entity(resource: Resource) -> CacheEntity:
        text = str(resource.body.get("connectionString") or "")
        return cache_entity(resource.body, substitute(text, environment.named_values).text)

    found = _read_all(after.shelves.get("caches", _EMPTY), after.unread, entity)
    return nearest_cache((value for _, value in found), deployment.region)


def _read_all(
    shelf: Shelf, unread: Mapping[str, ResourceIssue], reader: Callable[[Resource], T]
) -> list[tuple[Resource, T]]:
    """What can be read of a shelf; the rest becomes issues."""
    found: list[tuple[Resource, T]] = []
    for resource in shelf.values():
        try:
            found.append((resource, reader(resource)))
        except UNREADABLE as problem:
            _unreadable(resource, problem, unread)
    return found


def _unreadable(
    resource: Resource, problem: Exception, unread: Mapping[str, ResourceIssue], kept: bool = False
) -> None:
    what = "cannot be read; its last good state stays in force" if kept else "cannot be read and is left out"
    message = f"The resource {what}: {type(problem).__name__}: {problem}"
    log.error("%s: %s", resource.id, message)
    assert isinstance(unread, dict)
    unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", message)


def _name(resource: Resource) -> str:
    return resource.id.rpartition("/")[2]

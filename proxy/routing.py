"""Method, path, query and headers to an API, an operation and matched parameters. Pure; costs a few dictionary hops.

Rules
1. The API with the longest path prefix, in whole segments and without case, takes the request; it is not left again.
2. A version is found by segment (it is part of the prefix), query or header; without one the original version answers.
3. `;rev=N` behind the API path or the last segment asks for a revision; without it the current one answers.
4. An operation must have the method; the wrong method is 404, never 405.
5. A preflight (OPTIONS with Origin and Access-Control-Request-Method) without an OPTIONS operation goes to the
   operation that it asks about, marked as such: only a cors policy may answer it.
6. A websocket API takes upgrades only, and every path below it. A graphql API takes GET and POST at its path beside the
   operations that it may have, and upgrades, which are subscriptions. An odata API takes every method and path. A soap
   API finds operations by SOAP action: see `proxy/soap.py`. A grpc API has templates
   like any other: `/package.Service/Method`.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from multidict import MultiMapping

from proxy.config.resources import Api, Operation, VersionSet
from proxy.errors import OperationNotFound
from proxy.soap import SoapOperations, action_of
from proxy.templates import Found, OperationTree, query_values

_REVISION = re.compile(r";rev=([^/;]+)(?=/|$)", re.IGNORECASE)
MOST_KNOWN, LONGEST_KNOWN = 4096, 256  # paths without parameters that are remembered, and their characters
HANDSHAKE = "onHandshake"
ENDPOINT = "graphql"
ODATA = "odata"


class UnknownOperation(OperationNotFound):
    """An API took the request, but none of its operations: the API's own on-error section may answer."""

    def __init__(self, detail: str, api: Api) -> None:
        super().__init__(detail)
        self.api = api


@dataclass(slots=True, frozen=True)
class ApiEntry:
    """An API (one version, one revision) with its operations."""

    api: Api
    operations: tuple[Operation, ...]
    tree: OperationTree = field(repr=False)
    soap: SoapOperations | None = None

    @classmethod
    def of(cls, api: Api, operations: tuple[Operation, ...]) -> ApiEntry:
        return cls(
            api, operations, OperationTree(operations), SoapOperations.of(operations) if api.type == "soap" else None
        )


@dataclass(slots=True, frozen=True)
class Mount:
    """All that answers at one path prefix. The inner keys are a version without case ("" is the original) and a
    revision ("" is the current one)."""

    entries: tuple[ApiEntry, ...]
    plain: Mapping[str, ApiEntry]
    chosen: tuple[tuple[VersionSet, Mapping[str, Mapping[str, ApiEntry]]], ...]


@dataclass(slots=True)
class Match:
    """Nobody changes one that is made. `path` is what remains below the API path, with its leading slash or empty."""

    api: Api
    operation: Operation
    parameters: dict[str, str]
    path: str
    preflight: bool = False


class Routes:
    """Prefix -> mount, the prefix without slashes at its ends, canonical and in lower case. Immutable."""

    __slots__ = ("_depth", "_known", "_sorted", "mounts")

    def __init__(self, mounts: Mapping[str, Mount], depth: int | None = None) -> None:
        self.mounts = mounts
        self._sorted = sorted(mounts)
        self._known: dict[tuple[str, str], Match] = {}  # by method and path, where nothing else decides
        self._depth = max((key.count("/") + 1 for key in mounts if key), default=0) if depth is None else depth

    def changed(self, old: Iterable[ApiEntry], new: Iterable[ApiEntry]) -> Routes:
        """These routes with the entries `old` replaced by `new`; shares every other mount."""
        gone = {entry.api.key for entry in old}
        touched: dict[str, list[ApiEntry]] = {}
        for entry in old:
            touched.setdefault(prefix_of(entry.api), [])
        for entry in new:
            touched.setdefault(prefix_of(entry.api), []).append(entry)
        mounts = dict(self.mounts)
        for key, added in touched.items():
            present = self.mounts.get(key)
            names = gone | {entry.api.key for entry in added}
            kept = [entry for entry in present.entries if entry.api.key not in names] if present else []
            if kept or added:
                mounts[key] = mount([*kept, *added])
            else:
                mounts.pop(key, None)
        return Routes(mounts)

    def match(
        self,
        method: str,
        path: str,
        query: str,
        headers: MultiMapping[str],
        upgrade: bool = False,
        element: str | None = None,
    ) -> Match:
        """Raises OperationNotFound, whose `detail` says for the log how near the request came; and BodyNeeded, for some
        SOAP APIs, until `element` is the first element of the body's envelope."""
        if (known := self._known.get((method, path))) is not None:
            return known
        if path == "*":
            raise OperationNotFound("OPTIONS * asks about the gateway itself")
        wanted, start, end = "", -1, -1
        if ";" in path and (asked := _REVISION.search(path)) is not None:
            wanted, start, end = asked[1], asked.start(), asked.end()
        bare = path[:start] + path[end:] if start >= 0 else path
        lower = bare.lower()
        ends: list[int] = []
        at = 0
        while len(ends) < self._depth:
            at = lower.find("/", at + 1)
            if at < 0:
                ends.append(len(lower))
                break
            ends.append(at)
        reason, alone = "", start < 0
        for stop in (*reversed(ends), 0):
            mounted = self.mounts.get(lower[1:stop])
            if mounted is None:
                continue
            if start >= 0 and start != stop and start != len(bare):
                # ";rev=" belongs to a deeper segment of the backend's path: not ours.
                wanted, bare = "", path
            entry, why = _select(mounted, wanted, query, headers)
            if entry is None:
                reason, alone = f"at '/{lower[1:stop]}': {why}", False
                continue
            found = self._operation(entry, method, bare[stop:], query, headers, upgrade, element)
            alone = alone and not mounted.chosen and entry.api.type == "http" and not entry.tree.asks_queries
            if alone and not found.parameters and not found.preflight and len(path) <= LONGEST_KNOWN:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[method, path] = found
            return found
        raise OperationNotFound(f"{method} {path}: {reason or self._nowhere(lower[1:])}")

    def _nowhere(self, path: str) -> str:
        """Why no API took it: the nearest API paths, which stand beside it in the order of the alphabet."""
        at = bisect_left(self._sorted, path)
        beside = self._sorted[max(at - 2, 0) : at + 2]
        first = path.partition("/")[0]
        near = [f"'/{each}'" for each in beside if each and _alike(each.partition("/")[0], first)]
        told = f"; the nearest: {', '.join(near)}" if near else ""
        return f"no API has a path that this one begins with{told}"

    def _operation(
        self,
        entry: ApiEntry,
        method: str,
        rest: str,
        query: str,
        headers: MultiMapping[str],
        upgrade: bool,
        element: str | None,
    ) -> Match:
        api = entry.api
        if api.type != "http" and (special := _special(entry, method, rest, query, headers, upgrade, element)):
            return special
        found: Found | None = entry.tree.find(method, rest, query)
        if found is not None:
            return Match(api, found.operation, found.parameters, rest)
        if api.type == "graphql" and rest in ("", "/"):
            return self._query(api, method, headers, upgrade)
        if api.type == "odata":
            operation = Operation(id=ODATA, name=ODATA, method=method, url_template="/*", api=api.id)
            return Match(api, operation, {}, rest, preflight=_asks_first(method, headers))
        if method == "OPTIONS" and "Origin" in headers:
            asked = headers.get("Access-Control-Request-Method", "").upper()
            found = entry.tree.find(asked, rest, query) if asked else None
            if found is not None:
                return Match(api, found.operation, found.parameters, rest, preflight=True)
        methods = entry.tree.methods(rest)
        near = f"this path has {', '.join(methods)}" if methods else entry.tree.astray(rest)
        if method in methods:
            near = "the query does not fit the templates of this path"
        raise UnknownOperation(f"{method} '{rest or '/'}' of API '{api.key}': {near}", api)

    def _query(self, api: Api, method: str, headers: MultiMapping[str], upgrade: bool) -> Match:
        if upgrade:
            return Match(api, _handshake(api), {}, "")
        preflight = _asks_first(method, headers)
        if not preflight and method not in ("GET", "POST"):
            raise UnknownOperation(f"{method} of API '{api.key}': a GraphQL API has GET and POST", api)
        return Match(api, _endpoint(api, method), {}, "", preflight=preflight)


def _alike(left: str, right: str) -> bool:
    """Whether one may have been meant for the other: they begin alike, or differ in a letter or two."""
    if left[:1] != right[:1]:
        return False
    return left[:3] == right[:3] or difflib.SequenceMatcher(None, left[:40], right[:40]).ratio() > 0.7


def prefix_of(api: Api) -> str:
    """Where an API is mounted: its path, and its version where that is a segment."""
    path = quote(api.path.strip("/"), safe="/-._~!$&'()*+,;=:@%")
    if api.version_set is not None and api.version_set.scheme == "Segment" and api.version:
        path = f"{path}/{quote(api.version, safe='')}" if path else quote(api.version, safe="")
    return path.lower()


def build_routes(entries: Iterable[ApiEntry]) -> Routes:
    """Everything anew; the order of entries decides nothing but duplicates (the last one wins)."""
    grouped: dict[str, list[ApiEntry]] = {}
    for entry in entries:
        grouped.setdefault(prefix_of(entry.api), []).append(entry)
    return Routes({key: mount(listed) for key, listed in grouped.items()})


def mount(entries: list[ApiEntry]) -> Mount:
    plain: dict[str, ApiEntry] = {}
    chosen: dict[str, tuple[VersionSet, dict[str, dict[str, ApiEntry]]]] = {}
    for entry in entries:
        api = entry.api
        table = plain
        if api.version_set is not None and api.version and api.version_set.scheme != "Segment":
            versions = chosen.setdefault(api.version_set.id, (api.version_set, {}))[1]
            table = versions.setdefault(api.version.lower(), {})
        table[api.revision] = entry
        if api.is_current:
            table[""] = entry
    return Mount(tuple(entries), plain, tuple(chosen.values()))


def _select(mounted: Mount, revision: str, query: str, headers: MultiMapping[str]) -> tuple[ApiEntry | None, str]:
    table: Mapping[str, ApiEntry] | None = mounted.plain
    for version_set, versions in mounted.chosen:
        if version_set.scheme == "Query":
            value = query_values(query).get(version_set.query_name.lower()) if query else None
        else:
            value = headers.get(version_set.header_name)
        if value is not None:
            table = versions.get(value.strip().lower())
            if table is None:
                return None, f"version '{value}' is not one of {', '.join(sorted(versions))}"
            break
    assert table is not None
    entry = table.get(revision)
    if entry is not None:
        return entry, ""
    if revision:
        return None, f"there is no revision '{revision}'"
    known = [f"{s.query_name or s.header_name} = {' | '.join(sorted(v))}" for s, v in mounted.chosen]
    return None, f"a version is needed: {'; '.join(known)}" if known else "there is no current revision"


def _special(
    entry: ApiEntry,
    method: str,
    rest: str,
    query: str,
    headers: MultiMapping[str],
    upgrade: bool,
    element: str | None,
) -> Match | None:
    """How APIs of some types find operations; None where templates decide."""
    api = entry.api
    if api.type == "websocket":
        if not upgrade:
            raise UnknownOperation(f"API '{api.key}' is a WebSocket API: the request must ask for an upgrade", api)
        handshake = entry.operations[0] if entry.operations else _handshake(api)
        return Match(api, handshake, {}, rest)
    if entry.soap is not None and method == "POST" and rest in ("", "/"):
        found = entry.soap.find(query, headers, element)
        if found is None:
            named = f"the SOAP action '{action_of(headers)[:200]}'" + (
                f" or the element '{element}'" if element else ""
            )
            raise UnknownOperation(f"POST of SOAP API '{api.key}': no operation has {named}", api)
        return Match(api, found.operation, found.parameters, rest)
    if entry.soap is not None and rest in ("", "/") and _asks_first(method, headers):
        first = entry.soap.first if headers["Access-Control-Request-Method"].upper() == "POST" else None
        return Match(api, first, {}, rest, preflight=True) if first is not None else None
    return None


def _asks_first(method: str, headers: MultiMapping[str]) -> bool:
    """Whether it is a CORS preflight."""
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def _handshake(api: Api) -> Operation:
    return Operation(id=HANDSHAKE, name=HANDSHAKE, method="GET", url_template="/*", api=api.id)


def _endpoint(api: Api, method: str) -> Operation:
    """What a GraphQL API has in place of operations."""
    return Operation(id=ENDPOINT, name=ENDPOINT, method=method, url_template="/", api=api.id)

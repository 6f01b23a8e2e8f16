"""The ARM surface: one handler for every method on every path below a service. Read this first.

    {service}/apis/orders                    GET HEAD PUT PATCH DELETE on a resource
    {service}/apis                           GET on a collection
    {service}/apis/orders/products           GET on a view: a list that is computed
    {service}/subscriptions/s1/listSecrets   POST an action

What a type needs beyond this is declared in `resources/`; how it is stored is in `apply.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from management import batch, filters, importing, links, provider
from management.apply import Applier, parent_of, stored_name, type_of
from management.bodies import LARGEST_BATCH, read_body
from management.declare import ALONE, Call, Named, ResourceType, View
from management.errors import ArmError, NotYet, bad_request, invalid, not_allowed, not_found, stale
from management.exports import Exports
from management.operations import Statuses, Tickets, statuses
from management.ordering import ordered
from management.paths import ArmPath, check_version, parse, parse_services
from management.provision import create_service, delete_service
from management.resources import TYPES, regional_gateways
from management.resources.infrastructure import network_status_at
from management.revisions import resolve
from management.show import show
from management.store import Row, Store
from management.transaction import Transaction, find_services, reading, writing

READING = ("GET", "HEAD")
PAGE = 100
LARGEST_PAGE = 1000
PATIENCE = 3.0  # seconds
JSON = "application/json"


def json_response(
    body: Any, status: int = 200, etag: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    fields = CIMultiDict(headers or {})
    if etag:
        fields["ETag"] = etag
    return web.Response(text=json.dumps(body, ensure_ascii=False), status=status, headers=fields, content_type=JSON)


class Arm:
    def __init__(self, store: Store, exports: Exports, tickets: Tickets) -> None:
        self.store = store
        self.exports = exports
        self.tickets = tickets
        self._ahead = importing.Ahead()

    async def handle(self, request: web.Request) -> web.Response:
        path = parse(request.rel_url.raw_path)
        if path is None and request.method == "GET" and (scope := parse_services(request.rel_url.raw_path)):
            check_version(request.query.get("api-version"))
            return await self.store.read(lambda: self.services(request, scope))
        if path is None:
            check_version(request.query.get("api-version"))
            outside = await self.provider(request)
            if outside is not None:
                return outside
            raise ArmError(404, "InvalidResourceType", f"There is nothing at '{request.path[:300]}'.")
        check_version(request.query.get("api-version"))
        method, store = request.method, self.store
        if path.outside and method == "GET" and len(path.segments) == 1:
            return await store.read(lambda: self.gateways(request, path.service.split("/providers/")[0]))
        if path.outside and method not in READING:
            await store.write(lambda: regional_gateways.make_home(store, path.service))
        provider.refuse(path.segments[0] if path.segments else "")
        if len(path.segments) % 2 == 0:
            id = path.below
            if method == "GET" and request.query.get("asyncCode") == "204":
                return self.ended(request)
            if method in ("GET", "HEAD"):
                return await store.read(lambda: self.read(request, path, id))
            if method in ("PUT", "PATCH"):
                document = await links.inline(await read_body(request))
                async with self._ahead.read(document):
                    return await store.write(lambda: self.write(request, path, id, document))
            if method == "DELETE":
                return await store.write(lambda: self.delete(request, path, id))
        elif method == "GET":
            return await store.read(lambda: self.document(request, path) or self.list(request, path))
        if method == "POST":
            if path.below.lower() == "/apply":
                body = await read_body(request, LARGEST_BATCH)
                return await store.write(lambda: self.apply(path, body))
            body = await read_body(request)
            return await self._patiently(lambda: self.act(request, path, body))
        raise not_allowed(f"{method} is not possible here.")

    async def _patiently(self, act: Callable[[], web.Response]) -> web.Response:
        """An action; for what may come soon it is tried again for some seconds, and holds nothing meanwhile."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await self.store.write(act)
            except NotYet:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(0.1)

    def read(self, request: web.Request, path: ArmPath, id: str) -> web.Response:
        if (found := self.read_view(request, path)) is not None:
            return found
        type = type_of(id)
        with reading(self.store, path.service) as view:
            tx = tx_of(view, path.service)
            row = _existing(tx, type, id)
            if request.method == "HEAD":
                return web.Response(
                    status=_statuses(type, request, path).head, headers={"ETag": row.etag}, content_type=JSON
                )
            if type.path == "apis" and request.query.get("export", "").lower() == "true":
                return json_response(self.exports.tell(request, tx, row))
            return json_response(show(tx, row, {**request.query, ALONE: "true"}), etag=row.etag)

    def write(self, request: web.Request, path: ArmPath, id: str, document: dict[str, Any]) -> web.Response:
        type = type_of(id)
        partial = request.method == "PATCH"
        if partial and not type.can_patch:
            raise not_allowed(f"{type.title} cannot be patched; PUT it.")
        properties = document if id == "/" or type.whole else document.get("properties") or {}
        if not isinstance(properties, dict):
            raise invalid("properties", "properties must be an object.")
        if id == "/" and not partial:
            created = create_service(self.store, path.service, document)
            if created is not None:
                return json_response(created, 201)
        with writing(self.store, path.service) as found:
            tx = tx_of(found, path.service)
            old = tx.get(resolve(tx, id))
            needed = type.needs_match if partial else type.put_needs_match
            check_match(request, type, old or type.born(id), required=needed)
            if old is not None and request.headers.get("If-None-Match", "").strip() == "*":
                raise stale("The resource exists already, and If-None-Match: * asks for a new one.")
            Applier(tx).put(id, properties, request.query, partial)
            row = tx.get(resolve(tx, stored_name(type, id)))
            assert row is not None
            body = show(tx, row, {**request.query, ALONE: "true"})
        wanted = _statuses(type, request, path)
        if partial and wanted.patched == 204:
            return web.Response(status=204, headers={"ETag": row.etag})
        return json_response(body, 200 if old or type.closed else wanted.created, etag=row.etag)

    def ended(self, request: web.Request) -> web.Response:
        """What the Location of a long DELETE leads to."""
        if self.tickets.made(request.rel_url.parts[2], request.query.get("asyncId", "")) is None:
            raise not_found("Operation")
        return web.Response(status=204)

    def read_view(self, request: web.Request, path: ArmPath) -> web.Response | None:
        """One item of a view, by its name; None when the path means a resource."""
        *holder_path, view_name, name = path.segments if len(path.segments) > 1 else ("", "", "")
        holder_id = "/" + "/".join(holder_path)
        view = _views(type_of(holder_id)).get(view_name.lower()) if view_name else None
        if view is None:
            return None
        with reading(self.store, path.service) as found:
            tx = tx_of(found, path.service)
            items = view(_call(tx, _existing(tx, type_of(holder_id), holder_id), {}, request.query))
            for item in items.named(name) if isinstance(items, Named) else items:
                if str(item.get("name", "")).lower() == name.lower():
                    return json_response(item, etag=f'"{tx.service.revision:016x}"')
        raise not_found(view_name)

    def document(self, request: web.Request, path: ArmPath) -> web.Response | None:
        """What is computed below the service, and no list; None when the path means something else."""
        type, words = type_of("/"), "/".join(path.segments).lower()
        found = {name.lower(): document for name, document in type.documents.items()}.get(words)
        at = re.fullmatch(r"locations/([^/]+)/networkstatus", words)
        if found is None and at is None:
            return None
        with reading(self.store, path.service) as tx:
            call = _call(tx_of(tx), _existing(tx, type, "/"), {}, request.query)
            return json_response(found(call) if found else network_status_at(call, at[1] if at else ""))

    def delete(self, request: web.Request, path: ArmPath, id: str) -> web.Response:
        type = type_of(id)
        if id == "/":
            return web.Response(status=200 if delete_service(self.store, path.service) else 204)
        with writing(self.store, path.service) as found:
            tx = tx_of(found, path.service)
            id = stored_name(type, id)
            old = tx.get(resolve(tx, id))
            check_match(request, type, old, required=type.needs_match)
            if old is not None:
                Applier(tx).delete(id, request.query)
            home = tx.get("/")
        if old is None:
            return web.Response(status=204)
        status = _statuses(type, request, path).deleted
        if status != 202:
            return web.Response(status=status)
        origin, place = str(request.url.origin()), str((home.body if home else {}).get("location", "local"))
        return web.Response(
            status=202, headers=self.tickets.headers(origin, request.rel_url.raw_path, _version(request), place)
        )

    def list(self, request: web.Request, path: ArmPath) -> web.Response:
        parent, segment = "/" + "/".join(path.segments[:-1]), path.segments[-1]
        with reading(self.store, path.service) as found:
            tx = tx_of(found, path.service)
            holder = _existing(tx, type_of(parent), parent)
            view = _views(type_of(parent)).get(segment.lower())
            if view is not None:
                items = chosen(request, view(_call(tx, holder, {}, request.query)))
                return json_response(page(request, items, len(items)))
            type = type_of(f"{'' if parent == '/' else parent}/{segment}/x")
            collection = f"{'' if holder.key == '/' else holder.key}/{type.segments[-1].lower()}"
            narrowing = {name for name in ("$filter", "$orderby", *type.narrows) if request.query.get(name)}
            if narrowing == {"$filter"} and not type.built_in:
                return json_response(_filtered(request, tx, type, collection))
            if narrowing or type.built_in:
                rows = _all(tx, type, collection)
                for name in narrowing & type.narrows.keys():
                    rows = [row for row in rows if type.narrows[name](tx, row, request.query[name])]
                items = chosen(request, [show(tx, row, request.query) for row in rows])
                return json_response(page(request, items, len(items)))
            top, skip = window(request)
            rows = tx.children(collection, top, skip)
            if type.association:  # they show their targets
                tx.prefetch(f"/{type.association}/{row.name}" for row in rows)
            items = [show(tx, row, request.query) for row in rows]
            total = len(rows) if not skip and len(rows) < top else tx.count(collection)
            return json_response(page(request, items, total, cut=False))

    async def provider(self, request: web.Request) -> web.Response | None:
        """What is asked of the provider, not of a service."""
        body = await read_body(request) if request.method == "POST" else {}
        if request.method == "GET" and (match := provider.PROVIDER.fullmatch(request.path)):
            if match["rest"].lower().rstrip("/") == "gateways":
                scope = f"/subscriptions/{match['subscription']}"
                return await self.store.read(lambda: self.gateways(request, scope))
            told = self.tickets.answer(request.path, str(match["subscription"]), match["rest"].lower().split("/"))
            if told is not None:
                return json_response(told[1], told[0]) if told[1] else web.Response(status=told[0])

        def work() -> tuple[int, dict[str, Any]] | None:
            with self.store.reading() as connection:
                return provider.answer(connection, request.method, request.path, body)

        found = await self.store.read(work)
        return json_response(found[1], found[0]) if found else None

    def apply(self, path: ArmPath, body: dict[str, Any]) -> web.Response:
        try:
            with writing(self.store, path.service) as tx:
                return json_response(batch.apply(tx_of(tx, path.service), body))
        except batch.DryRun as run:
            return json_response(run.body)

    def services(self, request: web.Request, scope: str) -> web.Response:
        """All services of a subscription or a resource group."""
        items = []
        with self.store.reading() as connection:
            for service in find_services(connection, scope):
                tx = Transaction(connection, self.store.vault, service)
                items.append(show(tx, _existing(tx, type_of("/"), "/"), request.query))
        return json_response(page(request, items, len(items)))

    def gateways(self, request: web.Request, scope: str) -> web.Response:
        """All gateways outside of services, of a subscription or a resource group."""
        with self.store.reading() as connection:
            found = regional_gateways.rows(connection, self.store, scope.lower())
            items = chosen(request, [show(tx, row, request.query) for tx, row in found])
        return json_response(page(request, items, len(items)))

    def act(self, request: web.Request, path: ArmPath, body: dict[str, Any]) -> web.Response:
        # an action has one word, or two: tenant/access/git/regeneratePrimaryKey
        words = 1 if len(path.segments) % 2 else 2
        id, name = "/" + "/".join(path.segments[:-words]), "/".join(path.segments[-words:])
        type = type_of(id)
        action = {each.lower(): action for each, action in type.actions.items()}.get(name.lower())
        if action is None and words == 2:
            raise not_allowed("POST is not possible here.")
        if name.lower() in {each.lower() for each in type.of_service.get(id.lower(), ())}:
            type, id = type_of("/"), "/"
        if action is None:
            raise ArmError(404, "InvalidResourceType", f"There is no action '{name[:80]}' on a {type.title.lower()}.")
        with writing(self.store, path.service) as found:
            tx = tx_of(found, path.service)
            row = _existing(tx, type, id)
            answer = action(_call(tx, row, body, request.query))
        if answer.body is None:
            return web.Response(status=answer.status)
        return json_response(answer.body, answer.status, etag=row.etag if answer.etag else None)


def _version(request: web.Request) -> str:
    return request.query["api-version"]


def _statuses(type: ResourceType, request: web.Request, path: ArmPath) -> Statuses:
    return statuses(type.path, _version(request), "/workspaces/" in path.service)


def tx_of(tx: Transaction | None, service: str = "") -> Transaction:
    """404 when there is none of `service`, which is the id of a service or a workspace."""
    if tx is None:
        raise not_found("Workspace" if "/workspaces/" in service.lower() else "Service")
    return tx


def _views(type: ResourceType) -> dict[str, View]:
    return {name.lower(): view for name, view in type.views.items()}


def _all(tx: Transaction, type: ResourceType, collection: str) -> list[Row]:
    """What is stored in a collection, and what is there without having been stored."""
    stored = {row.key: row for row in tx.children(collection)}
    for name in type.built_in:
        born = type.born(f"{collection}/{name}")
        if born is not None:
            stored.setdefault(born.key, born)
    return [stored[key] for key in sorted(stored)]


def _existing(tx: Transaction | None, type: ResourceType, id: str) -> Row:
    row = tx_of(tx).get(resolve(tx_of(tx), stored_name(type, id))) or type.born(id)
    if row is None:
        if id != "/" and tx_of(tx).get(resolve(tx_of(tx), parent_of(id))) is None:
            raise not_found(type_of(parent_of(id)).title)
        raise not_found(type.title)
    return row


def _call(tx: Transaction, row: Row, body: dict[str, Any], query: Mapping[str, str]) -> Call:
    return Call(tx, Applier(tx), row, body, query, lambda each: show(tx, each, query))


def check_match(request: web.Request, type: ResourceType, old: Row | None, required: bool) -> None:
    """If-Match: `*` or the exact tag. 412 when stale, 400 when a call that needs it has none."""
    wanted = request.headers.get("If-Match", "").strip()
    if not wanted:
        if required:
            raise bad_request("MissingIfMatch", "The If-Match header is required here: send the ETag, or *.")
        return
    if wanted == "*" or (old is None and request.method == "DELETE"):
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")}
    if old is None or old.etag.strip('"') not in tags:
        raise stale()


def window(request: web.Request) -> tuple[int, int]:
    """($top, $skip) of a list."""
    return _number(request, "$top", PAGE, 1), _number(request, "$skip", 0, 0)


def _number(request: web.Request, name: str, default: int, least: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9 or int(text) < least:
        raise invalid(name, f"{name} must be a whole number of at least {least}.")
    return min(int(text), LARGEST_PAGE) if name == "$top" else int(text)


def _filtered(request: web.Request, tx: Transaction, type: ResourceType, collection: str) -> dict[str, Any]:
    """One page of what `$filter` leaves; no more than the page is held."""
    top, skip = window(request)
    fits = filters.parse(request.query["$filter"])
    # an association shows what its target says
    may_fit = (lambda id, body: True) if type.association else fits.may_fit
    items, total = [], 0
    for item in filter(fits, (show(tx, row, request.query) for row in tx.matching(collection, may_fit))):
        if skip <= total < skip + top:
            items.append(item)
        total += 1
    return page(request, items, total, cut=False)


def chosen(request: web.Request, items: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """What `$filter` leaves of a list, in the order of `$orderby`."""
    if text := request.query.get("$filter"):
        items = list(filter(filters.parse(text), items))
    if text := request.query.get("$orderby"):
        items = ordered(text, list(items))
    return items


def page(request: web.Request, items: Sequence[dict[str, Any]], total: int, cut: bool = True) -> dict[str, Any]:
    """One page; `cut` when `items` is still the whole list."""
    top, skip = window(request)
    shown = list(items[skip : skip + top] if cut else items)
    body: dict[str, Any] = {"value": shown, "count": total}
    if skip + len(shown) < total and shown:
        url = request.url.update_query({"$top": str(top), "$skip": str(skip + len(shown))})
        body["nextLink"] = str(url)
    return body


__all__ = ["TYPES", "Arm", "json_response"]

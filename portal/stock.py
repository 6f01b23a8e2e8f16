"""What the catalogue is made of, as the plane has it, and how it follows the plane's log of changes.

Rules
1. It is read whole once. Of what the log names after that, only what the catalogue depends on is asked for: one API
   that was changed is one call, however many there are.
2. No step of it holds the event loop for long: visitors are served between the pieces.
3. All is asked for before anything is changed, so a call that fails leaves the stock as it was.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from portal.catalogue import Catalogue, Listed, alphabetical, versioning_of
from portal.model import Api, Product, Resource, mappings, name_of, properties_of
from portal.plane import NotThere, Plane, segment
from portal.reach import Entries, Whole
from portal.samples.call import Versioning

AT_ONCE = 4  # calls to the plane in flight for one look
FEW = 20  # APIs or products that are asked for one by one; for more, the list is
PIECE = 50  # of what is worked through before others have their turn
VIEWS = 8  # sets of groups whose view is made before the first of them asks
# what of the plane's log is nothing to the portal's pages about APIs: collections, and what stands below APIs
ASIDE = frozenset(
    (
        "users", "subscriptions", "groups", "namedvalues", "backends", "certificates", "gateways", "loggers",
        "diagnostics", "policies", "policyfragments", "notifications", "tenant",
    )
)  # fmt: skip
ASIDE_OF_APIS = frozenset(("policies", "diagnostics"))

One = TypeVar("One")


@dataclass
class News:
    """What the log of changes asks for. `moved` are (operation, product, API) in their order, in lower case; `books`
    are APIs of which something below has changed."""

    apis: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    moved: list[tuple[str, str, str]] = field(default_factory=list)
    books: set[str] = field(default_factory=set)
    every_book: bool = False
    door: bool = False
    sets: bool = False
    tags: bool = False

    @classmethod
    async def of(cls, entries: Iterable[Resource]) -> News:
        """Of `/changes`, oldest first."""
        news = cls()
        for entry in entries:
            # a resource whose spelling changed is told twice
            changes = sorted(mappings(entry.get("changes")), key=lambda one: one.get("operation") != "delete")
            async for change in breathing(changes, 20 * PIECE):
                news.note(str(change.get("operation") or ""), str(change.get("id") or "").lower())
        return news

    def note(self, operation: str, id: str) -> None:
        match id.strip("/").split("/"):
            case ["apis", api]:
                self.apis.add(api)
                self.books.add(api.partition(";")[0])
            case ["apis", _, "tags", _]:
                self.tags = True
            case ["apis", _, below, _] | ["apis", _, _, _, below, _] if below in ASIDE_OF_APIS:
                pass
            case ["apis", api, *_]:
                self.books.add(api.partition(";")[0])
            case ["products", product] | ["products", product, "groups", _]:
                self.products.add(product)
            case ["products", product, "apis", api]:
                self.moved.append((operation, product, api))
            case ["portalsettings", "signin"]:
                self.door = True
            case ["tags", _]:
                self.tags = True
            case ["apiversionsets", _]:
                self.sets = True
            case ["products" | "tags", *_]:  # links and the like, which say nothing that the above does not
                pass
            case [collection, *_] if collection in ASIDE:
                pass
            case _:
                self.every_book = True

    def __bool__(self) -> bool:
        return self != News()

    @property
    def shifts(self) -> bool:
        """May lists have become longer or shorter, so that who was reading them has missed something?"""
        return bool(self.apis or self.products or self.moved or self.sets or self.tags)


class Stock:
    """Of one service, in lower case by name. Made with `Stock.read`, kept by `follow`; `catalogue` is what it makes."""

    def __init__(self) -> None:
        self._rows: dict[str, Resource] = {}  # APIs, and their revisions
        self._apis: dict[str, Api] = {}
        self._products: dict[str, Product] = {}
        self._members: dict[str, set[str]] = {}
        self._tags: dict[str, tuple[str, ...]] = {}
        self._sets: dict[str, Resource] = {}
        self._closed = False
        self._listed: dict[str, Listed] = {}
        self._entries: Entries = {}
        self._editions: dict[str, int] = {}

    @classmethod
    async def read(cls, plane: Plane, edition: int = 0) -> Stock:
        """All of it; `edition` is what all APIs get. Raises PlaneError."""
        stock = cls()
        apis, products, sets, tagged, stock._closed = await asyncio.gather(
            plane.every("/apis"),
            plane.every("/products", expandGroups="true"),
            plane.every("/apiVersionSets"),
            plane.every("/apisByTags"),
            _closed(plane),
        )
        gate = asyncio.Semaphore(AT_ONCE)

        async def members(product: str) -> set[str]:
            async with gate:
                try:
                    links = await plane.every(f"/products/{segment(product)}/apiLinks")
                except NotThere:  # deleted between the two calls
                    return set()
            return {str(properties_of(each).get("apiId") or "").rsplit("/", 1)[-1].lower() for each in links}

        names = [name_of(each) for each in products]
        stock._members = dict(
            zip(map(str.lower, names), await asyncio.gather(*map(members, names)), strict=True),
        )
        stock._take_sets(sets)
        stock._tags = _tags(tagged)
        stock._products = {name_of(each).lower(): Product.read(each) for each in products}
        async for row in breathing(apis):
            stock._take(name_of(row).lower(), row)
            stock._editions[name_of(row).partition(";")[0].lower()] = edition
        return stock

    async def follow(self, plane: Plane, news: News, edition: int) -> None:
        """Ask for what is new, and take it; APIs that have changed get `edition`. Raises PlaneError."""
        apis, products, sets, tagged, closed = await asyncio.gather(
            _some(plane, "/apis", news.apis),
            _some(plane, "/products", news.products, expandGroups="true"),
            plane.every("/apiVersionSets") if news.sets else _nothing(),
            plane.every("/apisByTags") if news.tags else _nothing(),
            _closed(plane) if news.door else _nothing(),
        )
        async for name, row in breathing(apis.items()):
            self._take(name, row)
        for name, row in products.items():
            if row is None:
                self._products.pop(name, None)
                self._members.pop(name, None)
            else:
                self._products[name] = Product.read(row)
        for operation, product, api in news.moved:
            held = self._members.setdefault(product, set())
            (held.discard if operation == "delete" else held.add)(api)
        if news.sets:
            self._take_sets(sets)
        if news.tags:
            self._tags = _tags(tagged)
        if news.door:
            self._closed = bool(closed)
        changed = self._editions if news.every_book else news.books
        self._editions = {**self._editions, **dict.fromkeys(changed, edition)}

    def _take(self, name: str, row: Resource | None) -> None:
        if row is None:
            self._rows.pop(name, None)
            self._apis.pop(name, None)
        elif row != self._rows.get(name):
            self._rows[name], api = row, Api.read(row)
            self._apis[name] = api
            _ = api.text  # what is searched: the first who searches need not wait for it

    def _take_sets(self, sets: Iterable[Resource]) -> None:
        self._sets, self._entries = {name_of(each).lower(): each for each in sets}, {}

    async def catalogue(self, before: Catalogue | None = None) -> Catalogue:
        """As things stand, for whomever. Views that were asked for of the one `before` are made, too."""
        published = [one for one in self._products.values() if one.published]
        published.sort(key=lambda one: alphabetical(one.name))
        holders: dict[str, list[Product]] = defaultdict(list)
        async for product in breathing(published, 1):
            for name in self._members.get(product.id.lower(), ()):
                holders[name].append(product)
        listed: dict[str, Listed] = {}
        async for name, held in breathing(holders.items()):
            api = self._apis.get(name)
            if api is not None and api.current:
                listed[name] = self._same(name, Listed(api, tuple(held), self._tags.get(name, ()), self._scheme(api)))
        self._listed = listed
        apis = tuple(sorted(listed.values(), key=lambda one: one.order))
        await asyncio.sleep(0)
        whole = Whole(list(self._rows.values()), list(self._sets.values()), self._entries)
        made = Catalogue(apis, tuple(published), whole, self._editions, self._closed)
        for groups in before.views[-VIEWS:] if before else ():
            await asyncio.sleep(0)
            made.seen_by(groups)
        return made

    def _same(self, name: str, made: Listed) -> Listed:
        """What was made of it before, if that says the same: it knows its place in lists."""
        former = self._listed.get(name)
        kept = made if former is None or former != made else former
        _ = kept.order
        return kept

    def _scheme(self, api: Api) -> Versioning:
        return versioning_of(api, self._sets.get(api.version_set.lower()))


async def breathing(items: Iterable[One], piece: int = PIECE) -> AsyncIterator[One]:
    """All of them; after each `piece`, whoever waits for the event loop has a turn."""
    for at, each in enumerate(items, 1):
        yield each
        if at % piece == 0:
            await asyncio.sleep(0)


async def _closed(plane: Plane) -> bool:
    return properties_of(await plane.get("/portalsettings/signin")).get("enabled") is True


async def _nothing() -> list[dict[str, object]]:
    return []


async def _some(plane: Plane, path: str, names: set[str], **query: str) -> Mapping[str, Resource | None]:
    """Those of a collection, by name in lower case; None for what is not there. Where many are wanted, all of it."""
    found: dict[str, Resource | None] = {}
    if len(names) > FEW:
        found.update((name_of(each).lower(), each) for each in await plane.every(path, **query))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Resource | None:
        async with gate:
            try:
                row = await plane.get(f"{path}/{segment(name)}", **query)
            except NotThere:
                return None
            # by the name of a revision that has become the current one, that is what one gets
            return row if name_of(row).lower() == name else None

    wanted = sorted(names - found.keys())  # what a list lacks may have moved from a page to the one before
    return {**found, **dict(zip(wanted, await asyncio.gather(*map(one, wanted)), strict=True))}


def _tags(rows: Iterable[Resource]) -> dict[str, tuple[str, ...]]:
    """Of each API, by its name in lower case."""
    found: dict[str, set[str]] = defaultdict(set)
    for tag, api in _tagged(rows):
        found[api].add(tag)
    return {api: tuple(sorted(tags, key=alphabetical)) for api, tags in found.items()}


def _tagged(rows: Iterable[Resource]) -> Iterator[tuple[str, str]]:
    for row in rows:
        tag, api = row.get("tag"), row.get("api")
        if isinstance(tag, Mapping) and isinstance(api, Mapping):
            yield str(tag.get("name") or ""), str(api.get("id") or "").rsplit("/", 1)[-1].lower()

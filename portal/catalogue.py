"""What may be seen of the service: published products, the current APIs in them, their versions and tags.

Rules
1. A product is visible to the groups that it is assigned to, an API by the visible products that hold it, as in APIM.
   Who has not signed in belongs to the group `guests`.
2. All of it is kept in memory and read anew when the plane's log says that something of it changed; the log is looked
   at once a second at most, when somebody comes. A visitor waits `PATIENCE` for that and is then shown what there is.
3. While the plane is away, what was kept is shown, and `Catalogues.away` says so.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from portal.model import Api, Product, Resource, mappings, name_of, properties_of
from portal.plane import NotThere, Plane, PlaneError, PlaneRefused, segment
from portal.reach import Reach, Whole
from portal.samples.call import Versioning

AT_ONCE = 8  # calls to the plane in flight for one look
VIEWS = 64  # sets of groups whose view is kept
CHECK = 1.0  # seconds between two looks at the log
PATIENCE = 0.03  # seconds
REST = 5  # times as long as a reading took, before the next one
GUESTS = frozenset({"guests"})
# what of the plane's log the catalogue does not depend on
ASIDE = re.compile(
    r"/(users|subscriptions|namedValues|backends|certificates|gateways|loggers|diagnostics|policies|notifications)/.+"
    r"|/groups/[^/]+/users/.+|.+/(policies|diagnostics)/[^/]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Listed:
    """An API with the products that hold it, the names of its tags, and how its version is said."""

    api: Api
    products: tuple[Product, ...]
    tags: tuple[str, ...] = ()
    versioning: Versioning = field(default_factory=Versioning)


@dataclass(frozen=True)
class Entry:
    """A line of the list: an API, or one version of it, with all its versions."""

    first: Listed
    versions: tuple[Listed, ...]


class Catalogue:
    """`apis` and `products` by display name, `entries` as lists show them. `generation` is another one whenever
    something has changed; `reach` knows whom calls go to, of those that are seen and those that are not. Nothing in it
    is changed after it was made."""

    def __init__(
        self,
        apis: tuple[Listed, ...] = (),
        products: tuple[Product, ...] = (),
        generation: int = 0,
        whole: Whole | None = None,
    ) -> None:
        self.apis, self.products, self.generation = apis, products, generation
        self._whole = whole or Whole([], [])
        self.reach = Reach(self._whole, (one.api.id for one in apis))
        self.entries = tuple(_entries(apis))
        self._by_id = {one.api.id.lower(): one for one in apis}
        self.seen_by = lru_cache(VIEWS)(self._seen_by)

    @property
    def tags(self) -> list[str]:
        return sorted({tag for one in self.apis for tag in one.tags}, key=str.casefold)

    def find(self, api: str) -> Listed:
        """Raises NotThere for an API that is in no visible product, whether it exists or not."""
        listed = self._by_id.get(api.lower())
        if listed is None:
            raise NotThere("No API of this name is published here for you.")
        return listed

    def product(self, name: str) -> Product:
        for one in self.products:
            if one.id.lower() == name.lower():
                return one
        raise NotThere("No product of this name is published here for you.")

    def of_product(self, product: str) -> list[Listed]:
        return [listed for listed in self.apis if any(one.id == product for one in listed.products)]

    def versions_of(self, listed: Listed) -> tuple[Listed, ...]:
        """All versions of the API, this one too; only it, where it has no versions."""
        if not listed.api.version_set:
            return (listed,)
        return tuple(
            sorted(
                (one for one in self.apis if one.api.version_set == listed.api.version_set),
                key=lambda one: _natural(one.api.version),
            )
        )

    def _seen_by(self, groups: frozenset[str]) -> Catalogue:
        """What members of any of these groups see."""
        products = tuple(one for one in self.products if one.groups & groups)
        visible = {one.id for one in products}
        apis = (
            Listed(one.api, held, one.tags, one.versioning)
            for one in self.apis
            if (held := tuple(each for each in one.products if each.id in visible))
        )
        return Catalogue(tuple(apis), products, self.generation, self._whole)


def _entries(apis: Iterable[Listed]) -> Iterator[Entry]:
    """Versions of one API are one entry, which stands where its newest one would."""
    sets: dict[str, list[Listed]] = defaultdict(list)
    for one in apis:
        sets[one.api.version_set or f"\n{one.api.id}"].append(one)
    done = []
    for members in sets.values():
        members.sort(key=lambda one: _natural(one.api.version))
        done.append(Entry(members[-1], tuple(members)))
    yield from sorted(done, key=lambda one: one.first.api.name.casefold())


def _natural(version: str) -> list[tuple[int, str]]:
    """v10 comes after v9."""
    return [(int(number or 0), text) for number, text in re.findall(r"(\d{1,9})|(\D+)", version)]


def matching(entries: Iterable[Entry], words: list[str], tag: str) -> list[Entry]:
    """Those of which a version has all the words, and the tag."""
    wanted = [word.casefold() for word in words]
    return [
        entry
        for entry in entries
        if any((not tag or tag in one.tags) and one.api.has(wanted) for one in entry.versions)
    ]


class Catalogues:
    """The one catalogue of a portal, kept as the rules above say."""

    def __init__(self, plane: Plane) -> None:
        self.away = False
        self._plane = plane
        self._kept: Catalogue | None = None
        self._revision = -1
        self._checked = self._rests_until = 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def current(self) -> Catalogue:
        """Raises PlaneError when there is nothing yet, and the plane does not give it."""
        if self._kept is None or time.monotonic() - self._checked >= CHECK:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._renew())
            if self._kept is None:
                await asyncio.shield(self._renewal)
            else:
                done, _ = await asyncio.wait({self._renewal}, timeout=PATIENCE)
                for each in done:
                    each.exception()  # it is told by `away`
        assert self._kept is not None, "a renewal that succeeds leaves something"
        return self._kept

    def warm(self) -> None:
        """Read in the background what the first visitor would wait for; that the plane is away, they are told."""
        self._renewal = asyncio.create_task(self._renew())
        self._renewal.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()

    async def _renew(self) -> None:
        started = time.monotonic()
        try:
            revision, touched = await _news(self._plane, self._revision)
            if (self._kept is None or touched) and (self._kept is None or started >= self._rests_until):
                generation = self._kept.generation + 1 if self._kept else 1
                self._kept = await read(self._plane, generation)
                self._rests_until = time.monotonic() + REST * (time.monotonic() - started)
                self._revision = revision
            elif not touched:
                self._revision = revision
            self.away = False
        except PlaneError:
            self.away = True
            if self._kept is None:
                raise
        finally:
            self._checked = time.monotonic()


async def _news(plane: Plane, known: int) -> tuple[int, bool]:
    """(the plane's revision now, whether anything of the catalogue has changed since revision `known`)."""
    try:
        entries = await plane.every("/changes", **({"from": str(known)} if known >= 0 else {}))
    except PlaneRefused:  # the log does not reach back so far, or the plane has another past
        entries, known = await plane.every("/changes"), -1
    latest = max((int(each.get("revision") or 0) for each in entries), default=max(known, 0))
    ids = (str(change.get("id") or "") for each in entries for change in mappings(each.get("changes")))
    return latest, known < 0 or any(not ASIDE.fullmatch(id) for id in ids)


async def read(plane: Plane, generation: int) -> Catalogue:
    """All that is published, for whomever."""
    rows, sets, tagged, every = await asyncio.gather(
        plane.every("/products", expandGroups="true"),
        plane.every("/apiVersionSets"),
        plane.every("/apisByTags"),
        plane.every("/apis"),
    )
    published = sorted((one for one in map(Product.read, rows) if one.published), key=lambda one: one.name.casefold())
    gate = asyncio.Semaphore(AT_ONCE)

    async def apis_of(product: Product) -> list[Api]:
        async with gate:
            try:
                return [Api.read(one) for one in await plane.every(f"/products/{segment(product.id)}/apis")]
            except NotThere:  # deleted between the two calls
                return []

    apis: dict[str, Api] = {}
    holders: dict[str, list[Product]] = defaultdict(list)
    for product, members in zip(published, await asyncio.gather(*map(apis_of, published)), strict=True):
        for api in members:
            if api.current:
                apis[api.id] = api
                holders[api.id].append(product)
    schemes = {name_of(each).lower(): each for each in sets}
    tags = _tags(tagged)
    listed = sorted(
        (
            Listed(
                api,
                tuple(holders[id]),
                tuple(sorted(tags[id.lower()], key=str.casefold)),
                versioning_of(api, schemes.get(api.version_set.lower())),
            )
            for id, api in apis.items()
        ),
        key=lambda one: (one.api.name.casefold(), _natural(one.api.version)),
    )
    return Catalogue(tuple(listed), tuple(published), generation, Whole(every, sets))


def _tags(rows: Iterable[Resource]) -> dict[str, set[str]]:
    """Of each API, by its id."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        tag, api = row.get("tag"), row.get("api")
        if isinstance(tag, Mapping) and isinstance(api, Mapping):
            name = str(tag.get("name") or "")
            found[str(api.get("id") or "").rsplit("/", 1)[-1].lower()].add(name)
    return found


def versioning_of(api: Api, version_set: Resource | None) -> Versioning:
    if version_set is None or not api.version:
        return Versioning()
    properties = properties_of(version_set)
    scheme = str(properties.get("versioningScheme") or "")
    name = properties.get("versionQueryName") if scheme == "Query" else properties.get("versionHeaderName")
    return Versioning(scheme, str(name or ""))

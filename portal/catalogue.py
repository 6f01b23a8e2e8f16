"""What may be seen of the service: published products, the current APIs in them, their versions and tags.

A product is visible to the groups that it is assigned to, an API by the visible products that hold it, as in APIM.
Where it comes from is in `stock.py`, how it is kept in `keeper.py`. Pure.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from portal.model import Api, Product, Resource, properties_of
from portal.plane import NotThere
from portal.reach import Reach, Whole
from portal.samples.call import Versioning

MANY_TAGS, FEW_TAGS = 24, 12
VIEWS = 64  # sets of groups whose view is kept
GUESTS = frozenset({"guests"})


Order = list[tuple[int, int, str]]


@dataclass(frozen=True)
class Listed:
    """An API with the products that hold it, the names of its tags, and how its version is said."""

    api: Api
    products: tuple[Product, ...]
    tags: tuple[str, ...] = ()
    versioning: Versioning = field(default_factory=Versioning)

    @cached_property
    def order(self) -> tuple[Order, list[tuple[int, str]]]:
        """Where it stands in a list: by its name, then by its version."""
        return alphabetical(self.api.name), _natural(self.api.version)


@dataclass(frozen=True)
class Entry:
    """A line of the list: an API, or one version of it, with all its versions."""

    first: Listed
    versions: tuple[Listed, ...]


class Catalogue:
    """`apis` in order, `products` by display name, `entries` as lists show them; `reach` knows whom calls go to, of
    those that are seen and those that are not. `closed`: the service wants everybody to sign in before seeing anything.
    Nothing in it is changed after it was made."""

    def __init__(
        self,
        apis: tuple[Listed, ...] = (),
        products: tuple[Product, ...] = (),
        whole: Whole | None = None,
        editions: Mapping[str, int] | None = None,
        closed: bool = False,
    ) -> None:
        self.apis, self.products, self.closed = apis, products, closed
        self._whole, self._editions = whole or Whole([], []), editions or {}
        self.entries = tuple(_entries(apis))
        self._by_id = {one.api.id.lower(): one for one in apis}
        self._views: OrderedDict[frozenset[str], Catalogue] = OrderedDict()

    @cached_property
    def reach(self) -> Reach:
        return Reach(self._whole, (one.api.id for one in self.apis))

    @cached_property
    def tags(self) -> list[str]:
        return sorted(self._carried, key=alphabetical)

    @cached_property
    def common_tags(self) -> list[str]:
        """All tags; where there are very many, those that most APIs carry."""
        if len(self._carried) <= MANY_TAGS:
            return self.tags
        return sorted((tag for tag, _ in self._carried.most_common(FEW_TAGS)), key=alphabetical)

    @cached_property
    def _carried(self) -> Counter[str]:
        return Counter(tag for one in self.apis for tag in one.tags)

    @cached_property
    def _of_products(self) -> Mapping[str, list[Listed]]:
        found: dict[str, list[Listed]] = defaultdict(list)
        for listed in self.apis:
            for product in listed.products:
                found[product.id].append(listed)
        return found

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
        return self._of_products.get(product, [])

    def versions_of(self, listed: Listed) -> tuple[Listed, ...]:
        """All versions of the API, this one too; only it, where it has no versions."""
        if not listed.api.version_set:
            return (listed,)
        return tuple(
            sorted(
                (one for one in self.apis if one.api.version_set == listed.api.version_set),
                key=lambda one: one.order[1],
            )
        )

    def edition(self, api: str) -> int:
        """Another number whenever the API, or anything below it, has changed."""
        return self._editions.get(api.partition(";")[0].lower(), 0)

    @property
    def views(self) -> list[frozenset[str]]:
        """The sets of groups whose view was asked for; the latest comes last."""
        return list(self._views)

    def seen_by(self, groups: frozenset[str]) -> Catalogue:
        """What members of any of these groups see."""
        view = self._views.get(groups)
        if view is None:
            view = self._views[groups] = self._seen_by(groups)
            if len(self._views) > VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(groups)
        return view

    def _seen_by(self, groups: frozenset[str]) -> Catalogue:
        products = tuple(one for one in self.products if one.groups & groups)
        visible = {one.id for one in products}
        apis = (
            one if len(held) == len(one.products) else Listed(one.api, held, one.tags, one.versioning)
            for one in self.apis
            if (held := tuple(each for each in one.products if each.id in visible))
        )
        return Catalogue(tuple(apis), products, self._whole, self._editions, self.closed)


def _entries(apis: Iterable[Listed]) -> Iterator[Entry]:
    """Versions of one API are one entry, which stands where its newest one would."""
    sets: dict[str, list[Listed]] = defaultdict(list)
    for one in apis:
        sets[one.api.version_set or f"\n{one.api.id}"].append(one)
    done = []
    for members in sets.values():
        if len(members) > 1:
            members.sort(key=lambda one: one.order[1])
        done.append(Entry(members[-1], tuple(members)))
    yield from sorted(done, key=lambda one: one.first.order[0])


def alphabetical(name: str) -> Order:
    """As people look for names: in any case, and 10 comes after 9."""
    parts = re.findall(r"(\d{1,9})|(\D+)", name.casefold())
    return [(0, int(number), "") if number else (1, 0, text) for number, text in parts]


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


def versioning_of(api: Api, version_set: Resource | None) -> Versioning:
    if version_set is None or not api.version:
        return Versioning()
    properties = properties_of(version_set)
    scheme = str(properties.get("versioningScheme") or "")
    name = properties.get("versionQueryName") if scheme == "Query" else properties.get("versionHeaderName")
    return Versioning(scheme, str(name or ""))

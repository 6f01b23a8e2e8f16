"""What developers may see: products that are published, and the current APIs in them.

Visibility by user group is not decided here yet: whoever reaches the portal sees every published product.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from portal.model import Api, Operation, Product, properties_of
from portal.plane import NotThere, Plane, segment
from portal.samples import Versioning

AT_ONCE = 8  # calls to the plane in flight for one page


@dataclass(frozen=True)
class Listed:
    """An API with the published products that contain it."""

    api: Api
    products: tuple[Product, ...]


@dataclass(frozen=True)
class Catalogue:
    """Both by display name."""

    apis: tuple[Listed, ...]
    products: tuple[Product, ...]

    def find(self, api: str) -> Listed:
        """Raises NotThere for an API that is in no published product, whether it exists or not."""
        for listed in self.apis:
            if listed.api.id == api:
                return listed
        raise NotThere("No published product has this API.")

    def of_product(self, product: str) -> list[Api]:
        return [listed.api for listed in self.apis if any(one.id == product for one in listed.products)]


async def catalogue(plane: Plane) -> Catalogue:
    products = [Product.read(one) for one in await plane.every("/products")]
    published = sorted((one for one in products if one.published), key=lambda one: one.name.casefold())
    gate = asyncio.Semaphore(AT_ONCE)

    async def apis_of(product: Product) -> list[Api]:
        async with gate:
            try:
                return [Api.read(one) for one in await plane.every(f"/products/{segment(product.id)}/apis")]
            except NotThere:  # deleted between the two calls
                return []

    apis: dict[str, Api] = {}
    holders: dict[str, list[Product]] = {}
    for product, members in zip(published, await asyncio.gather(*map(apis_of, published)), strict=True):
        for api in members:
            if api.current:
                apis[api.id] = api
                holders.setdefault(api.id, []).append(product)
    listed = sorted(
        (Listed(api, tuple(holders[id])) for id, api in apis.items()), key=lambda one: one.api.name.casefold()
    )
    return Catalogue(tuple(listed), tuple(published))


async def operations(plane: Plane, api: Api) -> list[Operation]:
    return [Operation.read(one) for one in await plane.every(f"/apis/{segment(api.id)}/operations")]


async def versioning(plane: Plane, api: Api) -> Versioning:
    if not api.version_set or not api.version:
        return Versioning()
    try:
        properties = properties_of(await plane.get(f"/apiVersionSets/{segment(api.version_set)}"))
    except NotThere:
        return Versioning()
    scheme = str(properties.get("versioningScheme") or "")
    name = properties.get("versionQueryName") if scheme == "Query" else properties.get("versionHeaderName")
    return Versioning(scheme, str(name or ""))

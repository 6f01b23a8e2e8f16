"""What a page of one API needs beyond the catalogue: operations, schemas, change log, documents. Kept for some APIs,
until something of the API changes; while the plane is away, what was kept is shown."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from portal.model import Api, Operation, Release
from portal.plane import Plane, PlaneAway, PlaneRefused, segment

MOST, MOST_DOCUMENTS = 100, 20  # APIs
OPENAPI = "openapi+json-link"
# what an API may be downloaded as: name in addresses -> (format of the plane, ending, what people call it)
FORMATS = {
    "openapi-json": (OPENAPI, "json", "OpenAPI 3 (JSON)"),
    "openapi-yaml": ("openapi-link", "yaml", "OpenAPI 3 (YAML)"),
    "swagger": ("swagger-link", "json", "Swagger 2"),
    "wsdl": ("wsdl-link", "wsdl", "WSDL"),
    "wadl": ("wadl-link", "wadl", "WADL"),
    "graphql": ("graphql-link", "graphql", "GraphQL schema"),
}
ALWAYS = ("openapi-json", "openapi-yaml", "swagger")
# what only some APIs are to be had as: for those of these types the plane is asked
PERHAPS = {"wsdl": ("soap", "http"), "wadl": ("http",), "graphql": ("graphql",)}


@dataclass(frozen=True)
class Book:
    """`formats` are names of FORMATS."""

    operations: tuple[Operation, ...]
    releases: tuple[Release, ...]
    formats: tuple[str, ...]

    def operation(self, name: str) -> Operation | None:
        return next((one for one in self.operations if one.id.lower() == name.lower()), None)


OpenApi = Mapping[str, Any]
Read = TypeVar("Read")


def schemas_of(document: OpenApi) -> Mapping[str, Any]:
    components = document.get("components")
    found = components.get("schemas") if isinstance(components, Mapping) else None
    return found if isinstance(found, Mapping) else {}


class Shelf:
    """What is asked for is (what there is of an API in this edition, whether it is of another day since the plane is
    away). Raises PlaneError."""

    def __init__(self, plane: Plane) -> None:
        self._books = _Board(plane, read, MOST)
        self._documents = _Board(plane, _openapi, MOST_DOCUMENTS)

    async def book(self, api: Api, edition: int) -> tuple[Book, bool]:
        return await self._books.take(api, edition)

    async def openapi(self, api: Api, edition: int) -> tuple[OpenApi, bool]:
        """Its OpenAPI document; {} where it has none to speak of."""
        return await self._documents.take(api, edition)


class _Board(Generic[Read]):
    """Things of one kind, the last `most` that were taken."""

    def __init__(self, plane: Plane, read: Callable[[Plane, Api], Coroutine[Any, Any, Read]], most: int) -> None:
        self._plane, self._read, self._most = plane, read, most
        self._kept: OrderedDict[str, tuple[int, Read]] = OrderedDict()
        self._readings: dict[tuple[str, int], asyncio.Task[Read]] = {}

    async def take(self, api: Api, edition: int) -> tuple[Read, bool]:
        kept = self._kept.get(api.id)
        if kept is not None and kept[0] == edition:
            self._kept.move_to_end(api.id)
            return kept[1], False
        wanted = (api.id, edition)  # one that was begun before a change may have read what was before it
        reading = self._readings.get(wanted)
        if reading is None:
            reading = self._readings[wanted] = asyncio.create_task(self._read(self._plane, api))
            reading.add_done_callback(lambda _: self._readings.pop(wanted, None))
        try:
            found = await asyncio.shield(reading)
        except PlaneAway:
            if kept is None:
                raise
            return kept[1], True
        self._kept[api.id] = edition, found
        self._kept.move_to_end(api.id)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found, False


async def read(plane: Plane, api: Api) -> Book:
    path = f"/apis/{segment(api.id)}"

    async def possible(name: str) -> bool:
        try:
            await plane.get(path, export="true", format=FORMATS[name][0])
        except PlaneRefused:
            return False
        return True

    kept = [name for name, types in PERHAPS.items() if api.type in types]
    operations, releases, *found = await asyncio.gather(
        plane.every(f"{path}/operations"), plane.every(f"{path}/releases"), *map(possible, kept)
    )
    # a GraphQL API has one address and no operations; a document of those would say nothing
    formats = [] if api.type in ("graphql", "websocket") else list(ALWAYS)
    return Book(
        tuple(map(Operation.read, operations)),
        tuple(sorted(map(Release.read, releases), key=lambda one: one.on, reverse=True)),
        (*formats, *(name for name, there in zip(kept, found, strict=True) if there)),
    )


async def _openapi(plane: Plane, api: Api) -> OpenApi:
    try:
        _, text = await plane.document(f"/apis/{segment(api.id)}", OPENAPI)
        document = json.loads(text)
    except (PlaneRefused, ValueError):
        return {}
    return document if isinstance(document, dict) else {}

"""Every gateway with its agents and sidecars, as the plane last heard of them; what is stale or gone comes first."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from portal import instances
from portal.instances import Instance
from portal.model import Resource, mappings, name_of, properties_of
from portal.page import PLANE, SETTINGS, SIZE, Pages, number_of, page, see
from portal.pages.console import signed_in, told
from portal.plane import NotThere, Plane, segment
from portal.session import Session

routes = web.RouteTableDef()

AT_ONCE = 8  # calls to the plane in flight for one page


@dataclass(frozen=True)
class Gateway:
    name: str
    description: str
    instances: tuple[Instance, ...]

    @property
    def sidecars(self) -> int:
        return sum(len(one.sidecars) for one in self.instances if not one.silent)

    @property
    def state(self) -> str:
        """new: nobody has reported; then silent, troubled, or well."""
        if not self.instances:
            return "new"
        if all(one.silent for one in self.instances):
            return "silent"
        return "well" if all(one.well for one in self.instances) else "troubled"


@routes.get("/console")
@signed_in
async def gateways(request: web.Request, current: Session) -> web.Response:
    plane = request.app[PLANE]
    number = number_of(request)
    (rows, count), (_, apis) = await asyncio.gather(plane.page("/gateways", number, SIZE), plane.page("/apis", 1, 1))
    shown = await asyncio.gather(*_looks(plane, rows))
    return page(
        request,
        "console/gateways.html",
        session=current,
        gateways=shown,
        pages=Pages(number, count),
        empty=apis == 0,
        addresses=request.app[SETTINGS].gateways,
        alarms=[
            (gateway.name, one.id, alarm) for gateway in shown for one in gateway.instances for alarm in one.alarms
        ],
    )


@routes.post("/console/gateways/{gateway}/accept")
@signed_in
async def accept(request: web.Request, current: Session) -> web.Response:
    """What the gateway's agents refuse since it is so much smaller is meant."""
    gateway = request.match_info["gateway"]
    await request.app[PLANE].post(f"/gateways/{segment(gateway)}/acceptConfiguration")
    return see(
        request, "/console", "good", f"The agents of {gateway} take the smaller configuration with their next look."
    )


@routes.get("/console/live")
@signed_in
async def live(request: web.Request, current: Session) -> web.Response:
    """`{"holding": 1, "sidecars": 2}`: how many of those that are heard of hold `revision`, or a later one."""
    text = request.query.get("revision", "")
    revision = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    plane = request.app[PLANE]
    rows, _ = await plane.page("/gateways", 1, SIZE)
    cars = [
        car
        for gateway in await asyncio.gather(*_looks(plane, rows))
        for one in gateway.instances
        if not one.silent
        for car in one.sidecars
        if car.connected
    ]
    holding = sum(car.cursor.isdecimal() and int(car.cursor) >= revision for car in cars)
    return told({"holding": holding, "sidecars": len(cars)})


def _looks(plane: Plane, rows: Sequence[Resource]) -> list[asyncio.Task[Gateway]]:
    gate, now = asyncio.Semaphore(AT_ONCE), datetime.datetime.now(datetime.UTC)

    async def look(resource: Resource) -> Gateway:
        name = name_of(resource)
        async with gate:
            try:
                heard = mappings((await plane.get(f"/gateways/{segment(name)}/instances")).get("value"))
            except NotThere:  # deleted between the two calls
                heard = []
        description = str(properties_of(resource).get("description") or "")
        return Gateway(name, description, tuple(instances.read(one, now) for one in heard))

    return [asyncio.ensure_future(look(each)) for each in rows]

"""The log of changes: who, when, what, as a readable diff; and the way back."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from portal import differences
from portal.instances import ago
from portal.model import mappings
from portal.page import PLANE, Pages, number_of, page, see
from portal.pages.console import signed_in
from portal.plane import LONG, PlaneRefused
from portal.session import Session

routes = web.RouteTableDef()

SIZE = 40  # revisions of a page
SHOWN = 20  # resources of a page, with their diffs
VIEWS = ("unified", "side")


@dataclass(frozen=True)
class Revision:
    """`when` is words for people, `time` the moment; `restored` is the revision that it went back to, "" for none."""

    number: int
    time: str
    when: str
    author: str
    client: str
    restored: str
    stored: int
    deleted: int
    resources: tuple[tuple[str, str], ...]

    @property
    def more(self) -> int:
        """How many changed beside those that are named."""
        return self.stored + self.deleted - len(self.resources)

    @classmethod
    def read(cls, told: dict[str, Any], now: datetime.datetime) -> Revision:
        moment = str(told.get("time") or "")
        try:
            when = ago((now - datetime.datetime.fromisoformat(moment)).total_seconds())
        except (ValueError, TypeError):
            when = ""
        return cls(
            number=_count(told.get("revision")),
            time=moment[:19].replace("T", " "),
            when=when,
            author="not recorded" if told.get("author") is None else str(told["author"]) or "the plane",
            client=str(told.get("client") or ""),
            restored=str(told["restored"]) if told.get("restored") is not None else "",
            stored=_count(told.get("stored")),
            deleted=_count(told.get("deleted")),
            resources=tuple(
                (str(each.get("operation") or ""), str(each.get("id") or ""))
                for each in mappings(told.get("resources"))
            ),
        )


@routes.get("/console/revisions")
@signed_in
async def listed(request: web.Request, current: Session) -> web.Response:
    number, now = number_of(request), datetime.datetime.now(datetime.UTC)
    rows, count = await request.app[PLANE].page("/revisions", number, SIZE)
    newest = await _newest(request) if number > 1 else rows
    return page(
        request,
        "console/revisions.html",
        session=current,
        revisions=[Revision.read(each, now) for each in rows],
        newest=_count(newest[0].get("revision")) if newest else 0,
        pages=Pages(number, count, size=SIZE),
    )


@routes.get("/console/revisions/{revision:[0-9]{1,9}}")
@signed_in
async def single(request: web.Request, current: Session) -> web.Response:
    plane, wanted = request.app[PLANE], int(request.match_info["revision"])
    number, now = number_of(request), datetime.datetime.now(datetime.UTC)
    about = await plane.get(f"/revisions/{wanted}")
    newest, (rows, count) = await asyncio.gather(
        _newest(request),
        plane.page("/differences", number, SHOWN, **{"from": str(max(0, wanted - 1)), "to": str(wanted)}),
    )
    return page(
        request,
        "console/revision.html",
        session=current,
        revision=Revision.read(about, now),
        newest=_count(newest[0].get("revision")) if newest else wanted,
        changes=await asyncio.to_thread(_read, rows),
        view=_view(request),
        pages=Pages(number, count, size=SHOWN, more=f"view={_view(request)}"),
    )


@routes.get("/console/revisions/{revision:[0-9]{1,9}}/rollback")
@signed_in
async def ask(request: web.Request, current: Session) -> web.Response:
    """What going back would do, and the button that does it."""
    return await _ask(request, current)


@routes.post("/console/revisions/{revision:[0-9]{1,9}}/rollback")
@signed_in
async def roll_back(request: web.Request, current: Session) -> web.Response:
    """Only from the very state that the operator has seen."""
    target, seen = int(request.match_info["revision"]), str((await request.post()).get("newest", ""))
    newest = await _newest(request)
    now = _count(newest[0].get("revision")) if newest else 0
    if seen != str(now):
        words = f"Meanwhile there is revision {now}: look again at what going back would do, and confirm once more."
        return await _ask(request, current, words)
    try:
        done = await request.app[PLANE].post("/rollback", {"revision": target}, timeout=LONG)
    except PlaneRefused as refused:
        return await _ask(request, current, str(refused))
    made, restored = _count(done.get("revision")), _count(done.get("restored"))
    words = f"Everything is as it was after revision {target}: {restored} resources went back, as revision {made}."
    return see(request, f"/console/revisions/{made}", "good", words)


async def _ask(request: web.Request, current: Session, refused: str = "") -> web.Response:
    plane, target, number = request.app[PLANE], int(request.match_info["revision"]), number_of(request)
    newest = await _newest(request)
    now = _count(newest[0].get("revision")) if newest else 0
    rows: list[dict[str, Any]] = []
    count, impossible = 0, ""
    if target >= now:
        impossible = f"Revision {now} is the newest: there is nothing to go back from."
    else:
        try:
            query = {"from": str(now), "to": str(target)}
            rows, count = await plane.page("/differences", number, SHOWN, **query)
        except PlaneRefused as error:
            impossible = str(error)
    return page(
        request,
        "console/rollback.html",
        session=current,
        target=target,
        newest=now,
        changes=await asyncio.to_thread(_read, rows),
        impossible=impossible,
        refused=refused,
        view=_view(request),
        pages=Pages(number, count, size=SHOWN, more=f"view={_view(request)}"),
        status=409 if refused else 400 if impossible else 200,
    )


async def _newest(request: web.Request) -> list[dict[str, Any]]:
    rows, _ = await request.app[PLANE].page("/revisions", 1, 1)
    return rows


def _read(rows: list[dict[str, Any]]) -> list[differences.Difference]:
    return [differences.read(each) for each in rows]


def _view(request: web.Request) -> str:
    return "side" if request.query.get("view") == "side" else "unified"


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0

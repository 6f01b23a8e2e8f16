"""Who a visitor is, and what of the service that visitor sees.

A user is asked for at the plane once a second at most, so who is blocked, or has another password since, is out within
`FRESH`; while the plane is away, a user is who it was.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from urllib.parse import quote

from aiohttp import web

from portal import session
from portal.catalogue import GUESTS, Catalogue
from portal.keeper import Catalogues
from portal.model import Resource, mappings, name_of, properties_of
from portal.page import ENDED, PLANE, STALE, VISIT, VISITOR
from portal.plane import NotThere, Plane, PlaneAway, segment
from portal.shelf import Shelf

FRESH = 1.0  # seconds
PATIENCE = 2.0  # seconds; a plane that says nothing for so long is away
KNOWN = 5_000  # users
CATALOGUES: web.AppKey[Catalogues] = web.AppKey("catalogues", Catalogues)
SHELF: web.AppKey[Shelf] = web.AppKey("shelf", Shelf)
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1000}")  # printable, no backslash, no other host


class Users:
    """Active users by name, as the plane showed them last."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._kept: OrderedDict[str, tuple[float, Resource | None]] = OrderedDict()

    async def find(self, name: str) -> Resource | None:
        """None for who is not there, or not active, or never heard of while the plane is away."""
        asked, kept = self._kept.get(name, (-FRESH, None))
        if time.monotonic() - asked < FRESH:
            return kept
        try:
            async with asyncio.timeout(PATIENCE):
                user: Resource | None = await self._plane.get(f"/users/{segment(name)}", expandSessionStamp="true")
        except NotThere:
            user = None
        except (PlaneAway, TimeoutError):
            user = kept
        if user is not None and properties_of(user).get("state") != "active":
            user = None
        self._kept[name] = time.monotonic(), user
        self._kept.move_to_end(name)
        if len(self._kept) > KNOWN:
            self._kept.popitem(last=False)
        return user

    def forget(self, name: str) -> None:
        """It has just been changed."""
        self._kept.pop(name, None)


USERS: web.AppKey[Users] = web.AppKey("users", Users)


async def recognise(request: web.Request) -> None:
    """Note who is signed in; a user who is gone, blocked, or has another password since is nobody."""
    cookie = request.cookies.get(session.VISIT, "")
    if not cookie:
        return
    visit = session.read_visit(cookie, request.app[PLANE].token())
    if visit is None or visit in request.app[ENDED]:
        return
    user = await request.app[USERS].find(visit.user)
    if user is not None and stamp_of(user) == visit.stamp:
        request[VISITOR], request[VISIT] = user, visit


def stamp_of(user: Resource) -> str:
    """What sessions of the user that begin now carry."""
    return str(properties_of(user).get("sessionStamp") or "")


def groups_of(request: web.Request) -> frozenset[str]:
    user: Resource | None = request.get(VISITOR)
    if user is None:
        return GUESTS
    return frozenset(name_of(each).lower() for each in mappings(properties_of(user).get("groups")))


async def seen(request: web.Request) -> Catalogue:
    """What this visitor sees."""
    catalogues = request.app[CATALOGUES]
    known = await catalogues.current()
    if catalogues.away:
        request[STALE] = True
    return known.seen_by(groups_of(request))


def visitor(request: web.Request) -> Resource:
    """The user who is signed in; anybody else is sent to sign in, and comes back."""
    user: Resource | None = request.get(VISITOR)
    if user is None:
        back = request.path_qs if request.method == "GET" else "/profile"
        raise web.HTTPSeeOther(f"/sign-in?back={quote(back, safe='')}")
    return user


def own(request: web.Request) -> str:
    """The path of the user who is signed in, at the plane."""
    return f"/users/{segment(name_of(visitor(request)))}"


def local(path: str, default: str = "/") -> str:
    """A path of this portal that somebody may be sent to; `default` for anything else."""
    return path if _LOCAL.fullmatch(path) else default

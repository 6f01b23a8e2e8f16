"""Pages for a user who is signed in: the link that signs in, and what is the user's own."""

from __future__ import annotations

from aiohttp import web

from portal import session
from portal.model import display_name, mappings, name_of, properties_of
from portal.page import ENDED, PLANE, VISIT, VISITOR, is_secure, page, see
from portal.plane import NotThere, PlaneRefused, segment

routes = web.RouteTableDef()

LONGEST_TOKEN = 1000


@routes.get("/signin-sso")
async def sign_in(request: web.Request) -> web.Response:
    """The link that the plane's generateSsoUrl gives. It is good once."""
    plane = request.app[PLANE]
    try:
        found = await plane.post("/redeemSsoToken", {"token": request.query.get("token", "")[:LONGEST_TOKEN]})
    except PlaneRefused:
        raise web.HTTPForbidden(text="This link has been used or is too old. Ask for a new one.") from None
    user = str(found.get("userId") or "").rsplit("/", 1)[-1]
    if not user:
        raise NotThere("The plane does not say who this is.")
    response = web.Response(status=303, headers={"Location": "/profile"})
    session.set_visit(response, session.begin_visit(plane.token(), user), secure=is_secure(request))
    return response


@routes.get("/profile")
async def profile(request: web.Request) -> web.Response:
    visitor = request.get(VISITOR)
    if visitor is None:
        raise web.HTTPForbidden(text="Nobody is signed in. The link to sign in comes from whoever runs this service.")
    own = f"/users/{segment(name_of(visitor))}"
    plane = request.app[PLANE]
    groups = [display_name(each) for each in await plane.every(f"{own}/groups")]
    subscriptions = [
        (display_name(each), str(properties_of(each).get("state") or ""))
        for each in mappings(await plane.every(f"{own}/subscriptions"))
    ]
    email = str(properties_of(visitor).get("email") or "")
    return page(request, "profile.html", email=email, groups=groups, subscriptions=subscriptions)


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    if (visit := request.get(VISIT)) is not None:
        request.app[ENDED].add(visit)
    response = see(request, "/", "good", "You are signed out.")
    session.clear_visit(response)
    return response

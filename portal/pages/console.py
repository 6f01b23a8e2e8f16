"""Pages for the operator, behind a sign-in with the plane's admin token; all of it goes through the plane's API."""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from portal import instances, session
from portal.model import Api, Operation, Product, Resource, display_name, mappings, name_of, properties_of
from portal.page import PLANE, SIZE, Pages, number_of, page
from portal.plane import NotThere, Plane, segment
from portal.session import Session

routes = web.RouteTableDef()

WRONG_TOKEN_WAIT = 0.5  # seconds

_SCOPE = re.compile(r"(?:/products/[^/]+|/apis/[^/]+(?:/operations/[^/]+)?)?")
_KEYS = {"primary": "regeneratePrimaryKey", "secondary": "regenerateSecondaryKey"}

Page = Callable[[web.Request, Session], Awaitable[web.Response]]


def signed_in(handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Only for the operator; a form must carry its session's token."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        current = session.read(request.cookies.get(session.COOKIE, ""), request.app[PLANE].token())
        if current is None:
            raise web.HTTPSeeOther("/console/sign-in")
        if request.method == "POST" and not session.same(str((await request.post()).get("csrf", "")), current.csrf):
            raise web.HTTPForbidden(text="The form is too old. Go back, load the page again, and repeat.")
        return await handler(request, current)

    return guarded


@routes.get("/console/sign-in")
async def sign_in_form(request: web.Request) -> web.Response:
    return page(request, "console/sign_in.html", wrong=False)


@routes.post("/console/sign-in")
async def sign_in(request: web.Request) -> web.StreamResponse:
    token = request.app[PLANE].token()
    if not session.same(str((await request.post()).get("token", "")).strip(), token):
        await asyncio.sleep(WRONG_TOKEN_WAIT)
        return page(request, "console/sign_in.html", wrong=True, status=403)
    response = web.Response(status=303, headers={"Location": "/console"})
    session.set_cookie(response, session.begin(token), secure=request.secure)
    return response


@routes.post("/console/sign-out")
@signed_in
async def sign_out(request: web.Request, current: Session) -> web.Response:
    response = web.Response(status=303, headers={"Location": "/"})
    session.clear_cookie(response)
    return response


@routes.get("/console")
@signed_in
async def gateways(request: web.Request, current: Session) -> web.Response:
    plane = request.app[PLANE]
    now = datetime.datetime.now(datetime.UTC)
    shown = []
    for gateway in await plane.every("/gateways"):
        heard = mappings((await plane.get(f"/gateways/{segment(name_of(gateway))}/instances")).get("value"))
        description = str(properties_of(gateway).get("description") or "")
        shown.append((name_of(gateway), description, [instances.read(one, now) for one in heard]))
    return page(request, "console/gateways.html", session=current, gateways=shown)


@routes.post("/console/gateways/{gateway}/accept")
@signed_in
async def accept(request: web.Request, current: Session) -> web.Response:
    """What the gateway's agents refuse since it is so much smaller is meant."""
    gateway = segment(request.match_info["gateway"])
    await request.app[PLANE].post(f"/gateways/{gateway}/acceptConfiguration")
    return web.Response(status=303, headers={"Location": "/console"})


@routes.get("/console/apis")
@signed_in
async def apis(request: web.Request, current: Session) -> web.Response:
    rows, pages = await _rows(request, "/apis")
    return page(request, "console/apis.html", session=current, apis=list(map(Api.read, rows)), pages=pages)


@routes.get("/console/apis/{api}")
@signed_in
async def api(request: web.Request, current: Session) -> web.Response:
    path = f"/apis/{segment(request.match_info['api'])}"
    shown = Api.read(await request.app[PLANE].get(path))
    rows, pages = await _rows(request, f"{path}/operations")
    operations = list(map(Operation.read, rows))
    return page(request, "console/api.html", session=current, api=shown, operations=operations, pages=pages)


@routes.get("/console/products")
@signed_in
async def products(request: web.Request, current: Session) -> web.Response:
    rows, pages = await _rows(request, "/products")
    shown = list(map(Product.read, rows))
    return page(request, "console/products.html", session=current, products=shown, pages=pages)


@routes.get("/console/subscriptions")
@signed_in
async def subscriptions(request: web.Request, current: Session) -> web.Response:
    rows, pages = await _rows(request, "/subscriptions")
    return page(
        request,
        "console/subscriptions.html",
        session=current,
        subscriptions=[
            (name_of(one), display_name(one), _scope_of(one), properties_of(one).get("state")) for one in rows
        ],
        pages=pages,
    )


@routes.get("/console/subscriptions/{subscription}")
@signed_in
async def subscription(request: web.Request, current: Session) -> web.Response:
    return await _subscription(request, current, show=False)


@routes.post("/console/subscriptions/{subscription}/keys")
@signed_in
async def show_keys(request: web.Request, current: Session) -> web.Response:
    return await _subscription(request, current, show=True)


@routes.post("/console/subscriptions/{subscription}/regenerate")
@signed_in
async def regenerate(request: web.Request, current: Session) -> web.Response:
    action = _KEYS.get(str((await request.post()).get("key", "")))
    if action is None:
        raise web.HTTPBadRequest(text="The key is either primary or secondary.")
    await request.app[PLANE].post(f"{_path(request)}/{action}")
    return await _subscription(request, current, show=True)


@routes.get("/console/policy")
@signed_in
async def policy(request: web.Request, current: Session) -> web.Response:
    scope = request.query.get("scope", "")
    if not _SCOPE.fullmatch(scope):
        raise web.HTTPBadRequest(text="A scope is empty, /products/…, /apis/… or /apis/…/operations/….")
    return page(
        request,
        "console/policy.html",
        session=current,
        scope=scope,
        lines=await _policy(request.app[PLANE], "/".join(map(segment, scope.split("/")))),
    )


async def _policy(plane: Plane, scope: str) -> list[str] | None:
    try:
        answer = await plane.get(f"{scope}/policies/policy", format="rawxml")
    except NotThere:
        return None
    return str(properties_of(answer).get("value") or "").splitlines()


async def _subscription(request: web.Request, current: Session, *, show: bool) -> web.Response:
    plane, path = request.app[PLANE], _path(request)
    resource = await plane.get(path)
    return page(
        request,
        "console/subscription.html",
        session=current,
        id=name_of(resource),
        name=display_name(resource),
        scope=_scope_of(resource),
        state=properties_of(resource).get("state") or "",
        keys=await plane.post(f"{path}/listSecrets") if show else None,
    )


async def _rows(request: web.Request, path: str) -> tuple[list[dict[str, object]], Pages]:
    number = number_of(request)
    rows, count = await request.app[PLANE].page(path, number, SIZE)
    return rows, Pages(number, count)


def _path(request: web.Request) -> str:
    return f"/subscriptions/{segment(request.match_info['subscription'])}"


def _scope_of(resource: Resource) -> str:
    """The scope of a subscription below the service; "/" for all of it."""
    scope = str(properties_of(resource).get("scope") or "")
    below = re.split(r"/service/[^/]+", scope, maxsplit=1, flags=re.IGNORECASE)[-1]
    return below or "/"

"""The operator's door and lists, behind a sign-in with the plane's admin token; all of it goes through the plane's API.

The other pages of the console are in files of their own: `gateways`, `activity`, `documents` (policies), `revisions`,
`debugger` and `first` (what an empty plane needs).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import web
from aiohttp.web_request import FileField

from portal import session
from portal.limits import Limit, client
from portal.model import Api, Operation, Product, Resource, display_name, name_of, properties_of
from portal.page import ENDED, PLANE, SIZE, Pages, is_secure, number_of, page, sure
from portal.plane import AUTHOR, segment
from portal.session import Session

routes = web.RouteTableDef()

WRONG_TOKEN_WAIT = 0.5  # seconds
GUESSES: web.AppKey[Limit] = web.AppKey("wrong tokens", Limit)
OPERATOR = "passerelle-operator"  # the cookie with the name that the operator gave; a remark, it opens nothing
LONGEST_NAME = 60
LONGEST_SEARCH = 100

_KEYS = {"primary": "regeneratePrimaryKey", "secondary": "regenerateSecondaryKey"}

Page = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def limit() -> Limit:
    """20 wrong tokens in five minutes; after that not even the right one is compared."""
    return Limit(20, 300.0)


def signed_in(handler: Page) -> Handler:
    """Only for the operator; a form must carry its session's token."""
    return _guarded(handler, 0)


def taking(largest: int) -> Callable[[Page], Handler]:
    """The same, for a form of up to `largest` bytes: no more than the session is looked at before that."""
    return lambda handler: _guarded(handler, largest)


def _guarded(handler: Page, largest: int) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        current = session.read(request.cookies.get(session.COOKIE, ""), request.app[PLANE].token())
        if current is None or current in request.app[ENDED]:
            if wants_json(request):
                return told(
                    {"error": "Your session has ended. Sign in again in another tab; your text stays here."}, 401
                )
            wanted = request.rel_url.raw_path_qs if request.method == "GET" and request.path != "/console" else ""
            raise web.HTTPSeeOther(f"/console/sign-in?next={quote(wanted, safe='')}" if wanted else "/console/sign-in")
        AUTHOR.set(operator_of(request))
        if request.method != "POST":
            return await handler(request, current)
        if largest:
            request = request.clone(client_max_size=largest)
        form = await request.post()
        try:
            given = request.headers.get("X-Csrf-Token") or str(form.get("csrf", ""))
            if not session.same(given, current.csrf):
                raise web.HTTPForbidden(text="The form is too old. Go back, load the page again, and repeat.")
            return await handler(request, current)
        finally:
            for each in form.values():
                if isinstance(each, FileField):
                    each.file.close()

    return guarded


def wants_json(request: web.Request) -> bool:
    """Is it a script of ours that asks?"""
    return request.headers.get("Accept") == "application/json"


def told(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


def operator_of(request: web.Request) -> str:
    """The name that the operator gave; "" for none."""
    name = unquote(request.cookies.get(OPERATOR, ""))[:LONGEST_NAME]
    return "".join(each for each in name if each.isprintable()).strip()


@routes.get("/console/sign-in")
async def sign_in_form(request: web.Request) -> web.Response:
    return _sign_in(request, wrong=False)


@routes.post("/console/sign-in")
async def sign_in(request: web.Request) -> web.StreamResponse:
    token, form = request.app[PLANE].token(), await request.post()
    request.app[GUESSES].check(request)
    if not session.same(str(form.get("token", "")).strip(), token):
        request.app[GUESSES].note(client(request))
        await asyncio.sleep(WRONG_TOKEN_WAIT)
        return _sign_in(request, wrong=True)
    response = web.Response(status=303, headers={"Location": _next(str(form.get("next", "")))})
    session.set_cookie(response, session.begin(token), secure=is_secure(request))
    name = quote(str(form.get("name", "")).strip()[:LONGEST_NAME], safe="")
    response.set_cookie(
        OPERATOR, name, max_age=session.LIFETIME, path="/console", httponly=True, samesite="Strict",
        secure=is_secure(request),
    )  # fmt: skip
    return response


def _sign_in(request: web.Request, *, wrong: bool) -> web.Response:
    wanted = _next(request.query.get("next", ""))
    return page(
        request, "console/sign_in.html", wrong=wrong, status=403 if wrong else 200, wanted=wanted,
        name=operator_of(request),
    )  # fmt: skip


def _next(wanted: str) -> str:
    """Where to go after the sign-in: a page of the console, whatever was asked for."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and "//" not in wanted.partition("?")[0]
    return wanted if plain and re.match(r"/console(?:[/?]|$)", wanted) else "/console"


@routes.post("/console/sign-out")
@signed_in
async def sign_out(request: web.Request, current: Session) -> web.Response:
    request.app[ENDED].add(current)
    response = web.Response(status=303, headers={"Location": "/console/sign-in"})
    session.clear_cookie(response)
    response.del_cookie(OPERATOR, path="/console")
    return response


@routes.get("/console/apis")
@signed_in
async def apis(request: web.Request, current: Session) -> web.Response:
    search = request.query.get("q", "").strip()[:LONGEST_SEARCH]
    text = search.replace("'", "''")
    rows, pages = await _rows(
        request, "/apis", search, **({"$filter": f"contains(displayName,'{text}')"} if text else {})
    )
    return page(
        request, "console/apis.html", session=current, apis=list(map(Api.read, rows)), pages=pages, search=search
    )


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


@routes.get("/console/subscriptions/{subscription}/regenerate")
@signed_in
async def ask_to_regenerate(request: web.Request, current: Session) -> web.Response:
    return await _sure_to_regenerate(request, current, request.query.get("key", ""))


@routes.post("/console/subscriptions/{subscription}/regenerate")
@signed_in
async def regenerate(request: web.Request, current: Session) -> web.Response:
    form = await request.post()
    action = _KEYS.get(key := str(form.get("key", "")))
    if action is None or form.get("sure") != "yes":
        return await _sure_to_regenerate(request, current, key)
    await request.app[PLANE].post(f"{_path(request)}/{action}")
    return await _subscription(request, current, show=True)


async def _sure_to_regenerate(request: web.Request, current: Session, key: str) -> web.Response:
    if key not in _KEYS:
        raise web.HTTPBadRequest(text="The key is either primary or secondary.")
    resource = await request.app[PLANE].get(_path(request))
    words = f"The gateways refuse the {key} key that {display_name(resource)} has now as soon as they hear of it."
    back = f"/console/subscriptions/{segment(name_of(resource))}"
    return sure(request, f"A new {key} key?", words, f"Make a new {key} key", back, {"key": key}, session=current)


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


async def _rows(
    request: web.Request, path: str, search: str = "", **query: str
) -> tuple[list[dict[str, object]], Pages]:
    number = number_of(request)
    rows, count = await request.app[PLANE].page(path, number, SIZE, **query)
    return rows, Pages(number, count, search)


def _path(request: web.Request) -> str:
    return f"/subscriptions/{segment(request.match_info['subscription'])}"


def _scope_of(resource: Resource) -> str:
    """The scope of a subscription below the service; "/" for all of it."""
    scope = str(properties_of(resource).get("scope") or "")
    below = re.split(r"/service/[^/]+", scope, maxsplit=1, flags=re.IGNORECASE)[-1]
    return below or "/"

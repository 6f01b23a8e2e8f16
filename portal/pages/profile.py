"""What is a visitor's own: the account, subscriptions with their keys, and what was used.

Rules
1. Every subscription that is named in a path is asked for at the plane and belongs to the visitor, or is not there.
2. Keys are shown when they are asked for with a form, never in a page that is only looked at.
3. A new password needs the old one, where there is one.
"""

from __future__ import annotations

import datetime
import secrets

from aiohttp import web

from portal import delegation, session, usage
from portal.limits import Limit
from portal.model import Subscription, mappings, name_of, properties_of
from portal.page import ENDED, PLANE, VISIT, is_secure, onward, page, see, sure
from portal.pages.accounts import ATTEMPTS, begin
from portal.plane import NotThere, PlaneRefused, segment
from portal.visits import USERS, own, seen, visitor

routes = web.RouteTableDef()

LONGEST_NAME = 100
PROFILE = "/profile"
KEYS = {"primary": "regeneratePrimaryKey", "secondary": "regenerateSecondaryKey"}
LIVING = ("active", "submitted", "suspended")
ENOUGH = "You have as many subscriptions of this product as one person may have. Use one of them, or cancel one first."
NEW: web.AppKey[Limit] = web.AppKey("new subscriptions", Limit)


def limit() -> Limit:
    """30 new subscriptions in an hour."""
    return Limit(30, 3600.0)


@routes.get(PROFILE)
async def profile(request: web.Request) -> web.Response:
    return await _profile(request)


@routes.post(f"{PROFILE}/name")
async def rename(request: web.Request) -> web.Response:
    form, path = await request.post(), own(request)
    names = {name: str(form.get(name, "")).strip()[:LONGEST_NAME] for name in ("firstName", "lastName")}
    if not all(names.values()):
        return see(request, PROFILE, "bad", "A name has a first and a last part.")
    await request.app[PLANE].patch(path, names)
    return _changed(request, "Your name is changed.")


@routes.post(f"{PROFILE}/password")
async def change_password(request: web.Request) -> web.Response:
    form, user = await request.post(), visitor(request)
    request.app[ATTEMPTS].take(request)
    old, new = (str(form.get(name, ""))[:300] for name in ("old", "new"))
    try:
        await request.app[PLANE].post("/changePassword", {"userId": name_of(user), "password": old, "newPassword": new})
    except PlaneRefused as refused:
        return see(request, PROFILE, "bad", str(refused))
    if (visit := request.get(VISIT)) is not None:
        request.app[ENDED].add(visit)
    response = await begin(request, name_of(user), PROFILE)
    words = "Your password is changed; wherever else you were signed in, you are signed out."
    session.set_flash(response, request.app[PLANE].token(), "good", words, secure=is_secure(request))
    return response


@routes.post(f"{PROFILE}/close")
async def close(request: web.Request) -> web.Response:
    """The account goes, and its subscriptions with it."""
    if (await request.post()).get("sure") != "yes":
        return see(request, PROFILE, "bad", "Say that you are sure.")
    user = visitor(request)
    await request.app[PLANE].delete(own(request), deleteSubscriptions="true")
    request.app[USERS].forget(name_of(user))
    response = see(request, "/", "good", "Your account is closed.")
    session.clear_visit(response)
    return response


@routes.post("/products/{product}/subscribe")
async def subscribe(request: web.Request) -> web.StreamResponse:
    user = visitor(request)
    product = (await seen(request)).product(request.match_info["product"])
    form, here = await request.post(), f"/products/{segment(product.id)}"
    name = str(form.get("name", "")).strip()[:LONGEST_NAME] or product.name[:LONGEST_NAME]
    if not product.subscription_required:
        return see(request, here, "info", "This product is open: no key is needed.")
    if target := await delegation.subscribe(request, product.id):
        return onward(request, target)
    if product.terms and form.get("consent") != "yes":
        return see(request, here, "bad", "Without consent to the terms there is no subscription.")
    request.app[NEW].take(request)
    id = secrets.token_hex(12)
    try:
        made = await request.app[PLANE].put(
            f"/subscriptions/{id}",
            {"displayName": name, "scope": f"/products/{product.id}", "ownerId": f"/users/{name_of(user)}"},
        )
    except PlaneRefused as refused:
        words = ENOUGH if "ubscriptions limit" in str(refused) else str(refused)
        return see(request, here, "bad", words)
    waits = Subscription.read(made).state == "submitted"
    words = f"{name} waits for approval." if waits else f"{name} is active. Show its keys and make a first call."
    return see(request, f"{PROFILE}#{id}", "good", words)


@routes.post(f"{PROFILE}/subscriptions/{{subscription}}/keys")
async def keys(request: web.Request) -> web.Response:
    """As a page, or as JSON for scripts of ours."""
    one = await mine(request)
    found = await request.app[PLANE].post(f"/subscriptions/{segment(one.id)}/listSecrets")
    shown = {name: str(found.get(name) or "") for name in ("primaryKey", "secondaryKey")}
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response(shown)
    return await _profile(request, one.id, shown)


@routes.get(f"{PROFILE}/subscriptions/{{subscription}}/regenerate")
async def ask_to_regenerate(request: web.Request) -> web.Response:
    return _sure_to_regenerate(request, await mine(request), request.query.get("key", ""))


@routes.post(f"{PROFILE}/subscriptions/{{subscription}}/regenerate")
async def regenerate(request: web.Request) -> web.Response:
    one, form = await mine(request), await request.post()
    which = str(form.get("key", ""))
    if which not in KEYS or form.get("sure") != "yes":
        return _sure_to_regenerate(request, one, which)
    await request.app[PLANE].post(f"/subscriptions/{segment(one.id)}/{KEYS[which]}")
    words = f"{one.name} has a new {which} key; the old one ends within seconds."
    return see(request, f"{PROFILE}#{one.id}", "good", words)


@routes.post(f"{PROFILE}/subscriptions/{{subscription}}/rename")
async def rename_subscription(request: web.Request) -> web.Response:
    one, name = await mine(request), str((await request.post()).get("name", "")).strip()[:LONGEST_NAME]
    if not name:
        return see(request, f"{PROFILE}#{one.id}", "bad", "A subscription has a name.")
    await request.app[PLANE].patch(f"/subscriptions/{segment(one.id)}", {"displayName": name})
    return see(request, f"{PROFILE}#{one.id}", "good", f"{one.name} is now {name}.")


@routes.get(f"{PROFILE}/subscriptions/{{subscription}}/cancel")
async def ask_to_cancel(request: web.Request) -> web.Response:
    return _sure_to_cancel(request, await mine(request))


@routes.post(f"{PROFILE}/subscriptions/{{subscription}}/cancel")
async def cancel(request: web.Request) -> web.Response:
    one = await mine(request)
    if (await request.post()).get("sure") != "yes":
        return _sure_to_cancel(request, one)
    if target := await delegation.unsubscribe(request, one.id):
        return onward(request, target)
    if one.state in LIVING:
        await request.app[PLANE].patch(f"/subscriptions/{segment(one.id)}", {"state": "cancelled"})
    return see(request, PROFILE, "good", f"{one.name} is cancelled; its keys end within seconds.")


@routes.get(f"{PROFILE}/usage")
async def used(request: web.Request) -> web.Response:
    span = usage.span_of(request.query.get("days", ""))
    shown = await usage.read(request.app[PLANE], own(request), span, datetime.datetime.now(datetime.UTC))
    return page(request, "usage.html", usage=shown, spans=usage.SPANS)


async def mine(request: web.Request) -> Subscription:
    """The subscription of the path. Raises NotThere for one of somebody else as for one that is not there."""
    user = visitor(request)
    try:
        path = f"/subscriptions/{segment(request.match_info['subscription'])}"
        one = Subscription.read(await request.app[PLANE].get(path))
    except NotThere:
        one = None
    if one is None or not one.owner or one.owner.lower() != name_of(user).lower():
        raise NotThere("You have no such subscription.")
    return one


async def _profile(request: web.Request, opened: str = "", shown: dict[str, str] | None = None) -> web.Response:
    user, path, plane = visitor(request), own(request), request.app[PLANE]
    known = await seen(request)
    every = sorted(
        map(Subscription.read, await plane.every(f"{path}/subscriptions")),
        key=lambda one: (one.state not in LIVING, one.created, one.name.casefold()),
    )
    products = {f"/products/{one.id}".lower(): one for one in known.products}
    properties = properties_of(user)
    identities = [str(each.get("provider") or "") for each in mappings(properties.get("identities"))]
    return page(
        request,
        "profile.html",
        properties=properties,
        groups=[str(each.get("displayName") or name_of(each)) for each in mappings(properties.get("groups"))],
        local="Basic" in identities,
        subscriptions=[(one, products.get(one.scope.lower())) for one in every],
        opened=opened,
        keys=shown or {},
    )


def _sure_to_regenerate(request: web.Request, one: Subscription, which: str) -> web.Response:
    if which not in KEYS:
        raise web.HTTPBadRequest(text="The key is either primary or secondary.")
    words = f"Within seconds, calls with the {which} key that {one.name} has now are refused. It does not come back."
    return sure(request, f"A new {which} key?", words, f"Make a new {which} key", f"{PROFILE}#{one.id}", {"key": which})


def _sure_to_cancel(request: web.Request, one: Subscription) -> web.Response:
    words = f"Within seconds, calls with the keys of {one.name} are refused. They do not come back."
    return sure(request, "Cancel the subscription?", words, "Cancel the subscription", f"{PROFILE}#{one.id}")


def _changed(request: web.Request, words: str) -> web.Response:
    request.app[USERS].forget(name_of(visitor(request)))
    return see(request, PROFILE, "good", words)

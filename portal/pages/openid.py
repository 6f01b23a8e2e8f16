"""Signing in with OpenID Connect: away to the provider, and back. What is believed is in `portal/openid.py`.

Rules
1. A person is the user whose name is made of issuer and subject. At the first time that user is made.
2. Where a user has the person's address already, it is that user only if it has no password to sign in with (no
   identity of the provider `Basic`) and the issuer has verified the address. Otherwise the person is refused: anybody
   may write anybody's address into an account elsewhere, or into one here before its owner comes.
"""

from __future__ import annotations

import hashlib
import json
import secrets

from aiohttp import web

from portal import session
from portal.model import mappings, name_of, properties_of
from portal.openid import PROVIDERS, Person, SignInFailed
from portal.page import PLANE, SETTINGS, is_secure, page
from portal.pages.accounts import ATTEMPTS, begin
from portal.plane import NotThere, segment
from portal.visits import local

routes = web.RouteTableDef()

COOKIE = "passerelle-openid"
LIFETIME = 600  # seconds
PATH = "/sign-in/openid"


@routes.get(PATH)
async def away(request: web.Request) -> web.StreamResponse:
    request.app[ATTEMPTS].take(request)
    providers = request.app[PROVIDERS]
    provider = await providers.find(request.query.get("provider", ""))
    if provider is None:
        raise NotThere("There is no such way to sign in.")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    try:
        target = await providers.address(provider, redirect_uri(request), state, nonce, verifier)
    except SignInFailed as failed:
        return _failed(request, failed)
    response = web.Response(status=303, headers={"Location": target})
    kept = json.dumps([provider.id, state, nonce, verifier, local(request.query.get("back", ""), "/profile")])
    response.set_cookie(
        COOKIE,
        session.seal(request.app[PLANE].token(), "openid", kept, LIFETIME),
        max_age=LIFETIME,
        path=PATH,
        httponly=True,
        samesite="Lax",
        secure=is_secure(request),
    )
    return response


@routes.get(f"{PATH}/back")
async def back(request: web.Request) -> web.StreamResponse:
    kept = session.unseal(request.app[PLANE].token(), "openid", request.cookies.get(COOKIE, ""))
    id, state, nonce, verifier, target = json.loads(kept) if kept else ("", "", "", "", "")
    given = request.query
    provider = await request.app[PROVIDERS].find(id) if id else None
    try:
        if provider is None or not session.same(given.get("state", ""), state):
            raise SignInFailed("This sign-in was not begun here, or too long ago. Begin again.")
        if "code" not in given:
            raise SignInFailed("The provider did not let you in.")
        person = await request.app[PROVIDERS].redeem(
            provider, redirect_uri(request), given["code"][:4096], nonce, verifier, given.get("iss", "")
        )
        response: web.StreamResponse = await begin(request, await user_of(request, provider.id, person), target)
    except SignInFailed as failed:
        response = _failed(request, failed)
    response.del_cookie(COOKIE, path=PATH)
    return response


def redirect_uri(request: web.Request) -> str:
    return f"{request.app[SETTINGS].url or request.url.origin()}{PATH}/back"


async def user_of(request: web.Request, kind: str, person: Person) -> str:
    """The name of the user that this person is; made, where there is none. Raises SignInFailed."""
    plane = request.app[PLANE]
    identity = {"provider": kind, "id": f"{person.provider}#{person.subject}"}
    name = "o" + hashlib.sha256(identity["id"].encode()).hexdigest()[:24]
    try:
        user = await plane.get(f"/users/{name}")
    except NotThere:
        pass
    else:
        return _active(user)
    if not person.email:
        raise SignInFailed("The provider does not tell your e-mail address, which an account needs.")
    quoted = person.email.replace("'", "''")
    for user in await plane.every("/users", **{"$filter": f"email eq '{quoted}'"}):
        identities = mappings(properties_of(user).get("identities"))
        if any(dict(each) == identity for each in identities):
            return _active(user)
        if not person.verified or any(each.get("provider") == "Basic" for each in identities):
            raise SignInFailed("Your address has an account here. Sign in to it with its password.")
        found = _active(user)
        await plane.patch(f"/users/{segment(found)}", {"identities": [*map(dict, identities), identity]})
        return found
    signup = properties_of(await plane.get("/portalsettings/signup"))
    if signup.get("enabled") is False:
        raise SignInFailed("Nobody new may sign up here.")
    await plane.put(
        f"/users/{name}",
        {
            "email": person.email,
            "firstName": person.first_name,
            "lastName": person.last_name,
            "state": "active",
            "identities": [identity],
        },
    )
    return name


def _active(user: dict[str, object]) -> str:
    if properties_of(user).get("state") != "active":
        raise SignInFailed("This account is not active.")
    return name_of(user)


def _failed(request: web.Request, failed: SignInFailed) -> web.Response:
    return page(request, "said.html", title="You are not signed in", words=str(failed), status=403)

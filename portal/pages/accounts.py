"""Signing in and up with an address and a password, and out again; what mails lead to.

Rules
1. No page tells whether an address has an account. Signing up says the same whether it has one or not.
2. Attempts are limited for each client here, and for each address at the plane.
3. What a link in a mail does is done by a form on the page that it leads to: some programs follow links in mails.
4. Who the service delegates accounts to (`portalsettings/delegation`) is where people sign in and up instead.
"""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from portal import delegation, session
from portal.limits import Limit
from portal.model import Resource, properties_of
from portal.openid import PROVIDERS
from portal.page import ENDED, PLANE, VISIT, VISITOR, is_secure, page, see
from portal.plane import NotThere, PlaneRefused
from portal.visits import USERS, local, stamp_of

routes = web.RouteTableDef()

LONGEST_TOKEN = 1000
ATTEMPTS: web.AppKey[Limit] = web.AppKey("attempts", Limit)
WRONG = "The address or the password is wrong, or the account is not active."
SIGNED_UP = "If this address had no account before, it has one now. Sign in with your new password."


def limit() -> Limit:
    """20 attempts in five minutes."""
    return Limit(20, 300.0)


@routes.get("/sign-in")
async def sign_in_form(request: web.Request) -> web.StreamResponse:
    if VISITOR in request:
        raise web.HTTPSeeOther(_back(request.query.get("back", "")))
    if target := await delegation.sign_in(request, _back(request.query.get("back", ""))):
        raise web.HTTPSeeOther(target)
    return await _sign_in_page(request)


@routes.post("/sign-in")
async def sign_in(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    email, password, back = (str(form.get(name, "")) for name in ("email", "password", "back"))
    request.app[ATTEMPTS].take(request)
    try:
        found = await request.app[PLANE].post("/verifyPassword", {"email": email[:254], "password": password[:300]})
    except PlaneRefused as refused:
        words = str(refused) if refused.code == "TooManyRequests" else WRONG
        return await _sign_in_page(request, email=email, problem=words, status=403)
    return await begin(request, _user(found), _back(back), _stamp(found))


@routes.get("/sign-up")
async def sign_up_form(request: web.Request) -> web.StreamResponse:
    if VISITOR in request:
        raise web.HTTPSeeOther(_back(request.query.get("back", "")))
    if target := await delegation.sign_up(request, local(request.query.get("back", ""))):
        raise web.HTTPSeeOther(target)
    return await _sign_up_page(request, {})


@routes.post("/sign-up")
async def sign_up(request: web.Request) -> web.StreamResponse:
    form = {name: str(value).strip() for name, value in (await request.post()).items() if name != "password"}
    password = str((await request.post()).get("password", ""))
    request.app[ATTEMPTS].take(request)
    terms = await _terms(request)
    if terms.get("consentRequired") and terms.get("enabled") and form.get("consent") != "yes":
        return await _sign_up_page(request, form, "consent", "Without consent to the terms there is no account.")
    names = ("email", "firstName", "lastName")
    try:
        answer = await request.app[PLANE].post(
            "/signUp", {**{name: form.get(name, "")[:300] for name in names}, "password": password}
        )
    except PlaneRefused as refused:
        return await _sign_up_page(request, form, refused.target or "email", str(refused))
    if answer.get("state") == "pending":
        return page(request, "said.html", title="Look into your mail", words=(
            f"A mail has been sent to {form.get('email', '')}. The link in it makes your account active."
        ))  # fmt: skip
    back = local(form.get("back", ""), "")
    return see(request, f"/sign-in?back={quote(back, safe='/')}" if back else "/sign-in", "good", SIGNED_UP)


@routes.get("/confirm")
async def confirm_form(request: web.Request) -> web.Response:
    return page(request, "confirm.html", token=request.query.get("token", "")[:LONGEST_TOKEN])


@routes.post("/confirm")
async def confirm(request: web.Request) -> web.StreamResponse:
    token = str((await request.post()).get("token", ""))[:LONGEST_TOKEN]
    try:
        await request.app[PLANE].post("/confirmSignUp", {"token": token})
    except PlaneRefused as refused:
        return page(request, "said.html", title="This link does nothing", words=str(refused), status=403)
    return see(request, "/sign-in", "good", "Your address is confirmed. Sign in.")


@routes.get("/forgotten")
async def forgotten_form(request: web.Request) -> web.Response:
    return page(request, "forgotten.html", problem="", email="")


@routes.post("/forgotten")
async def forgotten(request: web.Request) -> web.StreamResponse:
    email = str((await request.post()).get("email", "")).strip()
    request.app[ATTEMPTS].take(request)
    try:
        await request.app[PLANE].post("/requestPasswordReset", {"email": email[:300]})
    except PlaneRefused as refused:
        words = str(refused)
        if refused.code == "MailNotConfigured":
            words = "This portal sends no mail. Whoever runs it can give you a link that signs you in."
        return page(request, "forgotten.html", problem=words, email=email, status=400)
    words = f"If {email} has an account, a mail with a link is on its way to it. The link is good for an hour."
    return page(request, "said.html", title="Look into your mail", words=words)


@routes.get("/new-password")
async def new_password_form(request: web.Request) -> web.Response:
    return page(request, "new_password.html", token=request.query.get("token", "")[:LONGEST_TOKEN], problem="")


@routes.post("/new-password")
async def new_password(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    token, password = str(form.get("token", ""))[:LONGEST_TOKEN], str(form.get("password", ""))
    request.app[ATTEMPTS].take(request)
    try:
        found = await request.app[PLANE].post("/resetPassword", {"token": token, "password": password})
    except PlaneRefused as refused:
        return page(request, "new_password.html", token=token, problem=str(refused), status=400)
    request.app[USERS].forget(_user(found))
    words = "Your new password is in force, and whoever was signed in is signed out. Sign in."
    return see(request, "/sign-in", "good", words)


@routes.get("/signin-sso")
async def follow_link(request: web.Request) -> web.Response:
    """The link that the plane's generateSsoUrl gives. It is good once."""
    try:
        found = await request.app[PLANE].post(
            "/redeemSsoToken", {"token": request.query.get("token", "")[:LONGEST_TOKEN]}
        )
    except PlaneRefused:
        raise web.HTTPForbidden(text="This link has been used or is too old. Ask for a new one.") from None
    return await begin(request, _user(found), _back(request.query.get("returnUrl", "")), _stamp(found))


@routes.post("/sign-out")
async def sign_out(request: web.Request) -> web.Response:
    if (visit := request.get(VISIT)) is not None:
        request.app[ENDED].add(visit)
    response = see(request, "/", "good", "You are signed out.")
    session.clear_visit(response)
    return response


async def begin(request: web.Request, name: str, back: str, stamp: str | None = None) -> web.Response:
    """A new session of the user with this name at the plane, whatever session there was; on to `back`. Without a
    `stamp`, the plane is asked for it."""
    users = request.app[USERS]
    users.forget(name)
    if stamp is None:
        found = await users.find(name)
        if found is None:
            raise NotThere("The plane does not know this user.")
        stamp = stamp_of(found)
    response = web.Response(status=303, headers={"Location": back})
    cookie = session.begin_visit(request.app[PLANE].token(), name, stamp)
    session.set_visit(response, cookie, secure=is_secure(request))
    return response


def _user(found: Resource) -> str:
    """The name of the user that the plane tells of."""
    name = str(found.get("userId") or "").rsplit("/", 1)[-1]
    if not name:
        raise NotThere("The plane does not say who this is.")
    return name


def _stamp(found: Resource) -> str:
    return str(found.get("sessionStamp") or "")


def _back(path: str) -> str:
    return local(path, "/profile")


async def _sign_in_page(
    request: web.Request, *, email: str = "", problem: str = "", status: int = 200
) -> web.StreamResponse:
    back = request.query.get("back", "") or str((await request.post()).get("back", ""))
    return page(
        request,
        "sign_in.html",
        status=status,
        email=email,
        problem=problem,
        back=local(back, ""),
        providers=await request.app[PROVIDERS].offered(),
    )


async def _sign_up_page(
    request: web.Request, form: dict[str, str], target: str = "", problem: str = ""
) -> web.StreamResponse:
    settings = properties_of(await _setting(request, "signup"))
    return page(
        request,
        "sign_up.html",
        status=400 if problem else 200,
        form=form,
        problems={target: problem} if problem else {},
        back=local(request.query.get("back", "") or form.get("back", ""), ""),
        open=settings.get("enabled") is not False,
        terms=await _terms(request),
        providers=await request.app[PROVIDERS].offered(),
    )


async def _terms(request: web.Request) -> Resource:
    terms = properties_of(await _setting(request, "signup")).get("termsOfService")
    return terms if isinstance(terms, dict) else {}


async def _setting(request: web.Request, name: str) -> Resource:
    return await request.app[PLANE].get(f"/portalsettings/{name}")

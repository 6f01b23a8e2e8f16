"""The web application: settings and a plane in, pages out. Every answer passes `_guard`, which is the whole policy.

Rules
- No inline script, no foreign origin, no frame: `portal/headers.py` says it, and pages work without scripts but for
  what only a script can do.
- All text from the plane is escaped by the template engine; nothing is marked safe.
- What changes something comes from a form of ours: it carries its session's token, and the browser does not call it
  cross-site. For visitors both are checked here, for everything that is no GET; the console checks its own token.
- The plane is away: what is kept in memory is shown, with a note; what is not, is a page with 503 that says so. The
  portal itself stays up and answers /health.
"""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from urllib.parse import quote

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from portal import brand, session
from portal.assets import Asset, Assets, asset_of
from portal.headers import CSP, HEADERS, security_policy
from portal.keeper import Catalogues
from portal.openid import PROVIDERS, Providers
from portal.page import ASSETS, ENDED, ENVIRONMENT, PLANE, SETTINGS, STALE, VISITOR, csrf_of, page, see
from portal.pages import (
    accounts,
    activity,
    console,
    debugger,
    developer,
    documents,
    first,
    gateways,
    openid,
    profile,
    revisions,
    trial,
)
from portal.pages.accounts import ATTEMPTS
from portal.pages.console import GUESSES
from portal.pages.profile import NEW
from portal.pages.trial import RELAY, Relay
from portal.plane import NotThere, Plane, PlaneAway, PlaneDenied, PlaneRefused
from portal.settings import Settings
from portal.shelf import Shelf
from portal.visits import CATALOGUES, SHELF, USERS, Users, local, recognise

LARGEST_FORM = 16 * 1024  # bytes
SAFE = ("GET", "HEAD", "OPTIONS")
# what has nothing to do with visitors, and pages for who has not signed in yet
ELSEWHERE = ("/static/", "/console", "/health")
NOBODYS = ("/sign", "/confirm", "/forgotten", "/new-password")
OWN = ("/profile", "/products/")  # forms that only visitors who are signed in have
TOO_OLD = "The form is too old, so nothing was changed. Load the page again, and repeat."
SIGNED_OUT = "You were signed out meanwhile, so nothing was changed. Sign in, and do it again."
MISSING = "There is no page at this address. Perhaps it was moved, or removed."

_HERE = Path(__file__).parent
_log = logging.getLogger("portal")


def application(settings: Settings) -> web.Application:
    app = web.Application(middlewares=[_guard], client_max_size=LARGEST_FORM)
    app[SETTINGS] = settings
    plane = app[PLANE] = Plane(settings.plane, settings.service, settings.token_file, settings.ca)
    app[CATALOGUES], app[SHELF], app[USERS] = Catalogues(plane), Shelf(plane), Users(plane)
    app[PROVIDERS], app[RELAY] = Providers(settings, plane), Relay(settings)
    app[ATTEMPTS], app[NEW], app[GUESSES] = accounts.limit(), profile.limit(), console.limit()
    app[ENDED] = session.Ended()
    app[ASSETS] = _assets(settings)
    app[ENVIRONMENT] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    app.router.add_get("/health", _health)
    app.router.add_get("/static/{name:.+}", app[ASSETS].serve)
    for pages in (developer, trial, accounts, openid, profile):
        app.add_routes(pages.routes)
    for pages in (console, gateways, activity, documents, debugger, revisions, first):
        app.add_routes(pages.routes)
    app.on_startup.append(_open)
    app.on_cleanup.append(_close)
    return app


def _assets(settings: Settings) -> Assets:
    assets = Assets(_HERE / "static")
    sheet = brand.sheet(settings.colour).encode()
    assets.add("brand.css", Asset(sheet, "text/css", hashlib.sha256(sheet).hexdigest()[:16]))
    assets.add("logo", asset_of(settings.logo or _HERE / "static" / "mark.svg"))
    return assets


async def _open(app: web.Application) -> None:
    """Nobody who comes first waits for what can be made before: templates are compiled, the catalogue is read."""
    for name in app[ENVIRONMENT].list_templates():
        app[ENVIRONMENT].get_template(name)
    for each in (app[PLANE], app[PROVIDERS], app[RELAY]):
        await each.open()
    app[CATALOGUES].open()


async def _close(app: web.Application) -> None:
    for each in (app[CATALOGUES], app[RELAY], app[PROVIDERS], app[PLANE]):
        await each.close()


async def _health(request: web.Request) -> web.Response:
    """Liveness of the portal alone; it says nothing of the plane."""
    return web.json_response({"status": "up"})


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.perf_counter()
    response = await _answer(request, handler)
    response.headers.update(HEADERS)
    response.headers.setdefault(CSP, security_policy())
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
        response.headers["Server-Timing"] = f"total;dur={(time.perf_counter() - started) * 1000:.1f}"
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if not request.path.startswith(ELSEWHERE):
            await recognise(request)
            await _admit(request)
        if instead := await _check_origin(request):
            return instead
        return await handler(request)
    except NotThere as error:
        return _problem(request, 404, "There is no such page", str(error))
    except PlaneDenied as error:
        _log.error("%s", error)
        return _problem(request, 503, "The portal may not read the management plane", str(error))
    except PlaneAway as error:
        _log.warning("%s", error)
        words = "The gateways are not touched by this: they go on serving what they last got. Try again in a moment."
        if request.path.startswith("/console"):
            words = f"{error} {words}"  # where the plane is, is nothing for visitors
        response = _problem(request, 503, "The management plane is away", words)
        response.headers["Retry-After"] = "5"
        return response
    except PlaneRefused as error:
        return _problem(request, 400, "The management plane refuses this", str(error))
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers={"Location": error.headers["Location"]})
        plain = (error.text or "") == f"{error.status}: {error.reason}"
        words = (MISSING if error.status == 404 else "") if plain else error.text or ""
        response = _problem(request, error.status, error.reason, words)
        if wait := error.headers.get("Retry-After"):
            response.headers["Retry-After"] = wait
        return response
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return _problem(request, 500, "Something went wrong", "The portal's log says more.")


async def _admit(request: web.Request) -> None:
    """Where the service wants everybody to sign in first (`portalsettings/signin`), only those who did see it."""
    if request.path.startswith(NOBODYS) or VISITOR in request:
        return
    try:
        closed = (await request.app[CATALOGUES].current()).closed
    except PlaneAway:
        return  # nothing is known, so there is nothing to see
    if closed:
        raise web.HTTPSeeOther(f"/sign-in?back={quote(request.path_qs, safe='')}")


async def _check_origin(request: web.Request) -> web.Response | None:
    """See the rules above. A browser that says nothing of the site is an old one, or none: then the token is enough.

    The form of a visitor who was signed out meanwhile, in another tab or by time, is answered with signing in.
    """
    if request.method in SAFE:
        return None
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden(text="Forms of other sites are not taken.")
    if request.path.startswith("/console"):
        return None
    given = request.headers.get("X-Csrf-Token") or str((await request.post()).get("csrf", ""))
    if session.same(given, csrf_of(request)):
        return None
    if request.path.startswith(OWN) and VISITOR not in request and "X-Csrf-Token" not in request.headers:
        return see(request, f"/sign-in?back={quote(_origin(request), safe='/')}", "bad", SIGNED_OUT)
    raise web.HTTPForbidden(text=TOO_OLD)


def _origin(request: web.Request) -> str:
    """The page that the form of this request stands on."""
    if request.path.startswith("/products/"):
        return request.rel_url.raw_path.removesuffix("/subscribe")
    if request.path.startswith("/profile"):
        return "/profile"
    return "/" if request.path == "/sign-out" else local(request.rel_url.raw_path)


def _problem(request: web.Request, status: int, title: str, words: str) -> web.Response:
    """A page that says what is wrong, and leads on: to the form that is too old, or to where everything begins."""
    if words == TOO_OLD:
        way = (_origin(request), "Load the page again")
    elif request.path.startswith("/console"):
        way = ("/console", "To the gateways")
    else:
        way = ("/", "To the APIs")
    request[STALE] = False  # nothing is shown that was known before
    return page(request, "problem.html", status=status, code=status, title=title, words=words, way=way)

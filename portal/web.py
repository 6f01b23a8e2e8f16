"""The web application: settings and a plane in, pages out. Every answer passes `_guard`, which is the whole policy.

Rules
- No script, no foreign origin, no frame: the pages work as plain HTML, and the content security policy says so.
- All text from the plane is escaped by the template engine; nothing is marked safe.
- The plane is away: 503 with a page that says so. The portal itself stays up and answers /health.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from portal import session
from portal.model import properties_of
from portal.page import ENVIRONMENT, PLANE, SETTINGS, VISITOR, page
from portal.pages import activity, console, developer, visitor
from portal.plane import NotThere, Plane, PlaneAway, PlaneDenied, PlaneRefused, segment
from portal.settings import Settings

LARGEST_FORM = 16 * 1024  # bytes

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Passerelle",
}

_HERE = Path(__file__).parent
_log = logging.getLogger("portal")


def application(settings: Settings) -> web.Application:
    app = web.Application(middlewares=[_guard], client_max_size=LARGEST_FORM)
    app[SETTINGS] = settings
    app[PLANE] = Plane(settings.plane, settings.service, settings.token_file, settings.ca)
    app[ENVIRONMENT] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.router.add_get("/health", _health)
    app.router.add_static("/static", _HERE / "static")
    app.add_routes(developer.routes)
    app.add_routes(console.routes)
    app.add_routes(activity.routes)
    app.add_routes(visitor.routes)
    app.on_startup.append(_open)
    app.on_cleanup.append(_close)
    return app


async def _open(app: web.Application) -> None:
    await app[PLANE].open()


async def _close(app: web.Application) -> None:
    await app[PLANE].close()


async def _health(request: web.Request) -> web.Response:
    """Liveness of the portal alone; it says nothing of the plane."""
    return web.json_response({"status": "up"})


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await _answer(request, handler)
    response.headers.update(HEADERS)
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        await _recognise(request)
        return await handler(request)
    except NotThere as error:
        return _problem(request, 404, "There is no such page", str(error))
    except PlaneDenied as error:
        _log.error("%s", error)
        return _problem(request, 503, "The portal may not read the management plane", str(error))
    except PlaneAway as error:
        _log.warning("%s", error)
        words = "The gateways are not touched by this: they go on serving what they last got. Try again in a moment."
        response = _problem(request, 503, "The management plane is away", f"{error} {words}")
        response.headers["Retry-After"] = "5"
        return response
    except PlaneRefused as error:
        return _problem(request, 400, "The management plane refuses this", str(error))
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers={"Location": error.headers["Location"]})
        return _problem(request, error.status, error.reason, error.text or "")
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return _problem(request, 500, "Something went wrong", "The portal's log says more.")


async def _recognise(request: web.Request) -> None:
    """Who is signed in, for the pages that say so; a user who is gone or blocked is nobody."""
    cookie, plane = request.cookies.get(session.VISIT, ""), request.app[PLANE]
    if not cookie or request.path.startswith(("/static/", "/console", "/health", "/sign")):
        return
    if name := session.read_visit(cookie, plane.token()):
        with contextlib.suppress(NotThere):
            user = await plane.get(f"/users/{segment(name)}")
            if properties_of(user).get("state") == "active":
                request[VISITOR] = user


def _problem(request: web.Request, status: int, title: str, words: str) -> web.Response:
    return page(request, "problem.html", status=status, code=status, title=title, words=words)

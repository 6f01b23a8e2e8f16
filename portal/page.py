"""One rendered page, and the keys under which the application holds what pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from aiohttp import web

from portal import session
from portal.assets import Assets
from portal.headers import CSP, security_policy
from portal.model import Resource, name_of, properties_of
from portal.plane import Plane
from portal.session import Ended, Kind, Session
from portal.settings import Settings

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
PLANE: web.AppKey[Plane] = web.AppKey("plane", Plane)
ASSETS: web.AppKey[Assets] = web.AppKey("assets", Assets)
ENDED: web.AppKey[Ended] = web.AppKey("ended", Ended)
ENVIRONMENT: web.AppKey[jinja2.Environment] = web.AppKey("environment", jinja2.Environment)
# in a request: the user who is signed in, as the plane shows it, and the session of that user
VISITOR: web.RequestKey[Resource] = web.RequestKey("visitor", Mapping)
VISIT: web.RequestKey[Session] = web.RequestKey("visit", Session)
# in a request: what is shown is not of now, because the plane is away; a note says so on every page
STALE: web.RequestKey[bool] = web.RequestKey("stale", bool)
_FORM: web.RequestKey[str] = web.RequestKey("form", str)

SIZE = 50  # rows of a list


def page(
    request: web.Request, template: str, *, status: int = 200, allow: Mapping[str, str] | None = None, **values: Any
) -> web.Response:
    """`template` with `values`; `allow` is what its content security policy has more than that of other pages.

    Every template also has
        path, segment   of the request; a name as a segment of a path
        asset           the address of a file below static/
        brand           the settings, for the portal's name and looks
        operator        is this the console?
        visitor         the name of the user who is signed in, or ""
        csrf            a function: the token of a form, see the macro `form`
        flash           (kind, words) to be said once, or None
        stale           is the plane away, and what is shown not of now?
    """
    operator = request.path == "/console" or request.path.startswith("/console/")
    current = values.get("session")

    def token() -> str:
        return current.csrf if isinstance(current, Session) else csrf_of(request)

    said = session.read_flash(request.cookies.get(session.FLASH, ""), request.app[PLANE].token())
    text = (
        request.app[ENVIRONMENT]
        .get_template(template)
        .render(
            path=request.path,
            operator=operator,
            visitor=full_name(request.get(VISITOR)),
            segment=lambda name: quote(name, safe=""),
            asset=request.app[ASSETS].address,
            brand=request.app[SETTINGS],
            csrf=token,
            flash=said,
            stale=request.get(STALE, False),
            **values,
        )
    )
    response = web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
    response.headers[CSP] = security_policy(allow)
    if session.FLASH in request.cookies:
        response.del_cookie(session.FLASH, path="/")
    if _FORM in request:
        session.set_form(response, request[_FORM], secure=is_secure(request))
    return response


def sure(
    request: web.Request,
    title: str,
    words: str,
    button: str,
    back: str,
    fields: Mapping[str, str] | None = None,
    **values: Any,
) -> web.Response:
    """What asks a second time before something is lost: a form to the address of the request with `fields` and `sure`,
    and the way back."""
    values |= {"title": title, "words": words, "button": button, "back": back, "action": request.rel_url.raw_path}
    return page(request, "sure.html", fields=list((fields or {}).items()), **values)


def onward(request: web.Request, target: str) -> web.Response:
    """Go on at another site after a form: browsers follow no redirect there, since the content security policy says
    where forms lead."""
    return page(request, "onward.html", target=target, host=urlsplit(target).netloc)


def see(request: web.Request, path: str, kind: Kind = "good", words: str = "") -> web.Response:
    """Go on at `path` after a form, where `words` are said."""
    response = web.Response(status=303, headers={"Location": path})
    if words:
        session.set_flash(response, request.app[PLANE].token(), kind, words, secure=is_secure(request))
    return response


def csrf_of(request: web.Request) -> str:
    """The token of a visitor's forms; who has no session gets a cookie for it with the page."""
    visit: Session | None = request.get(VISIT)
    if visit is not None:
        return visit.csrf
    cookie = request.cookies.get(session.FORM, "")
    id = request[_FORM] if _FORM in request else session.form_id(cookie)
    if id != cookie:
        request[_FORM] = id
    return session.form_token(request.app[PLANE].token(), id)


def is_secure(request: web.Request) -> bool:
    """Does the visitor use https? A proxy in front may speak plain http to us, so the setting counts too."""
    return request.secure or request.app[SETTINGS].url.startswith("https://")


def full_name(user: Resource | None) -> str:
    if user is None:
        return ""
    names = (str(properties_of(user).get(each) or "") for each in ("firstName", "lastName"))
    return " ".join(filter(None, names)) or name_of(user)


@dataclass(frozen=True)
class Pages:
    """Where a list of `count` rows stands: `number` counts from 1; `query` and `more` (encoded) are what else the links
    carry."""

    number: int
    count: int
    query: str = ""
    more: str = ""
    size: int = SIZE

    @property
    def last(self) -> int:
        return max(1, -(-self.count // self.size))

    def link(self, number: int) -> str:
        query = f"&q={quote(self.query, safe='')}" if self.query else ""
        return f"?page={number}{query}{f'&{self.more}' if self.more else ''}"


def number_of(request: web.Request) -> int:
    """The page that was asked for; 1 when the question makes no sense."""
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 7 else 1

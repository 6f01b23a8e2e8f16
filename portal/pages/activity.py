"""What goes on, for the operator: the last hour by API, gateway and error, and down to one request."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from aiohttp import web

from portal import activity, traces
from portal.model import mappings
from portal.page import PLANE, SETTINGS, SIZE, Pages, number_of, page
from portal.pages.console import signed_in
from portal.plane import segment
from portal.session import Session

routes = web.RouteTableDef()

SPANS = ("15", "60", "120")  # minutes


@routes.get("/console/activity")
@signed_in
async def now(request: web.Request, current: Session) -> web.Response:
    span = request.query.get("minutes", "60")
    span = span if span in SPANS else "60"
    about = _about(request)
    plane = request.app[PLANE]
    told = await plane.get("/activity", minutes=span, **_asked(about))
    failures = await plane.get("/activity/requests", **_asked(about), **{"failed": "true", "$top": "5"})
    return page(
        request,
        "console/activity.html",
        session=current,
        activity=activity.read(told),
        failures=[activity.read_request(each) for each in mappings(failures.get("value"))],
        span=span,
        spans=SPANS,
        about=about,
        link=_link,
        ms=activity.milliseconds,
    )


@routes.get("/console/requests")
@signed_in
async def requests(request: web.Request, current: Session) -> web.Response:
    about, failed = _about(request), "true" if request.query.get("failed") == "true" else ""
    if reason := request.query.get("reason", ""):
        about["reason"] = reason
    number = number_of(request)
    asked = {**_asked(about), **({"failed": failed} if failed else {})}
    rows, count = await request.app[PLANE].page("/activity/requests", number, SIZE, **asked)
    return page(
        request,
        "console/requests.html",
        session=current,
        requests=[activity.read_request(each) for each in rows],
        pages=Pages(number, count, more=urlencode({**about, **({"failed": failed} if failed else {})})),
        about=about,
        failed=failed,
        link=_link,
        ms=activity.milliseconds,
    )


@routes.get("/console/requests/{request}")
@signed_in
async def single(request: web.Request, current: Session) -> web.Response:
    told = await request.app[PLANE].get(f"/activity/requests/{segment(request.match_info['request'])}")
    shown, trace = activity.read_request(told), told.get("trace")
    url = urlsplit(shown.url)
    path = f"{url.path}?{url.query}" if url.query else url.path
    return page(
        request,
        "console/request.html",
        session=current,
        shown=shown,
        trace=traces.read(trace) if isinstance(trace, dict) else None,
        again=_link("/console/debugger", api=shown.api, operation=shown.operation, method=shown.method, path=path),
        elsewhere=request.app[SETTINGS].trace_of(shown.trace_id),
        link=_link,
        ms=activity.milliseconds,
    )


def _about(request: web.Request) -> dict[str, str]:
    """What the pages are about: an API, a gateway, both or neither."""
    return {name: value for name in ("api", "gateway") if (value := request.query.get(name, ""))}


def _asked(about: dict[str, str]) -> dict[str, str]:
    return {name if name == "reason" else f"{name}Id": value for name, value in about.items()}


def _link(page: str, /, *several: dict[str, str], **query: str) -> str:
    """`page` with what is not empty of the queries."""
    given: dict[str, str] = {}
    for each in (*several, query):
        given |= each
    given = {name: value for name, value in given.items() if value}
    return f"{page}?{urlencode(given)}" if given else page

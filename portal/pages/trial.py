"""Trying an API in the browser: the page with the console, and the relay that its calls take.

A page of another origin may not call a gateway unless the API has a `cors` policy, and no API should need one for our
sake. So the console sends its calls to the portal, which passes them on.

Rules of the relay
1. It goes to the gateways of the settings and to nowhere else, and there only to APIs that the visitor sees: not by how
   an address looks, but by which API a gateway gives the call to. See `portal/reach.py`.
2. Only our page can use it: calls carry the page's token in a header, which no other site can send, and are POST. So
   nothing that a gateway answers is ever opened as a page of the portal; the answer says `sandbox` all the same.
3. No cookie goes either way; of the headers only those go on that a program would send. Redirects are not followed.
4. Bounded: sizes, time, calls at once, calls of one client within a minute. Keys are neither kept nor logged.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from portal.headers import CSP
from portal.limits import Limit, client
from portal.model import name_of
from portal.page import PLANE, SETTINGS, page
from portal.pages.developer import about, found, keys_for, with_servers
from portal.plane import NotThere, Plane, segment
from portal.reach import Unreachable
from portal.settings import Settings
from portal.visits import seen

routes = web.RouteTableDef()

LARGEST_REQUEST = 1024 * 1024  # bytes
LARGEST_ANSWER = 5 * 1024 * 1024  # bytes
TIMEOUT = aiohttp.ClientTimeout(total=60.0)
AT_ONCE = 32
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# headers of a call that are the browser's or ours, not the program's that the visitor plays
NOT_SENT = re.compile(
    r"cookie|host|origin|referer|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length"
    r"|sec-.*|x-csrf-token|x-try-.*|x-forwarded-.*|x-original-.*|x-rewrite-.*|forwarded|via|accept-encoding|dnt|priority|pragma|cache-control",
    re.IGNORECASE,
)
NOT_RETURNED = re.compile(
    r"set-cookie2?|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|content-encoding"
    r"|access-control-.*|content-security-policy.*|clear-site-data|refresh|service-worker.*|location|strict-transport.*"
    r"|report-to|nel|alt-svc|link|www-authenticate|date|server|server-timing|cache-control|referrer-policy"
    r"|x-frame-options|x-content-type-options|cross-origin-.*|permissions-policy",
    re.IGNORECASE,
)
# those of them that are worth seeing come under another name, which the console shows as their own
TOLD = {"location", "www-authenticate", "set-cookie", "server", "date", "cache-control", "link"}
# the console's drawings are data: addresses in its sheet
ALLOW = {"img-src": "data:"}


@routes.get("/apis/{api}/try")
async def console(request: web.Request) -> web.Response:
    listed, book = await found(request)
    shown = await about(request, listed, book)
    if not shown["tryable"]:
        raise NotThere("This API cannot be tried in the browser.")
    return page(request, "try.html", allow=ALLOW, **shown, subscriptions=await keys_for(request, listed))


@routes.get("/apis/{api}/try/document")
async def described(request: web.Request) -> web.Response:
    """The OpenAPI document that the console reads."""
    listed, _ = await found(request)
    return web.json_response(await with_servers(request, listed))


class Relay:
    """The connections to gateways, and how many calls there are."""

    def __init__(self, settings: Settings) -> None:
        self.limit = Limit(120, 60.0)
        self.free = asyncio.Semaphore(AT_ONCE)
        self._ca = settings.try_ca
        self.session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        context = ssl.create_default_context(cafile=str(self._ca)) if self._ca else True
        self.session = aiohttp.ClientSession(
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=context),
            auto_decompress=True,
        )

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


RELAY: web.AppKey[Relay] = web.AppKey("relay", Relay)


@routes.post("/try")
async def relay(request: web.Request) -> web.StreamResponse:
    """`X-Try-Url` and `X-Try-Method` say what is called; the rest of the message is the call."""
    relay = request.app[RELAY]
    assert relay.session is not None, "open() comes first"
    relay.limit.take(request)
    method = request.headers.get("X-Try-Method", "").upper()
    if method not in METHODS:
        raise web.HTTPBadRequest(text="This method cannot be tried.")
    sent = _sent(request)
    target = await _admitted(request, request.headers.get("X-Try-Url", ""), sent)
    body = await _body(request)
    if relay.free.locked():
        raise web.HTTPServiceUnavailable(text="Too many calls are being tried at this moment.")
    async with relay.free:
        try:
            async with relay.session.request(
                method,
                target,
                headers=sent,
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
            ) as answer:
                content = await _bounded(answer)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise web.HTTPBadGateway(text=f"The gateway does not answer ({type(error).__name__}).") from None
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in answer.headers.items():
        if not NOT_RETURNED.fullmatch(name):
            headers.add(name, value)
        elif name.lower() in TOLD:
            headers.add(f"X-Told-{name}", value)
    headers[CSP] = "sandbox; default-src 'none'"
    reason = answer.reason if answer.reason and answer.reason.isprintable() else None
    return web.Response(status=answer.status, reason=reason, body=content, headers=headers)


async def _admitted(request: web.Request, url: str, headers: CIMultiDict[str]) -> URL:
    """Where a call goes: the gateway as the portal reaches it. Raises HTTPForbidden, rule 1."""
    reached, path, query = parts_of(url, request.app[SETTINGS])
    reach = (await seen(request)).reach
    await reach.prepare()
    try:
        sent, apis = reach.find(path, query, headers)
    except Unreachable as refused:
        raise web.HTTPForbidden(text=str(refused)) from None
    if reach.contested(path, query, headers) and not await _everywhere(request.app[PLANE], apis):
        raise web.HTTPForbidden(text="A gateway that lacks this API could give the call to another.")
    return URL(f"{reached}{sent}" + (f"?{query}" if query else ""), encoded=True)


def parts_of(url: str, settings: Settings) -> tuple[str, str, str]:
    """The gateway of an address as the portal reaches it, the path there, and the query. Raises HTTPForbidden."""
    if len(url) > 8192 or not url.isascii() or not url.isprintable() or "\\" in url or "#" in url:
        raise web.HTTPForbidden(text="This address cannot be tried.")
    address, _, query = url.partition("?")
    known = zip(settings.gateways, settings.tried, strict=True)
    for gateway, reached in sorted(known, key=lambda each: -len(each[0])):
        if address.startswith(f"{gateway}/"):
            path = address.removeprefix(gateway)
            # decoded as often as others might
            steps = unquote(unquote(path)).replace("\\", "/").split("/")
            if not any(step.partition(";")[0] in (".", "..") for step in steps):
                return reached, path, query
    raise web.HTTPForbidden(text="Only the gateways of this portal can be tried.")


async def _everywhere(plane: Plane, apis: Iterable[str]) -> bool:
    """Does every gateway serve the APIs?"""
    names = [each.replace("'", "''") for each in apis]
    for gateway in await plane.every("/gateways"):
        path = f"/gateways/{segment(name_of(gateway))}/apis"
        for name in names:
            rows, _ = await plane.page(path, 1, 1, **{"$filter": f"name eq '{name}'"})
            if not rows:
                return False
    return True


def _sent(request: web.Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        if not NOT_SENT.fullmatch(name):
            headers.add(name, value)
    headers["X-Forwarded-For"] = client(request)
    return headers


async def _body(request: web.Request) -> bytes:
    content = bytearray()
    async for piece in request.content.iter_chunked(65536):
        content += piece
        if len(content) > LARGEST_REQUEST:
            raise web.HTTPRequestEntityTooLarge(
                max_size=LARGEST_REQUEST, actual_size=len(content), text="At most 1 MiB can be sent from here."
            )
    return bytes(content)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in answer.content.iter_chunked(65536):
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise web.HTTPBadGateway(text="The answer is larger than 5 MiB; call the gateway from a program.")
    return bytes(content)

"""Pages about what can be called: catalogue, API, operation, products, documents to download."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from aiohttp import web

from portal.catalogue import Listed, matching
from portal.model import Subscription
from portal.outline import outline
from portal.page import PLANE, SETTINGS, SIZE, STALE, VISITOR, Pages, number_of, page
from portal.plane import NotThere, segment
from portal.samples import KEY, LANGUAGES, address, call, language
from portal.shelf import FORMATS, Book, OpenApi, schemas_of
from portal.visits import SHELF, own, seen

routes = web.RouteTableDef()

LONGEST_SEARCH = 200
NO_GATEWAY = "https://gateway.example.com"


@routes.get("/")
async def apis(request: web.Request) -> web.Response:
    search, tag = (request.query.get(name, "").strip()[:LONGEST_SEARCH] for name in ("q", "tag"))
    known = await seen(request)
    found = matching(known.entries, search.split(), tag)
    pages = Pages(number_of(request), len(found), search, f"tag={quote(tag, safe='')}" if tag else "")
    shown = found[(pages.number - 1) * SIZE : pages.number * SIZE]
    return page(
        request, "apis.html", entries=shown, search=search, tag=tag, tags=known.tags,
        common=known.common_tags, known=len(known.entries),
        pages=pages, products=len(known.products),
    )  # fmt: skip


@routes.get("/apis/{api}")
async def api(request: web.Request) -> web.Response:
    listed, book = await found(request)
    return page(
        request,
        "api.html",
        **await about(request, listed, book),
        formats=[(name, FORMATS[name][2]) for name in book.formats],
    )


@routes.get("/apis/{api}/operations/{operation}")
async def operation(request: web.Request) -> web.Response:
    listed, book = await found(request)
    shown = book.operation(request.match_info["operation"])
    if shown is None:
        raise NotThere("The API has no such operation.")
    gateways, chosen = gateways_of(request)
    spoken = language(request.query.get("lang", ""))
    names = {each.type_name for each in shown.bodies if each.type_name}
    names |= {each.type_name for one in shown.responses for each in one.representations if each.type_name}
    schemas = schemas_of(await openapi(request, listed)) if names else {}
    return page(
        request,
        "operation.html",
        **await about(request, listed, book),
        operation=shown,
        key=KEY,
        languages=LANGUAGES,
        language=spoken,
        gateways=gateways,
        gateway=chosen,
        sample=spoken.sample(call(chosen, listed.api, shown, listed.versioning)),
        outlines={name: outline(name, schemas) for name in names},
        subscriptions=await keys_for(request, listed),
    )


@routes.get("/apis/{api}/document/{format}")
async def document(request: web.Request) -> web.Response:
    """A file to keep. An OpenAPI document names the gateways that people use."""
    listed, book = await found(request)
    format = request.match_info["format"]
    if format not in book.formats:
        raise NotThere("The API is not to be had in this format.")
    asked, ending, _ = FORMATS[format]
    if format == "openapi-json":
        written = await with_servers(request, listed)
        kind, text = "application/json", await asyncio.to_thread(json.dumps, written, indent=2)
    else:
        kind, text = await request.app[PLANE].document(f"/apis/{segment(listed.api.id)}", asked)
    name = "".join(each if (each.isalnum() and each.isascii()) or each in "-_" else "-" for each in listed.api.id)
    return web.Response(
        text=text,
        content_type=kind,
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'},
    )


@routes.get("/products")
async def products(request: web.Request) -> web.Response:
    known = await seen(request)
    pages = Pages(number_of(request), len(known.products))
    shown = known.products[(pages.number - 1) * SIZE : pages.number * SIZE]
    return page(request, "products.html", products=[(one, len(known.of_product(one.id))) for one in shown], pages=pages)


@routes.get("/products/{product}")
async def product(request: web.Request) -> web.Response:
    known = await seen(request)
    shown = known.product(request.match_info["product"])
    mine: list[Subscription] = []
    if VISITOR in request and not request.get(STALE):
        scope = f"/products/{shown.id}".lower()
        every = map(Subscription.read, await request.app[PLANE].every(f"{own(request)}/subscriptions"))
        mine = [one for one in every if one.scope.lower() == scope and one.state in ("active", "submitted")]
    apis = known.of_product(shown.id)
    pages = Pages(number_of(request), len(apis))
    apis = apis[(pages.number - 1) * SIZE : pages.number * SIZE]
    return page(request, "product.html", product=shown, apis=apis, mine=mine, pages=pages)


async def found(request: web.Request) -> tuple[Listed, Book]:
    """The API of the path, where the visitor sees it. Raises PlaneError."""
    known = await seen(request)
    listed = known.find(request.match_info["api"])
    book, old = await request.app[SHELF].book(listed.api, known.edition(listed.api.id))
    if old:
        request[STALE] = True
    return listed, book


async def about(request: web.Request, listed: Listed, book: Book) -> dict[str, Any]:
    """What all pages about an API show."""
    _, chosen = gateways_of(request)
    return {
        "listed": listed,
        "api": listed.api,
        "versions": (await seen(request)).versions_of(listed),
        "book": book,
        "address": address(chosen, listed.api, listed.versioning),
        "tryable": bool(request.app[SETTINGS].gateways) and listed.api.type == "http" and bool(book.operations),
    }


async def keys_for(request: web.Request, listed: Listed) -> list[Subscription]:
    """The visitor's subscriptions whose keys open the API."""
    if VISITOR not in request or request.get(STALE):
        return []
    every = map(Subscription.read, await request.app[PLANE].every(f"{own(request)}/subscriptions"))
    return [one for one in every if one.opens(listed.api, listed.products)]


def gateways_of(request: web.Request) -> tuple[tuple[str, ...], str]:
    """All gateways, and the one that was chosen."""
    gateways = request.app[SETTINGS].gateways or (NO_GATEWAY,)
    asked = request.query.get("gateway", "1")
    return gateways, gateways[int(asked) - 1] if asked in map(str, range(1, len(gateways) + 1)) else gateways[0]


async def openapi(request: web.Request, listed: Listed) -> OpenApi:
    """The API's document. Raises PlaneError."""
    known = await seen(request)
    document, old = await request.app[SHELF].openapi(listed.api, known.edition(listed.api.id))
    if old:
        request[STALE] = True
    return document


async def with_servers(request: web.Request, listed: Listed) -> dict[str, object]:
    """The OpenAPI document, with the gateways as its servers. Raises PlaneError."""
    gateways, _ = gateways_of(request)
    servers = [{"url": address(each, listed.api, listed.versioning)} for each in gateways]
    return {**await openapi(request, listed), "servers": servers}

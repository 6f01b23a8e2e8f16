"""Pages for those who call the APIs: catalogue, API, products."""

from __future__ import annotations

from aiohttp import web

from portal.catalogue import catalogue, operations, versioning
from portal.page import PLANE, SETTINGS, SIZE, Pages, number_of, page
from portal.plane import NotThere
from portal.samples import KEY, address, curl

routes = web.RouteTableDef()

LONGEST_SEARCH = 200


@routes.get("/")
async def apis(request: web.Request) -> web.Response:
    search = request.query.get("q", "").strip()[:LONGEST_SEARCH]
    known = await catalogue(request.app[PLANE])
    found = [listed for listed in known.apis if listed.api.matches(search.split())]
    pages = Pages(number_of(request), len(found), search)
    shown = found[(pages.number - 1) * SIZE : pages.number * SIZE]
    return page(request, "apis.html", listed=shown, search=search, known=len(known.apis), pages=pages)


@routes.get("/apis/{api}")
async def api(request: web.Request) -> web.Response:
    plane, settings = request.app[PLANE], request.app[SETTINGS]
    listed = (await catalogue(plane)).find(request.match_info["api"])
    described, scheme = await operations(plane, listed.api), await versioning(plane, listed.api)
    gateways = settings.gateways or ("https://gateway.example.com",)
    asked = request.query.get("gateway", "1")
    chosen = gateways[int(asked) - 1] if asked in map(str, range(1, len(gateways) + 1)) else gateways[0]
    return page(
        request,
        "api.html",
        api=listed.api,
        products=listed.products,
        scheme=scheme,
        key=KEY,
        gateways=gateways,
        gateway=chosen,
        address=address(chosen, listed.api, scheme),
        operations=[(one, curl(chosen, listed.api, one, scheme)) for one in described],
    )


@routes.get("/products")
async def products(request: web.Request) -> web.Response:
    known = await catalogue(request.app[PLANE])
    return page(request, "products.html", products=[(one, known.of_product(one.id)) for one in known.products])


@routes.get("/products/{product}")
async def product(request: web.Request) -> web.Response:
    known = await catalogue(request.app[PLANE])
    for one in known.products:
        if one.id == request.match_info["product"]:
            return page(request, "product.html", product=one, apis=known.of_product(one.id))
    raise NotThere("No such product is published.")

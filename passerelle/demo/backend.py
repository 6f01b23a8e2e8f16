"""The demo's backend: `python -m passerelle.demo.backend --port N`. Books in memory, and an echo of what arrives."""

from __future__ import annotations

import click
from aiohttp import web

from passerelle.listening import LOOPBACK

BOOKS = (
    {"id": 1, "title": "Walden", "author": "Thoreau", "price": 12.5},
    {"id": 2, "title": "Middlemarch", "author": "Eliot", "price": 9.0},
    {"id": 3, "title": "The Waste Land", "author": "Eliot", "price": 7.25},
    {"id": 4, "title": "Candide", "author": "Voltaire", "price": 5.5},
)
LARGEST_ORDER = 64 * 1024  # bytes
routes = web.RouteTableDef()


@routes.get("/health")
async def health(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


@routes.get("/books")
async def list_books(request: web.Request) -> web.Response:
    author = request.query.get("author", "").lower()
    return web.json_response([book for book in BOOKS if not author or str(book["author"]).lower() == author])


@routes.get("/books/{id:[0-9]{1,9}}")
async def get_book(request: web.Request) -> web.Response:
    return web.json_response(_book(int(request.match_info["id"])))


@routes.get("/search")
async def search(request: web.Request) -> web.Response:
    words = request.query.get("q", "").lower()
    return web.json_response([book for book in BOOKS if words in str(book["title"]).lower()])


@routes.post("/orders")
async def place_order(request: web.Request) -> web.Response:
    try:
        order = await request.json()
        number, quantity = int(order["book"]), int(order["quantity"])
    except (ValueError, KeyError, TypeError) as error:
        raise web.HTTPBadRequest(text='an order looks like {"book": 1, "quantity": 2}\n') from error
    book = _book(number)
    total = float(book["price"]) * quantity
    return web.json_response({"id": 1, "book": number, "quantity": quantity, "total": total}, status=201)


@routes.route("*", "/echo")
async def echo(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": dict(request.headers),
        }
    )


def _book(number: int) -> dict[str, int | str | float]:
    for book in BOOKS:
        if book["id"] == number:
            return dict(book)  # type: ignore[arg-type]
    raise web.HTTPNotFound(text=f"no book has the number {number}\n")


def application() -> web.Application:
    app = web.Application(client_max_size=LARGEST_ORDER)
    app.add_routes(routes)
    return app


@click.command()
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
def main(host: str, port: int) -> None:
    """Serve the demo shop."""
    web.run_app(application(), host=host, port=port, access_log=None, shutdown_timeout=2.0, print=None)


if __name__ == "__main__":
    main()

"""The web application: which path goes to whom, who may come in, and how failures are told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from management.arm import Arm, json_response
from management.errors import ArmError, unauthorized
from management.feed_server import FeedServer
from management.keys import same
from management.store import Store

# an import may bring 4 MiB of document, which JSON escapes
LARGEST_BODY = 16 * 1024 * 1024
SCHEME = "bearer "

log = logging.getLogger("management")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(store: Store, admin_token: str) -> web.Application:
    """`admin_token` is the one bearer of the ARM side; gateways come in with their own tokens on theirs."""
    arm, feed = Arm(store), FeedServer(store)

    async def administered(request: web.Request) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        if header[: len(SCHEME)].lower() != SCHEME or not same(header[len(SCHEME) :].strip(), admin_token):
            raise unauthorized("Authentication failed. Send 'Authorization: Bearer <admin token>'.")
        return await arm.handle(request)

    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[tell_failures])
    app.router.add_get("/health", health)
    for endpoint in ("/configuration/{service}", ""):  # a bare host means the first service
        app.router.add_get(f"{endpoint}/gateways/{{gateway}}/events", feed.events)
        app.router.add_post(f"{endpoint}/gateways/{{gateway}}/heartbeat", feed.heartbeat)
        app.router.add_post(f"{endpoint}/gateways/{{gateway}}/traces", feed.traces)
    app.router.add_route("*", "/{path:.*}", administered)
    return app


async def health(request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes an ARM error body; what nobody foresaw is logged and told without its cause."""
    try:
        return await handler(request)
    except ArmError as error:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return json_response(error.body(), error.status, headers=headers)
    except web.HTTPException as error:
        failure = ArmError(error.status, error.reason.replace(" ", ""), error.reason)
        return json_response(failure.body(), error.status)
    except ConnectionResetError:
        return web.Response(status=400)  # the client left while it was sending: nobody reads this, and nothing failed
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        failure = ArmError(500, "InternalServerError", "The plane could not do this; its log says why.")
        return json_response(failure.body(), 500)

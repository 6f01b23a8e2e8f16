"""The web application: which path goes to whom, who may come in, and how failures are told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from management.access import READING, ROLE, SIGNED, Access
from management.arm import Arm, json_response
from management.author import AUTHOR, author_of
from management.bodies import TURN, give_back_the_turn
from management.errors import ArmError, forbidden, unauthorized
from management.exports import Exports
from management.feed_server import FeedServer
from management.live import Live
from management.operations import Tickets
from management.paths import ArmPath, parse
from management.settings import Outside
from management.sign_in import SignIn
from management.store import Store
from management.user_tokens import User

log = logging.getLogger("management")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(store: Store, admin_token: str, outside: Outside | None = None) -> web.Application:
    """`admin_token` opens the ARM side, see `access.py`; gateways come in with their own tokens on theirs."""
    exports = Exports(store, admin_token.encode())
    arm, feed, access = (
        Arm(store, exports, Tickets(admin_token.encode())),
        FeedServer(store),
        Access(store, admin_token),
    )
    live = Live(store, outside or Outside())

    async def administered(request: web.Request) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        path = parse(request.rel_url.raw_path)
        service = path.service.split("/workspaces/")[0] if path else ""
        signed = header[: len(SIGNED)].lower() == SIGNED
        role = await store.read(lambda: access.role(header, service)) if signed else access.role(header, service)
        if role is None:
            raise unauthorized("Authentication failed. Send 'Authorization: Bearer <admin token>'.")
        if role == "reader" and request.method not in READING:
            raise forbidden(f"A reader may not {request.method} anything.")
        if isinstance(role, User) and (request.method not in READING or not is_own(path, role)):
            raise forbidden("With a token of its own, a user reads itself and what is below it.")
        request[ROLE] = role
        AUTHOR.set(author_of(request.headers, access.credential(header, role)))
        return await (live.handle(request, path) if path and live.takes(path) else arm.handle(request))

    app = web.Application(middlewares=[tell_failures, give_back_the_turn])
    app[TURN] = asyncio.Lock()
    app.router.add_get("/health", health)
    SignIn(store, access).add_to(app)
    app.router.add_get("/exports/{ticket}", exports.open)
    for endpoint in ("/configuration/{service}", ""):  # a bare host means the first service
        app.router.add_get(f"{endpoint}/gateways/{{gateway}}/events", feed.events, allow_head=False)
        app.router.add_post(f"{endpoint}/gateways/{{gateway}}/heartbeat", feed.heartbeat)
        app.router.add_post(f"{endpoint}/gateways/{{gateway}}/traces", feed.traces)
        app.router.add_post(f"{endpoint}/gateways/{{gateway}}/counters", feed.counters)
    app.router.add_route("*", "/{path:.*}", administered)
    return app


def is_own(path: ArmPath | None, user: User) -> bool:
    """Whether a path means the user or what is below it."""
    if path is None or "/workspaces/" in path.service:
        return False
    return [each.lower() for each in path.segments[:2]] == ["users", user.id]


async def health(request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


@web.middleware
async def tell_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes an ARM error body; what nobody foresaw is logged and told without its cause."""
    try:
        if "Content-Encoding" in request.headers:
            await request.read()  # while somebody looks: a body that cannot be unpacked is an error of this call
        return await handler(request)
    except ArmError as error:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return json_response(error.body(), error.status, headers=headers)
    except web.HTTPException as error:
        failure = ArmError(error.status, error.reason.replace(" ", ""), error.reason)
        return json_response(failure.body(), error.status)
    except web.RequestPayloadError:  # the body is not in the encoding that its headers name
        failure = ArmError(400, "InvalidRequestContent", "The request content cannot be read as Content-Encoding says.")
        response = json_response(failure.body(), 400)
        response.force_close()  # where the next request would begin is not known
        request.content.feed_eof()  # and nothing is left to be read of this one
        return response
    except (OperationalError, PoolTimeout) as error:
        log.error("%s %s: the store did not answer: %s", request.method, request.path, str(error).splitlines()[0])
        failure = ArmError(503, "ServiceUnavailable", "The store is busy or away: try again.")
        return json_response(failure.body(), 503, headers={"Retry-After": "1"})
    except ConnectionResetError:
        return web.Response(status=400)  # the client left while it was sending: nobody reads this, and nothing failed
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        failure = ArmError(500, "InternalServerError", "The plane could not do this; its log says why.")
        return json_response(failure.body(), 500)

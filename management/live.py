"""What is asked of a service and is no resource: reports, activity, quota counters, connectivity checks, users' tokens.

GET        {service}/reports/byApi
GET        {service}/activity, {service}/activity/requests, {service}/activity/requests/{request}
GET PATCH  {service}/quotas/{key}[/periods/{period}]
POST       {service}/checkPolicy
POST       {service}/connectivityCheck
POST       {service}/users/{user}/confirmations/password/send
POST       {service}/signUp and its neighbours: `accounts.py`
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from management import activity, quotas, reports, user_tokens
from management.access import ROLE
from management.accounts import Accounts
from management.arm import json_response, page, tx_of
from management.bodies import read_body
from management.connectivity import Connectivity
from management.effective_policy import check_text
from management.errors import ArmError, invalid, not_allowed
from management.paths import ArmPath, check_version
from management.resources.users import ADMINISTRATOR, session_stamp
from management.settings import Outside
from management.store import Store
from management.transaction import Transaction, reading, writing

LARGEST_CHECK = 4 * 1024 * 1024  # bytes; a document may be 512 KiB, which JSON escapes

Result = TypeVar("Result")
Taker = Callable[[web.Request, ArmPath], Awaitable[web.Response]]


class Live:
    def __init__(self, store: Store, outside: Outside) -> None:
        self.store = store
        self._outside = outside
        self._connectivity = Connectivity(outside.loopback)
        self._accounts = Accounts(store, outside)

    def takes(self, path: ArmPath) -> bool:
        return self._taker(path) is not None

    async def handle(self, request: web.Request, path: ArmPath) -> web.Response:
        check_version(request.query.get("api-version"))
        taker = self._taker(path)
        assert taker is not None, "takes() was asked first"
        return await taker(request, path)

    def _taker(self, path: ArmPath) -> Taker | None:
        if "/workspaces/" in path.service or not path.segments:
            return None
        first, last = path.segments[0].lower(), path.segments[-1].lower()
        if first == "users" and len(path.segments) == 3:
            return {"token": self.token, "generatessourl": self.sso_url}.get(last)
        if first == "users" and [each.lower() for each in path.segments[2:]] == ["confirmations", "password", "send"]:
            return self.confirmation
        if first in ("reports", "activity", "quotas"):
            return {"reports": self.reports, "activity": self.activity, "quotas": self.quotas}[first]
        if len(path.segments) > 1:
            return None
        return {
            "checkpolicy": self.check_policy,
            "connectivitycheck": self.connectivity,
            "redeemssotoken": self.redeem,
            "getssotoken": self.administrator_url,
        }.get(first) or self._accounts.taker(first)

    async def reports(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "GET")
        names = path.segments[1:]
        items = await self._read(
            path, lambda tx: reports.report(tx, names[0], request.query) if len(names) == 1 else None
        )
        if items is None:
            raise ArmError(404, "ResourceNotFound", f"The reports are {', '.join(reports.REPORTS)}.")
        return json_response(page(request, items, len(items)))

    async def activity(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "GET")
        names = path.segments[1:]
        if not names:
            return json_response(await self._read(path, lambda tx: activity.activity(tx, request.query)))
        if names[0].lower() != "requests" or len(names) > 2:
            raise ArmError(404, "ResourceNotFound", "There are activity, activity/requests and activity/requests/ID.")
        if len(names) == 2:
            traced = request.get(ROLE) == "contributor"  # listTrace is for contributors, too
            return json_response(await self._read(path, lambda tx: activity.request(tx, names[1], traced)))
        items = await self._read(path, lambda tx: activity.requests(tx, request.query))
        return json_response(page(request, items, len(items)))

    async def quotas(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "GET", "PATCH")
        names = path.segments[1:]
        if not (len(names) == 1 or (len(names) == 3 and names[1].lower() == "periods")):
            raise ArmError(
                404, "InvalidResourceType", "Quota counters are at quotas/KEY and quotas/KEY/periods/PERIOD."
            )
        key, period = names[0], names[2] if len(names) == 3 else None
        if request.method == "GET":
            found = await self._read(path, lambda tx: quotas.counters(tx, key, period))
        else:
            asked = quotas.wanted(await read_body(request))
            found = await self._write(path, lambda tx: quotas.reset(tx, key, period, asked))
        return json_response({"value": found, "count": len(found)} if period is None else found[0])

    async def check_policy(self, request: web.Request, path: ArmPath) -> web.Response:
        """As somebody types: nobody else waits for it."""
        _only(request, "POST")
        body = await read_body(request, LARGEST_CHECK)
        return json_response(await self._read(path, lambda tx: check_text(tx, body)))

    async def connectivity(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "POST")
        body = await read_body(request)
        await self._read(path, lambda tx: None)  # there is such a service
        return json_response(await self._connectivity.perform(body, path.service))

    async def token(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "POST")
        body = await read_body(request)
        found = await self._write(path, lambda tx: user_tokens.shared_access_token(tx, path.segments[1], body))
        return json_response(found)

    async def sso_url(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "POST")
        portal = self._outside.portal
        link = await self._write(path, lambda tx: user_tokens.sign_in_link(tx, path.segments[1], portal))
        return json_response({"value": link})

    async def administrator_url(self, request: web.Request, path: ArmPath) -> web.Response:
        """Azure's link leads to its publisher portal; ours to the portal there is, as the administrator."""
        _only(request, "POST")
        portal = self._outside.portal
        link = await self._write(path, lambda tx: user_tokens.sign_in_link(tx, ADMINISTRATOR, portal))
        return json_response({"redirectUri": link})

    async def confirmation(self, request: web.Request, path: ArmPath) -> web.Response:
        """The mail has a link that signs in; a password can then be chosen in the portal."""
        _only(request, "POST")
        user, portal, mail = path.segments[1], self._outside.portal, self._outside.mail
        address = await self._read(path, lambda tx: user_tokens.address_of(tx, user))
        if mail is None:
            raise ArmError(
                400, "MailNotConfigured", "This plane sends no mail: set management.mail.server and its neighbours."
            )
        life = user_tokens.MAILED_LIFE
        link = await self._write(path, lambda tx: user_tokens.sign_in_link(tx, user, portal, life))
        await mail.send(
            address, "Sign in to the developer portal", f"This link signs you in, once, within an hour:\n\n{link}\n"
        )
        return web.Response(status=204)

    async def redeem(self, request: web.Request, path: ArmPath) -> web.Response:
        """`{"token"}` of a link to `{"userId", "sessionStamp"}`, once."""
        _only(request, "POST")
        text = (await read_body(request)).get("token")
        token = text if isinstance(text, str) else ""

        def work(tx: Transaction) -> tuple[str, str]:
            user = user_tokens.redeem(tx, token)
            row = tx.get(f"/users/{user.id}") if user is not None else None
            if user is None or row is None:
                raise invalid("token", "The link has been used or is too old: ask for a new one.")
            return user.id, session_stamp(row)

        user, stamp = await self._write(path, work)
        return json_response({"userId": f"/users/{user}", "sessionStamp": stamp})

    async def _read(self, path: ArmPath, work: Callable[[Transaction], Result]) -> Result:
        def run() -> Result:
            with reading(self.store, path.service) as tx:
                return work(tx_of(tx))

        return await self.store.read(run)

    async def _write(self, path: ArmPath, work: Callable[[Transaction], Result]) -> Result:
        def run() -> Result:
            with writing(self.store, path.service) as tx:
                return work(tx_of(tx))

        return await self.store.write(run)


def _only(request: web.Request, *methods: str) -> None:
    if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
        raise not_allowed(f"{request.method} is not possible here.")

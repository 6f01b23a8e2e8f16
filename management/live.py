"""What is asked of a service and is no resource: reports, quota counters, connectivity checks, mails to users.

GET        {service}/reports/byApi
GET PATCH  {service}/quotas/{key}[/periods/{period}]
POST       {service}/connectivityCheck
POST       {service}/users/{user}/confirmations/password/send
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from management import quotas, reports
from management.arm import json_response, page, read_body, tx_of
from management.errors import ArmError, not_allowed
from management.paths import ArmPath, check_version
from management.store import Store
from management.transaction import Transaction, reading, writing

Result = TypeVar("Result")


class Live:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._takers = {
            "reports": self.reports,
            "quotas": self.quotas,
        }

    def takes(self, path: ArmPath) -> bool:
        return "/workspaces/" not in path.service and bool(path.segments) and path.segments[0].lower() in self._takers

    async def handle(self, request: web.Request, path: ArmPath) -> web.Response:
        check_version(request.query.get("api-version"))
        return await self._takers[path.segments[0].lower()](request, path)

    async def reports(self, request: web.Request, path: ArmPath) -> web.Response:
        _only(request, "GET")
        names = path.segments[1:]
        items = await self._read(
            path, lambda tx: reports.report(tx, names[0], request.query) if len(names) == 1 else None
        )
        if items is None:
            raise ArmError(404, "ResourceNotFound", f"The reports are {', '.join(reports.REPORTS)}.")
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

"""The few paths by which Azure's command line finds its way in: the cloud's metadata, sign-in, subscriptions."""

from __future__ import annotations

from aiohttp import web

from management.access import TENANT, Access, metadata, openid_configuration
from management.errors import unauthorized
from management.store import Store
from management.transaction import find_services

FALLBACK = "00000000-0000-0000-0000-000000000000"


class SignIn:
    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/metadata/endpoints", self.metadata)
        # clients put the tenant and their version of the protocol in the middle
        app.router.add_get(
            "/{where:(adfs/)?(adfs/)?(v2.0/)?}.well-known/openid-configuration", self.openid_configuration
        )
        app.router.add_post("/{where:adfs/(adfs/)?}oauth2/{version:(v2.0/)?}token", self.token)
        app.router.add_get("/subscriptions", self.subscriptions)
        app.router.add_get("/tenants", self.tenants)

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(metadata(_base(request)))

    async def openid_configuration(self, request: web.Request) -> web.Response:
        return web.json_response(openid_configuration(_base(request)))

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        try:
            return web.json_response(self._access.issue(form), headers={"Cache-Control": "no-store"})
        except PermissionError as refused:
            text = "The client secret is the admin token of the plane; the grant is client_credentials."
            return web.json_response({"error": str(refused), "error_description": text}, status=401)

    async def subscriptions(self, request: web.Request) -> web.Response:
        """Those that services are in."""
        self._check(request)

        def work() -> list[str]:
            with self._store.reading() as connection:
                return [service.id.split("/")[2] for service in find_services(connection, "/subscriptions/")]

        ids = dict.fromkeys(await self._store.read(work) or [FALLBACK])
        value = [
            {
                "id": f"/subscriptions/{id}",
                "subscriptionId": id,
                "tenantId": TENANT,
                "displayName": "Passerelle",
                "state": "Enabled",
                "subscriptionPolicies": {},
                "authorizationSource": "RoleBased",
                "managedByTenants": [],
            }
            for id in ids
        ]
        return web.json_response({"value": value})

    async def tenants(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.json_response({"value": [{"id": f"/tenants/{TENANT}", "tenantId": TENANT}]})

    def _check(self, request: web.Request) -> None:
        if self._access.role(request.headers.get("Authorization", ""), "") not in ("contributor", "reader"):
            raise unauthorized("Authentication failed. Sign in first.")


def _base(request: web.Request) -> str:
    return str(request.url.origin())

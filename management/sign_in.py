"""The few paths by which Azure's command line finds its way in: the cloud's metadata, sign-in, subscriptions."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from management.access import TENANT, Access, metadata, openid_configuration
from management.errors import unauthorized
from management.store import Store
from management.transaction import find_services

LARGEST_FORM = 16 * 1024
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
        """OAuth 2.0 (RFC 6749, 5.2): 401 for a wrong secret, 400 for what is no request, 429 for guessing."""
        address, guesses = request.remote or "", self._access.guesses
        if seconds := guesses.wait(address):
            return _refuse(429, "slow_down", "Too many failures: wait.", {"Retry-After": str(seconds)})
        form = await _form(request)
        if form is None:
            return _refuse(400, "invalid_request", f"Send a form of at most {LARGEST_FORM} bytes.")
        try:
            return web.json_response(self._access.issue(form), headers={"Cache-Control": "no-store"})
        except PermissionError as refused:
            guesses.failed(address)
            status = 401 if str(refused) == "invalid_client" else 400
            return _refuse(
                status,
                str(refused),
                "The client secret is the admin token of the plane; the grant is client_credentials.",
            )

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


async def _form(request: web.Request) -> dict[str, str] | None:
    """What was sent, each name once; None when it is no form."""
    if request.content_type != "application/x-www-form-urlencoded":
        return None
    content = await request.content.read(LARGEST_FORM + 1)
    while len(content) <= LARGEST_FORM and (more := await request.content.read(LARGEST_FORM + 1 - len(content))):
        content += more
    try:
        pairs = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return None
    form = dict(pairs)
    return form if len(content) <= LARGEST_FORM and len(form) == len(pairs) else None


def _refuse(status: int, error: str, text: str, headers: dict[str, str] | None = None) -> web.Response:
    fields = {"Cache-Control": "no-store", **(headers or {})}
    return web.json_response({"error": error, "error_description": text}, status=status, headers=fields)


def _base(request: web.Request) -> str:
    return str(request.url.origin())

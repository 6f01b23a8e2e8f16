"""A small plane: collections in memory, paged as ARM pages, behind a bearer; it notes each call."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from portal.settings import LOCAL_SERVICE

TOKEN = "an-admin-token"
SECRET = "primary-key-of-the-shop"
POLICY = """<policies>
\t<inbound>
\t\t<set-header name="a"><value>@(1 < 2 && true)</value></set-header>
\t</inbound>
</policies>"""


def resource(id: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"{LOCAL_SERVICE}/{id}", "name": id.rsplit("/", 1)[-1], "properties": properties}


SHOP = resource(
    "apis/shop;rev=1",
    displayName="Book <shop>",
    path="shop",
    description="Books & more",
    apiVersion="v1",
    apiVersionSetId=f"{LOCAL_SERVICE}/apiVersionSets/shops",
    subscriptionKeyParameterNames={"header": "X-Shop-Key", "query": "k"},
)
HIDDEN = resource("apis/hidden", displayName="Hidden", path="hidden")
OLD = resource("apis/shop;rev=2", displayName="Old shop", path="shop", isCurrent=False)

OPERATION = resource(
    "apis/shop;rev=1/operations/get",
    displayName="One book",
    method="PUT",
    urlTemplate="/books/{id}?lang={lang}",
    templateParameters=[
        {"name": "id", "type": "integer", "required": True},
        {"name": "lang", "type": "string", "required": True, "values": ["en", "fr"]},
    ],
    request={
        "queryParameters": [{"name": "page", "type": "integer"}, {"name": "all", "type": "string", "required": True}],
        "headers": [{"name": "X-Why", "type": "string", "required": True, "defaultValue": "it's"}],
        "representations": [
            {"contentType": "application/json", "examples": {"default": {"value": {"title": "L'Étranger"}}}}
        ],
    },
    responses=[
        {
            "statusCode": 200,
            "description": "Found",
            "representations": [{"contentType": "application/json", "examples": {"a": {"value": {"id": 7}}}}],
        },
    ],
)

ANN = resource(
    "users/ann",
    firstName="Ann",
    lastName="<O'Hara>",
    email="ann@example.com",
    state="active",
    groups=[{"name": "developers", "displayName": "Developers"}],
    identities=[{"provider": "Basic", "id": "ann@example.com"}],
)

SUMS = {
    "requests": 1000,
    "refused": 30,
    "failed": 1,
    "averageTime": 40.0,
    "longestTime": 2_400.0,
    "averageBackendTime": 30.0,
    "averageClientTime": 4.0,
}
ACTIVITY = {
    "since": "2026-01-02T03:04:00.000Z",
    "until": "2026-01-02T04:04:05.000Z",
    "total": SUMS,
    "minutes": [{"start": "2026-01-02T03:04:00.000Z", "requests": 900, "refused": 30, "failed": 1}, {"requests": 100}],
    "apis": [{"apiId": "/apis/shop", "apiName": "Book <shop>", **SUMS}, SUMS],
    "gateways": [{"gatewayId": "home", **SUMS}],
    "errors": [
        {
            "apiId": "/apis/shop",
            "responseCode": 429,
            "source": "rate-limit",
            "reason": "RateLimitExceeded",
            "requests": 30,
        },
        {"responseCode": 0, "source": "", "reason": "", "requests": 1},
    ],
}
FAILURE = {
    "requestId": "r1",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "gatewayId": "home",
    "apiId": "/apis/shop",
    "method": "POST",
    "url": "https://gw.example/shop?q=<b>it's",
    "responseCode": 429,
    "totalTime": 10.0,
    "backendTime": 0.0,
    "clientTime": 2.5,
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "error": {"reason": "RateLimitExceeded", "message": "Rate <limit> is exceeded.", "source": "rate-limit"},
    "trace": {
        "traceEntries": {
            "inbound": [
                {
                    "source": "rate-limit",
                    "elapsed": "00:00:00.0012000",
                    "data": {"message": ["5 of 5", "so"], "scope": "<api>"},
                }
            ]
        }
    },
}

COLLECTIONS: dict[str, list[dict[str, Any]]] = {
    "/products": [
        resource(
            "products/starter",
            displayName="Starter",
            state="published",
            description="For all",
            terms="Be <kind>",
            groups=[{"name": "guests"}, {"name": "developers"}],
        ),
        resource("products/draft", displayName="Draft", state="notPublished"),
    ],
    "/products/starter/apiLinks": [
        resource(f"apiLinks/{number}", apiId=each["id"]) for number, each in enumerate((SHOP, OLD))
    ],
    "/products/draft/apiLinks": [resource("apiLinks/hidden", apiId=HIDDEN["id"])],
    "/apis": [SHOP, OLD, HIDDEN],
    "/apis/shop;rev=1/operations": [OPERATION],
    "/gateways": [resource("gateways/home", description="At home"), resource("gateways/empty")],
    "/subscriptions": [
        resource("subscriptions/mine", displayName="Mine", scope=f"{LOCAL_SERVICE}/products/starter", state="active")
    ],
    "/changes": [],
    "/revisions": [],
    "/apiVersionSets": [resource("apiVersionSets/shops", versioningScheme="Header", versionHeaderName="Api-Version")],
    "/apisByTags": [{"tag": {"name": "books"}, "api": {"id": "/apis/shop;rev=1"}}],
    "/apis/shop;rev=1/releases": [
        resource("releases/r", apiId="/apis/shop;rev=1", notes="Faster", createdDateTime="2026-01-02T03:04:05Z")
    ],
    "/identityProviders": [],
    "/users/ann/subscriptions": [
        resource(
            "subscriptions/mine", displayName="Mine", state="active", scope="/products/starter", ownerId="/users/ann"
        )
    ],
    **{f"/reports/{name}": [] for name in ("byTime", "bySubscription", "byApi")},
    "/gateways/home/instances": [
        {
            "instanceId": "agent-1",
            "version": "0.1.0",
            "receivedAt": "2026-01-02T03:04:05Z",
            "cursor": 57,
            "source": "plane",
            "sidecars": [
                {
                    "id": "car-1",
                    "connected": True,
                    "issues": [{"resourceId": "/apis/x", "line": 4, "message": "No <x>"}],
                }
            ],
            "issues": [
                {"code": "BackupFailed", "message": "disk full"},
                {"code": "ConfigurationShrunk", "message": "2 APIs where 5 are held"},
            ],
        },
        {},
    ],
    "/gateways/empty/instances": [],
    "/activity/requests": [FAILURE, {"requestId": "r/2", "responseCode": 200}],
}
ENTITIES = {
    "/activity": ACTIVITY,
    "/activity/requests/r1": FAILURE,
    "/activity/requests/r2": {"requestId": "r2"},
    "/apis/shop;rev=1": SHOP,
    "/subscriptions/mine": COLLECTIONS["/subscriptions"][0],
    "/portalsettings/signin": resource("portalsettings/signin", enabled=False),
    "/portalsettings/signup": resource("portalsettings/signup", enabled=True),
    "/portalsettings/delegation": resource("portalsettings/delegation", url=""),
    "/policies/policy": resource("policies/policy", value=POLICY, format="rawxml"),
}


class FakePlane:
    """`url` once started; `page` limits the rows of one answer; `status` overrides every answer."""

    def __init__(self) -> None:
        self.url = ""
        self.page = 1
        self.status = 0
        self.user: dict[str, Any] | None = ANN
        self.calls: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)  # somebody may be waiting for a change
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        if self.status:
            return web.Response(status=self.status, text="out of order")
        if request.path == "/exports/shop":
            return web.json_response({"openapi": "3.0.1", "paths": {}, "components": {"schemas": {}}})
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "AuthenticationFailed", "Who are you?")
        if request.query.get("api-version") != "2024-05-01" or not request.path.startswith(LOCAL_SERVICE):
            return _error(400, "MissingApiVersionParameter", "No api-version.")
        path = request.path.removeprefix(LOCAL_SERVICE)
        self.calls.append(f"{request.method} {path}")
        if path == "/redeemSsoToken" and (await request.json())["token"] == "good&token=":
            return web.json_response({"userId": "/users/ann"})
        if path == "/redeemSsoToken":
            return _error(400, "ValidationError", "One or more fields contain incorrect values:")
        if request.method == "POST":
            return self._post(path)
        if request.query.get("export"):
            openapi = "openapi" in request.query.get("format", "")
            link = {"value": {"link": f"{self.url}/exports/shop"}}
            return web.json_response(link) if openapi else _error(400, "ValidationError", "Not in this format.")
        if path == "/users/ann" and self.user is not None:
            return web.json_response(self.user)
        if path in COLLECTIONS:
            return self._list(request, COLLECTIONS[path])
        if path in ENTITIES:
            return web.json_response(ENTITIES[path], headers={"ETag": '"1"'})
        return _error(404, "ResourceNotFound", "Not found.")

    def _post(self, path: str) -> web.Response:
        if path == "/subscriptions/mine/listSecrets":
            return web.json_response({"primaryKey": SECRET, "secondaryKey": "second"})
        if path in ("/subscriptions/mine/regeneratePrimaryKey", "/gateways/home/acceptConfiguration"):
            return web.Response(status=204)
        return _error(404, "ResourceNotFound", "Not found.")

    def _list(self, request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
        skip = int(request.query.get("$skip", 0))
        size = min(self.page, int(request.query.get("$top", 1000)))
        answer: dict[str, Any] = {"value": rows[skip : skip + size], "count": len(rows)}
        if skip + size < len(rows):
            answer["nextLink"] = str(request.url.update_query({"$skip": str(skip + size)}))
        if request.path.endswith("/instances"):
            answer = {"value": rows}
        return web.json_response(answer, dumps=json.dumps)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message, "details": None}}, status=status)

"""The request debugger: one request through a gateway, and its trace step by step.

It is what `passerelle trace` does: a debug token of the plane, the request with it, the trace. The request goes from
the portal to one of `portal.gateways` and nowhere else; a chosen subscription's key is fetched for it and never shown.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from portal import activity, traces
from portal.catalogue import versioning_of
from portal.model import Api, Operation, display_name, name_of, properties_of
from portal.page import PLANE, SETTINGS, page
from portal.pages.console import signed_in, taking
from portal.pages.trial import RELAY
from portal.plane import NotThere, Plane, segment
from portal.samples import Versioning, address
from portal.session import Session
from portal.settings import Settings

routes = web.RouteTableDef()

LARGEST = 1024 * 1024  # bytes of a form
SHOWN = 128 * 1024  # bytes of an answer's body; the rest is read and counted up to MOST
MOST = 16 * 1024 * 1024
OFFERED = 50  # APIs or subscriptions that a list offers
LIFE = "PT5M"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
NO_TRACE = ("Apim-Debug-Authorization-Expired", "Apim-Debug-Authorization-WrongAPI", "Apim-Debug-Authorization-Invalid")

_PLACEHOLDER = re.compile(r"\{(\*?)([^{}]+)\}")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(.*)")


class Unsendable(Exception):
    """What was filled in makes no request, or no gateway answered it; the text says why."""


@dataclass(frozen=True)
class Filled:
    """The form as it stands. `values` are of the parameters, by name; `path` may have their placeholders."""

    gateway: int
    method: str
    path: str
    values: Mapping[str, str]
    headers: str
    body: str
    key: str

    def target(self, operation: Operation | None) -> str:
        """Path and query with the parameters in it."""

        def fill(match: re.Match[str]) -> str:
            value = self.values.get(match[2])
            return match[0] if value is None else quote(value, safe="/" if match[1] else "")

        path, _, query = _PLACEHOLDER.sub(fill, self.path).partition("?")
        pairs = [query] if query else []
        for each in operation.parameters if operation else ():
            value = self.values.get(each.name, "")
            if each.place == "query" and value and f"{{{each.name}}}" not in self.path:
                pairs.append(f"{quote(each.name, safe='')}={quote(value, safe='')}")
        return path + ("?" + "&".join(pairs) if pairs else "")


@dataclass(frozen=True)
class Answer:
    """What a gateway answered. `more` bytes of the body are not in `body`; None when it is no text."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    size: int
    more: int
    took: str
    trace: str


@routes.get("/console/debugger")
@signed_in
async def form(request: web.Request, current: Session) -> web.Response:
    return await _page(request, current, request.query)


@routes.post("/console/debugger")
@taking(LARGEST)
async def send(request: web.Request, current: Session) -> web.Response:
    data = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    if data.get("do") == "choose":
        return await _page(request, current, {name: data.get(name, "") for name in ("api", "operation")})
    return await _page(request, current, data, sending=True)


@routes.get("/console/traces/{trace:[0-9a-fA-F-]{32,36}}")
@signed_in
async def trace(request: web.Request, current: Session) -> web.Response:
    found = traces.read(await _trace(request.app[PLANE], request.match_info["trace"]))
    return page(request, "console/trace.html", session=current, trace=found)


@routes.get("/console/traces/{trace:[0-9a-fA-F-]{32,36}}/json")
@signed_in
async def raw(request: web.Request, current: Session) -> web.Response:
    id = request.match_info["trace"]
    text = json.dumps(await _trace(request.app[PLANE], id), indent=2, ensure_ascii=False)
    headers = {"Content-Disposition": f'attachment; filename="trace-{id}.json"'}
    return web.Response(text=text, content_type="application/json", headers=headers)


async def _page(
    request: web.Request, current: Session, data: Mapping[str, str], *, sending: bool = False
) -> web.Response:
    plane, settings = request.app[PLANE], request.app[SETTINGS]
    wanted = data.get("api", "").strip()
    (offered, count), subscriptions = await asyncio.gather(_apis(plane, wanted), _subscriptions(plane))
    api = next((each for each in offered if wanted and wanted in (each.id, each.name)), None)
    if api is None and wanted:
        api = await _api(plane, wanted)
    operations: list[Operation] = []
    scheme, key = Versioning(), ""
    if api is not None:
        path = f"/apis/{segment(api.id)}"
        rows, products, own, scheme = await asyncio.gather(
            plane.every(f"{path}/operations"),
            plane.every(f"{path}/products"),
            _subscriptions(plane, f"/apis/{api.id}"),
            versioning(plane, api),
        )
        subscriptions = list(dict.fromkeys([*own, *subscriptions]))
        key = _fitting(api, list(map(name_of, products)), subscriptions)
        operations = [Operation.read(each) for each in rows]
    name = data.get("operation", "")
    operation = next((each for each in operations if each.id == name), operations[0] if operations else None)
    filled = _filled(data, api, operation, scheme, settings, key) if api else None
    answer, found, wrong = None, None, ""
    if sending and api is not None and filled is not None:
        try:
            answer = await _send(request.app, api, operation, filled)
            if answer.trace:
                found = traces.read(await _trace(plane, answer.trace))
            else:
                wrong = _why(answer)
        except (Unsendable, NotThere) as error:
            wrong = (
                str(error)
                if isinstance(error, Unsendable)
                else ("The gateway has not told the trace yet, or is not connected to this plane. Its id is above.")
            )
    return page(
        request,
        "console/debugger.html",
        session=current,
        gateways=settings.gateways,
        apis=offered,
        count=count,
        wanted=wanted,
        api=api,
        operations=operations,
        operation=operation,
        filled=filled,
        methods=METHODS if filled is None or filled.method in METHODS else (*METHODS, filled.method),
        subscriptions=subscriptions,
        answer=answer,
        trace=found,
        wrong=wrong,
    )


def _filled(
    data: Mapping[str, str],
    api: Api,
    operation: Operation | None,
    scheme: Versioning,
    settings: Settings,
    key: str,
) -> Filled:
    """What was sent, else what the operation's description offers, and `key`."""
    gateway = data.get("gateway", "1")
    chosen = int(gateway) if gateway.isascii() and gateway.isdecimal() and len(gateway) < 4 else 1
    path = data.get("path") or address("", api, scheme) + ("/" + operation.template.lstrip("/") if operation else "/")
    parameters = operation.parameters if operation else ()
    values = {each.name: data[f"p.{each.name}"] if f"p.{each.name}" in data else _offered(each) for each in parameters}
    body = next((each for each in operation.bodies if each.example is not None), None) if operation else None
    headers = data.get("headers")
    if headers is None:
        lines = [f"{each.name}: {values[each.name]}" for each in parameters if each.place == "header" and each.required]
        lines += [f"Content-Type: {body.content_type}"] if body else []
        lines += [f"{scheme.name}: {api.version}"] if scheme.scheme == "Header" and api.version else []
        headers = "\n".join(lines)
    method = data.get("method") or (operation.method if operation and operation.method != "*" else "GET")
    example = (body.example or "") if body else ""
    return Filled(
        gateway=chosen if 1 <= chosen <= len(settings.gateways) else 1,
        method=method,
        path=path if path.startswith("/") else f"/{path}",
        values=values,
        headers=headers,
        body=data.get("body", example),
        key=data.get("key", key),
    )


def _offered(parameter: Any) -> str:
    offered = parameter.example or parameter.default or next(iter(parameter.values), "")
    if offered or not parameter.required:
        return str(offered)
    return "1" if parameter.type in ("integer", "number") else str(parameter.name)


async def _send(app: web.Application, api: Api, operation: Operation | None, filled: Filled) -> Answer:
    """Raises Unsendable."""
    plane, settings, client = app[PLANE], app[SETTINGS], app[RELAY].session
    assert client is not None, "the relay is opened first"
    if not settings.gateways:
        raise Unsendable("The portal knows no gateway: set portal.gateways to the URLs of yours.")
    base = settings.tried[filled.gateway - 1]
    target = filled.target(operation)
    if not re.fullmatch(r"[!-~]+", target) or "#" in target:
        raise Unsendable("The path has characters that must be written as %XX, or a #.")
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}", filled.method):
        raise Unsendable("The method is none.")
    headers = _headers(filled.headers)
    if filled.key:
        secrets = await plane.post(f"/subscriptions/{segment(filled.key)}/listSecrets")
        headers.append((api.key_header, str(secrets.get("primaryKey") or "")))
    wish = {"apiId": f"/apis/{api.id}", "purposes": ["tracing"], "credentialsExpireAfter": LIFE}
    credentials = await plane.post("/gateways/managed/listDebugCredentials", wish)
    headers.append(("Apim-Debug-Authorization", str(credentials.get("token") or "")))
    body = filled.body.replace("\r\n", "\n").encode() if filled.body else None
    try:
        return await _call(client, base, target, filled.method, headers, body)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) if isinstance(error, aiohttp.ClientConnectorError) else type(error).__name__
        raise Unsendable(f"The gateway at {base} does not answer: {reason}.") from None


async def _call(
    client: aiohttp.ClientSession,
    base: str,
    target: str,
    method: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
) -> Answer:
    started = time.perf_counter()
    async with client.request(
        method,
        URL(base + target, encoded=True),
        headers=headers,
        data=body,
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Content-Type"),
    ) as response:
        kept, size = bytearray(), 0
        async for piece in response.content.iter_chunked(64 * 1024):
            size += len(piece)
            kept += piece[: max(0, SHOWN - len(kept))]
            if size > MOST:
                break
        return Answer(
            status=response.status,
            reason=response.reason or "",
            headers=tuple(response.headers.items()),
            body=_text(bytes(kept), response.content_type),
            size=size,
            more=size - len(kept),
            took=activity.milliseconds((time.perf_counter() - started) * 1000),
            trace=response.headers.get("Apim-Trace-Id", ""),
        )


def _headers(text: str) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            raise Unsendable(f"Line {number} of the headers is none: write Name: value.")
        if match[1].lower() in ("content-length", "transfer-encoding", "connection"):
            raise Unsendable(f"{match[1]} is set by whoever sends the request: leave it out.")
        found.append((match[1], match[2]))
    return found


def _text(content: bytes, kind: str) -> str | None:
    """A body for people; JSON is indented. None when it is no text."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if error.start < len(content) - 4 or len(content) < SHOWN:  # else a character that was cut in two
            return None
        text = content[: error.start].decode()
    if "json" in kind:
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text
    return text


def _why(answer: Answer) -> str:
    told = dict(answer.headers)
    for name in NO_TRACE:
        if name in told:
            return f"There is no trace: {told[name]}"
    return (
        "There is no trace: what answered is no gateway of this plane, or has not fetched the key of debug tokens yet. "
        "Send it again in a moment."
    )


async def _trace(plane: Plane, id: str) -> dict[str, Any]:
    return await plane.post("/gateways/managed/listTrace", {"traceId": id})


async def versioning(plane: Plane, api: Api) -> Versioning:
    if not api.version_set or not api.version:
        return Versioning()
    try:
        return versioning_of(api, await plane.get(f"/apiVersionSets/{segment(api.version_set)}"))
    except NotThere:
        return Versioning()


async def _apis(plane: Plane, wanted: str) -> tuple[list[Api], int]:
    rows, count = await plane.page("/apis", 1, OFFERED)
    return [Api.read(each) for each in rows], count


async def _api(plane: Plane, wanted: str) -> Api | None:
    """By its name, else by what people call it."""
    try:
        return Api.read(await plane.get(f"/apis/{segment(wanted)}"))
    except NotThere:
        text = wanted.replace("'", "''")
        rows, _ = await plane.page("/apis", 1, 1, **{"$filter": f"contains(displayName,'{text}')"})
        return Api.read(rows[0]) if rows else None


def _fitting(api: Api, products: list[str], subscriptions: list[tuple[str, str, str]]) -> str:
    """A subscription whose key the API takes: its own, else one of its products, else one for everything."""
    if not api.subscription_required:
        return ""
    for scope in (f"apis/{api.id}", *(f"products/{each}" for each in products), "apis", ""):
        for name, _, of in subscriptions:
            if of.lower() == scope.lower():
                return name
    return ""


async def _subscriptions(plane: Plane, scope: str = "") -> list[tuple[str, str, str]]:
    """Those that are active, of one scope or any: (name, what to call it, its scope)."""
    text = scope.replace("'", "''")
    query = {"$filter": f"endswith(scope,'{text}')"} if scope else {}
    rows, _ = await plane.page("/subscriptions", 1, OFFERED, **query)
    found = []
    for each in rows:
        properties = properties_of(each)
        if properties.get("state") == "active":
            scope = re.split(r"/service/[^/]+", str(properties.get("scope") or ""), maxsplit=1, flags=re.IGNORECASE)[-1]
            scope = scope.strip("/")
            found.append((name_of(each), f"{display_name(each)} ({scope or 'everything'})", scope))
    return found

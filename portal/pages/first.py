"""The first minute: an OpenAPI document, by drag and drop or pasted, becomes an API that can be called at once.

One import makes the API, gives it to the chosen gateways, and makes a subscription with a key to call it with. The page
behind shows the command, with the key, because it was just asked for; no other page does without being asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from portal.model import Api, Operation, name_of, properties_of
from portal.page import PLANE, SETTINGS, page
from portal.pages.console import signed_in, taking
from portal.pages.debugger import versioning
from portal.pages.documents import EMPTY
from portal.plane import LONG, NotThere, Plane, PlaneAway, PlaneRefused, Stale, segment
from portal.samples import KEY, call, curl
from portal.session import Session

routes = web.RouteTableDef()

LARGEST = 16 * 1024 * 1024  # bytes of a document, which is what the plane takes
FORM = LARGEST + 64 * 1024
BACKENDS = ("document", "url", "examples")
NAMES = {"openapi", "swagger", "api", "spec", "specification", "apidocs", "api-docs", "index"}

_TITLE = re.compile(r"""(?:^|[{,])\s*["']?title["']?\s*:\s*["']?(?P<title>[^"'\n,#]{1,200})""", re.MULTILINE)
_SERVED = re.compile(r"[A-Za-z0-9._~/-]*")
_MOCK = """        <base />
        <!-- answers with the examples of the API's description; take it out when there is a backend -->
        <mock-response status-code="200" content-type="application/json" />
"""
MOCKED = EMPTY.replace("        <base />\n", _MOCK, 1)


@dataclass(frozen=True)
class Wish:
    """What is to be imported. `backend` is one of BACKENDS, `url` for the second; `again`: in the place of another."""

    text: str = ""
    file: str = ""
    id: str = ""
    path: str = ""
    backend: str = "document"
    url: str = ""
    gateways: tuple[str, ...] | None = None  # None: all
    again: bool = False


@routes.get("/console/import")
@signed_in
async def form(request: web.Request, current: Session) -> web.Response:
    return await _form(request, current, Wish(id=request.query.get("api", "")))


@routes.post("/console/import")
@taking(FORM)
async def take(request: web.Request, current: Session) -> web.Response:
    data = await request.post()
    if data.get("sample"):
        text = Path(__file__).parents[1].joinpath("sample.yaml").read_text(encoding="utf-8")
        wish = Wish(text, "weather.yaml", "weather-sample", "weather", "examples", again=True)
        return await _make(request, current, wish)
    given = data.get("file")
    text, file = str(data.get("text", "")).replace("\r\n", "\n"), ""
    if isinstance(given, FileField) and given.filename:
        file = Path(given.filename.replace("\\", "/")).name[:200]
        try:
            text = given.file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            wish = Wish(file=file)
            return await _form(request, current, wish, (f"{file} is no text in UTF-8: an OpenAPI document is one.",))
    wish = Wish(
        text=text,
        file=file,
        id=str(data.get("id", "")).strip(),
        path=str(data.get("path", "")).strip().strip("/"),
        backend=str(data.get("backend", "document")),
        url=str(data.get("url", "")).strip(),
        gateways=None if data.get("everywhere") else tuple(map(str, data.getall("gateway", []))),
        again=data.get("again") == "yes",
    )
    return await _make(request, current, wish)


async def _make(request: web.Request, current: Session, wish: Wish) -> web.Response:
    wrong = _wrong(wish)
    if wrong:
        return await _form(request, current, wish, wrong)
    id = wish.id or _id_of(wish)
    plane = request.app[PLANE]
    properties: dict[str, Any] = {"format": _format(wish.text), "value": wish.text, "path": wish.path or id}
    if wish.backend == "url":
        properties["serviceUrl"] = wish.url
    try:
        made, _ = await plane.store(f"/apis/{segment(id)}", properties, match="" if wish.again else "new", timeout=LONG)
        await _settle(plane, id, wish)
    except Stale:
        words = f"There is an API '{id}' already. Choose another name, or tick that this one takes its place."
        return await _form(request, current, wish, (words,), taken=id)
    except PlaneRefused as refused:
        return await _form(request, current, wish, refused.details or (str(refused),))
    except PlaneAway as away:
        return await _form(request, current, wish, (f"{away} Nothing you typed is lost: send it again.",), status=503)
    return await _ready(request, current, Api.read(made))


async def _settle(plane: Plane, id: str, wish: Wish) -> None:
    """What makes an API callable: gateways that serve it, a subscription, and where there is no backend, a policy."""
    api = f"/apis/{segment(id)}"
    if wish.backend == "examples":
        await plane.store(f"{api}/policies/policy", {"format": "rawxml", "value": MOCKED})
    serving = [name_of(each) for each in await plane.every("/gateways")]
    for gateway in serving if wish.gateways is None else [each for each in serving if each in wish.gateways]:
        await plane.store(f"/gateways/{segment(gateway)}{api}", {"provisioningState": "created"})
    await plane.store(
        f"/subscriptions/{segment(_subscription(id))}",
        {"displayName": f"Trying {id}"[:100], "scope": f"/apis/{id}", "state": "active"},
    )


async def _ready(request: web.Request, current: Session, api: Api) -> web.Response:
    """The command that calls it."""
    plane, gateways = request.app[PLANE], request.app[SETTINGS].gateways
    rows, _ = await plane.page(f"/apis/{segment(api.id)}/operations", 1, 200)
    operations = sorted((Operation.read(each) for each in rows), key=_ease)
    secrets = await plane.post(f"/subscriptions/{segment(_subscription(api.id))}/listSecrets")
    newest, _ = await plane.page("/revisions", 1, 1)
    command = ""
    if operations:
        gateway = gateways[0] if gateways else "https://YOUR-GATEWAY"
        line = curl.sample(call(gateway, api, operations[0], await versioning(plane, api)))
        command = line.replace(KEY, str(secrets.get("primaryKey") or ""))
    mocked = "<mock-response" in await _policy(plane, api.id)
    return page(
        request,
        "console/ready.html",
        session=current,
        api=api,
        count=len(rows),
        operation=operations[0] if operations else None,
        command=command,
        revision=newest[0].get("revision") if newest else 0,
        answered=bool(api.service_url) or mocked,
        mocked=mocked,
        gateways=gateways,
    )


async def _policy(plane: Plane, id: str) -> str:
    try:
        answer = await plane.get(f"/apis/{segment(id)}/policies/policy", format="rawxml")
    except NotThere:
        return ""
    return str(properties_of(answer).get("value") or "")


async def _form(
    request: web.Request,
    current: Session,
    wish: Wish,
    wrong: tuple[str, ...] = (),
    *,
    taken: str = "",
    status: int = 0,
) -> web.Response:
    try:
        serving = [name_of(each) for each in await request.app[PLANE].every("/gateways")]
    except PlaneAway:
        if not wrong:
            raise
        serving = list(wish.gateways or ())
    return page(
        request,
        "console/import.html",
        session=current,
        wish=wish,
        wrong=wrong,
        places=[_place(each, wish.text) for each in wrong],
        serving=serving,
        taken=taken,
        limit=LARGEST // (1024 * 1024),
        status=status or (400 if wrong else 200),
    )


def _wrong(wish: Wish) -> tuple[str, ...]:
    found = []
    if not wish.text.strip():
        found.append("Choose a file, or paste a document.")
    elif len(wish.text.encode()) > LARGEST:
        found.append(f"The document is larger than {LARGEST // (1024 * 1024)} MiB.")
    elif wish.text.lstrip().startswith("<"):
        found.append("This is XML. Import WSDL, WADL and OData with the command: passerelle import wsdl FILE.")
    if wish.id and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", wish.id):
        found.append("A name has letters, digits, - _ and . only, and begins with one of the first two.")
    if not _SERVED.fullmatch(wish.path):
        found.append("A path has letters, digits, - . _ ~ and / only.")
    if wish.backend not in BACKENDS:
        found.append("The backend is one of the three.")
    if wish.backend == "url" and not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", wish.url):
        found.append("The backend's URL must start with http:// or https:// and name a host.")
    return tuple(found)


def _place(words: str, text: str) -> tuple[int, list[tuple[int, str]]]:
    """(the line that an error names, 0 for none; the lines around it) of a document."""
    found = re.search(r"\bline (\d{1,7})\b", words)
    line = int(found[1]) if found else 0
    lines = text.splitlines()
    if not 0 < line <= len(lines):
        return 0, []
    first = max(1, line - 2)
    return line, [(number, lines[number - 1][:300]) for number in range(first, min(len(lines), line + 2) + 1)]


def _format(text: str) -> str:
    """By what it looks like; the plane reads it exactly."""
    if not text.lstrip().startswith("{"):
        return "openapi"
    return "swagger-json" if re.search(r'"swagger"\s*:\s*"2', text[:20_000]) else "openapi+json"


def _id_of(wish: Wish) -> str:
    """From the file's name, unless that says nothing; then from the title."""
    name = re.sub(r"(\.(ya?ml|json|txt))+$", "", wish.file, flags=re.IGNORECASE)
    if not name or name.lower() in NAMES:
        title = _TITLE.search(wish.text[:200_000])
        name = title["title"] if title else name or "api"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "api"


def _subscription(id: str) -> str:
    return f"try-{id}"[:80]


def _ease(operation: Operation) -> tuple[bool, int, str]:
    """What is easiest to call comes first: GET, few parameters."""
    return operation.method != "GET", sum(each.required for each in operation.parameters), operation.template

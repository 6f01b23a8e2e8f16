"""The policy editor: a document of any scope, checked as it is typed, saved only over what was read.

The scope of a document is a path below the service: "" for the global one, /products/p, /apis/a, /apis/a/operations/o,
/policyFragments/f. Without scripts the form checks and saves by submitting it; nothing that was typed is lost, whatever
the plane says, or when it is away.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from portal import differences, snippets
from portal.model import Operation, display_name, mappings, name_of, properties_of
from portal.page import ENVIRONMENT, PLANE, SETTINGS, SIZE, Pages, number_of, page, see
from portal.pages.console import signed_in, taking, told, wants_json
from portal.plane import NotThere, Plane, PlaneAway, PlaneRefused, Stale, segment
from portal.session import Session

routes = web.RouteTableDef()

LARGEST = 2 * 1024 * 1024  # bytes of a form; a document may have 512 KiB, more when encoded
SCOPE = re.compile(
    r"(?P<product>/products/[^/]+)|(?P<fragment>/policyFragments/[^/]+)"
    r"|(?P<api>/apis/[^/]+)(?P<operation>/operations/[^/]+)?(?P<resolver>/resolvers/[^/]+)?|"
)
EMPTY = """<policies>
    <inbound>
        <base />
    </inbound>
    <backend>
        <base />
    </backend>
    <outbound>
        <base />
    </outbound>
    <on-error>
        <base />
    </on-error>
</policies>
"""
EMPTY_GLOBAL = EMPTY.replace("    <backend>\n        <base />", "    <backend>\n        <forward-request />").replace(
    "        <base />\n", ""
)
EMPTY_FRAGMENT = "<fragment>\n</fragment>\n"
SECTIONS = {"inbound": "Inbound", "backend": "Backend", "outbound": "Outbound", "on-error": "On error"}


@dataclass(frozen=True)
class Scope:
    """`text` as it came; `path` is the encoded path of its document; `kind` is global, product, api, operation,
    resolver or fragment."""

    text: str
    kind: str

    @classmethod
    def of(cls, text: str) -> Scope:
        """Raises HTTPBadRequest."""
        found = SCOPE.fullmatch(text)
        if (
            found is None
            or (found["operation"] and found["resolver"])
            or any(each in (".", "..") for each in text.split("/"))
        ):
            raise web.HTTPBadRequest(
                text="A scope is empty, /products/…, /apis/…, /apis/…/operations/…, or /policyFragments/…."
            )
        for kind in ("resolver", "operation", "api", "product", "fragment"):
            if found[kind]:
                return cls(text, kind)
        return cls(text, "global")

    @property
    def holder(self) -> str:
        return "/".join(map(segment, self.text.split("/")))

    @property
    def path(self) -> str:
        return self.holder if self.kind == "fragment" else f"{self.holder}/policies/policy"

    @property
    def api(self) -> str:
        return self.text.split("/")[2] if self.kind in ("api", "operation", "resolver") else ""

    @property
    def operation(self) -> str:
        return self.text.rsplit("/", 1)[1] if self.kind == "operation" else ""

    @property
    def name(self) -> str:
        return self.text.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Held:
    """A document as the plane has it; `tag` is "new" where there is none yet."""

    text: str
    tag: str
    description: str = ""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a document; `fragment` is where it stands when that is not the document itself."""

    line: int
    column: int
    element: str
    message: str
    severity: str
    fragment: str

    @classmethod
    def read(cls, value: dict[str, Any]) -> Finding:
        def whole(name: str) -> int:
            given = value.get(name)
            return max(1, given) if isinstance(given, int) else 1

        return cls(
            whole("line"),
            whole("column"),
            str(value.get("element") or ""),
            str(value.get("message") or ""),
            "warning" if value.get("severity") == "warning" else "error",
            str(value.get("fragment") or ""),
        )


@routes.get("/console/policy")
@signed_in
async def editor(request: web.Request, current: Session) -> web.Response:
    scope = Scope.of(request.query.get("scope", ""))
    plane = request.app[PLANE]
    held, known = await asyncio.gather(_held(plane, scope), _known(plane, scope))
    found = await _check(plane, scope, held.text) if held.tag != "new" else []
    return _editor(request, current, scope, held, held.text, known, found)


@routes.post("/console/policy")
@taking(LARGEST)
async def save(request: web.Request, current: Session) -> web.StreamResponse:
    """`do` says which button: check, save or delete. A script asks for JSON and gets the same answers as such."""
    form = await request.post()
    scope = Scope.of(str(form.get("scope", "")))
    text = str(form.get("text", "")).replace("\r\n", "\n")
    tag, do, plane = str(form.get("tag", "")) or "new", str(form.get("do", "check")), request.app[PLANE]
    try:
        if do == "check":
            found = await _check(plane, scope, text)
            return await _again(request, current, scope, text, tag, found)
        if do == "delete":
            await plane.delete(scope.path, tag)
            return _done(request, scope, "", "The document is gone: what the scopes above say holds unchanged.")
        return await _save(request, current, scope, text, tag)
    except Stale:
        held = await _held(plane, scope)
        words = (
            "Somebody else changed this document since you opened it. Your text is kept: see what differs, then save."
        )
        theirs = differences.text_of("value", text, held.text)
        return await _again(request, current, scope, text, held.tag, [], words, 409, theirs)
    except PlaneRefused as refused:
        found = await _check(plane, scope, text)
        words = "" if any(each.severity == "error" for each in found) else str(refused)
        return await _again(request, current, scope, text, tag, found, words, 400)
    except PlaneAway:
        words = "The management plane is away, so nothing was saved. Your text is kept here: try again in a moment."
        return await _again(request, current, scope, text, tag, [], words, 503)


async def _save(request: web.Request, current: Session, scope: Scope, text: str, tag: str) -> web.StreamResponse:
    plane = request.app[PLANE]
    found = await _check(plane, scope, text)
    if any(each.severity == "error" for each in found):
        return await _again(request, current, scope, text, tag, found, "", 400)
    properties = {"format": "rawxml", "value": text}
    if scope.kind == "fragment" and tag != "new":
        description = properties_of(await plane.get(scope.path)).get("description")
        properties |= {"description": description} if isinstance(description, str) else {}
    _, made = await plane.store(scope.path, properties, match=tag)
    return _done(request, scope, made, "Saved.")


def _done(request: web.Request, scope: Scope, tag: str, words: str) -> web.Response:
    number = tag.strip('"')
    revision = int(number, 16) if re.fullmatch(r"[0-9a-f]{1,16}", number) else 0
    if wants_json(request):
        return told({"saved": True, "tag": tag, "revision": revision, "words": words})
    words = f"{words} It is revision {revision}, live at the gateways with their next look." if revision else words
    return see(request, f"/console/policy?scope={quote(scope.text, safe='/')}", "good", words)


async def _again(
    request: web.Request,
    current: Session,
    scope: Scope,
    text: str,
    tag: str,
    found: list[Finding],
    words: str = "",
    status: int = 200,
    theirs: differences.Text | None = None,
) -> web.Response:
    """The same page with what was typed; for a script the findings, and the other's text where there is one."""
    if wants_json(request):
        issues = [each.__dict__ for each in found]
        more = {"diff": _rendered(request, theirs)} if theirs is not None else {}
        # what is wrong with a document is an answer, and no failure of the call
        return told(
            {"saved": False, "tag": tag, "issues": issues, "words": words, **more}, 503 if status == 503 else 200
        )
    try:
        known = await _known(request.app[PLANE], scope)
    except PlaneAway:
        known = {}
    return _editor(request, current, scope, Held(text, tag), text, known, found, words, status, theirs)


def _rendered(request: web.Request, theirs: differences.Text) -> str:
    return request.app[ENVIRONMENT].get_template("console/conflict.html").render(theirs=theirs)


def _editor(
    request: web.Request,
    current: Session,
    scope: Scope,
    held: Held,
    text: str,
    known: dict[str, str],
    found: list[Finding],
    words: str = "",
    status: int = 200,
    theirs: differences.Text | None = None,
) -> web.Response:
    return page(
        request,
        "console/policy.html",
        session=current,
        scope=scope,
        held=held,
        text=text,
        lines=text.count("\n") + 1,
        found=found,
        words=words,
        theirs=theirs,
        checked=request.method == "POST",
        groups=snippets.groups(known),
        addresses=request.app[SETTINGS].gateways,
        status=status,
    )


@routes.get("/console/policies")
@signed_in
async def documents(request: web.Request, current: Session) -> web.Response:
    """Every document there is, and fragments."""
    plane, number = request.app[PLANE], number_of(request)
    (rows, count), (fragments, _) = await asyncio.gather(
        plane.page("/allPolicies", number, SIZE), plane.page("/policyFragments", 1, 500)
    )
    shown = []
    for each in rows:
        id = str(properties_of(each).get("referencePolicyId") or "")
        below = re.split(r"/service/[^/]+", id, maxsplit=1, flags=re.IGNORECASE)[-1].removesuffix("/policies/policy")
        if SCOPE.fullmatch(below):
            shown.append(Scope.of(below))
    return page(
        request,
        "console/policies.html",
        session=current,
        scopes=shown,
        fragments=[(name_of(one), str(properties_of(one).get("description") or "")) for one in fragments],
        pages=Pages(number, count),
    )


@routes.get("/console/policies/fragment")
@signed_in
async def fragment(request: web.Request, current: Session) -> web.Response:
    """Where a fragment of this name is begun."""
    name = request.query.get("name", "").strip()
    if not re.fullmatch(r"\w[\w-]{0,79}", name):
        return see(request, "/console/policies", "bad", "A fragment's name has letters, digits, - and _ only.")
    return see(request, f"/console/policy?scope=/policyFragments/{segment(name)}")


@routes.get("/console/apis/{api}/operations/{operation}/effective")
@signed_in
async def effective(request: web.Request, current: Session) -> web.Response:
    """What runs for an operation: all scopes put together, each element with its scope."""
    plane = request.app[PLANE]
    api, name, product = request.match_info["api"], request.match_info["operation"], request.query.get("product", "")
    path = f"/apis/{segment(api)}/operations/{segment(name)}"
    query = {"productId": product} if product else {}
    operation, answer, products = await asyncio.gather(
        plane.get(path),
        plane.get(f"{path}/effectivePolicy", **{**query, "$top": "1000"}),
        plane.every(f"/apis/{segment(api)}/products"),
    )
    parts: dict[str, list[dict[str, Any]]] = {each: [] for each in SECTIONS}
    for each in mappings(answer.get("value")):
        document = str(each.get("document") or "")
        parts.setdefault(str(each.get("section") or ""), []).append(
            {**each, "holder": document.removesuffix("/policies/policy") if document else None}
        )
    return page(
        request,
        "console/effective.html",
        session=current,
        api=api,
        operation=Operation.read(operation),
        parts=parts,
        sections=SECTIONS,
        product=product,
        products=[(name_of(one), display_name(one)) for one in products],
    )


async def _held(plane: Plane, scope: Scope) -> Held:
    try:
        answer, tag = await plane.tagged(scope.path, format="rawxml")
    except NotThere:
        if scope.kind != "fragment" and scope.text:
            await plane.get(scope.holder)  # there is such a product, API or operation
        empty = {"fragment": EMPTY_FRAGMENT, "global": EMPTY_GLOBAL}.get(scope.kind, EMPTY)
        return Held(empty, "new")
    properties = properties_of(answer)
    return Held(str(properties.get("value") or ""), tag, str(properties.get("description") or ""))


async def _check(plane: Plane, scope: Scope, text: str) -> list[Finding]:
    answer = await plane.post("/checkPolicy", {"scope": scope.text, "value": text, "format": "rawxml"})
    return [Finding.read(dict(each)) for each in mappings(answer.get("issues"))]


async def _known(plane: Plane, scope: Scope) -> dict[str, str]:
    """The policies that may stand in the document, each with what it does."""
    asked = {"global": "Tenant", "product": "Product", "api": "Api", "operation": "Operation"}.get(scope.kind, "All")
    rows, _ = await plane.page("/policyDescriptions", 1, 500, scope=asked)
    return {name_of(each): str(properties_of(each).get("description") or "") for each in rows}

"""What others wrote never becomes markup, script or a link that runs: planted wherever publishers, consumers and
gateways can write, then every page of both sites that links lead to is looked at in a real browser.

That no page may run foreign scripts (its content security policy) is the second line; here not even that is needed: the
browser must not have refused anything.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Response

from tests.browser.conftest import WHOLE, _need_chromium
from tests.e2e.house import House, request

# pages of each walk; all of them with `make browser`
MOST = 150 if os.environ.get(WHOLE) else 9
PRODUCT = "93483"  # of 7191 and 13
PLANTED = (
    """</script><script>window.owned='script'</script>""",
    """"><img src=/planted onerror="window.owned='img'">""",
    """'><svg onload="window.owned='svg'">""",
    """javascript:window.owned='link'//""",
    """<a href="javascript:window.owned='a'" onclick="window.owned='b'">x</a>[x](javascript:window.owned='c')""",
    """{{7191*13}}${7191*13}{%25 print 7191*13 %25}#{7191*13}""",
    """</textarea></title></style></template><iframe srcdoc="<script>parent.owned='frame'</script>"></iframe>""",
    """<base href=//evil.example><meta http-equiv=refresh content="0;url=//evil.example"><style>*{color:red}</style>""",
    "--></code></pre>\u202egnp.exe \u2028\u2029<form action=//evil.example><button>ok</button></form>",
)
ALL = " ".join(PLANTED)
# what a page has that none may have
FOREIGN = """() => [
  ...[...document.querySelectorAll('*')].flatMap((each) => [...each.attributes].filter((one) =>
    /^on/i.test(one.name) || one.name === 'srcdoc' || (/^(href|src|action|formaction|xlink:href)$/i.test(one.name) &&
    (/^[\\s\\0-\\x1f]*(javascript|vbscript|data:text)/i.test(one.value) || /evil.example/.test(one.value))))
    .map((one) => `${each.tagName} ${one.name}=${one.value}`)),
  ...[...document.querySelectorAll('script:not([src]), iframe, base, style')].map((each) => each.outerHTML.slice(0, 9)),
  ...(window.owned ? [`ran: ${window.owned}`] : []),
  ...(window.refused || []),
]"""
LISTEN = """window.refused = []; document.addEventListener('securitypolicyviolation',
  (event) => window.refused.push(`refused ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    _need_chromium()
    environment = {"portal.name": "<img src=x onerror=1>{{7191*13}}"}
    found = House(tmp_path_factory.mktemp("planted"), extra=("--sidecars", "1", "--no-demo"), environment=environment)
    try:
        yield found.start()
    finally:
        found.stop()


def plant(town: House) -> None:
    """In every field that takes any text."""
    description = {"description": ALL}
    person = {"firstName": PLANTED[1][:100], "lastName": PLANTED[0][:100], "password": "correct horse battery"}
    reference = {"apiVersionSetId": "/apiVersionSets/set", "apiVersion": "v1", "apiVersionDescription": ALL[:200]}
    examples = {name: {"value": ALL} for name in ("default", "<script>")}
    representation = {"contentType": "application/json", "typeName": "T", "schemaId": "s", "examples": examples}
    parameter = {
        "name": PLANTED[1],
        "type": PLANTED[0],
        "required": True,
        "defaultValue": ALL,
        "values": [ALL],
        **description,
    }
    schema = {
        "T": {
            "type": "object",
            "title": ALL,
            "properties": {ALL: {"type": "string", "description": ALL, "enum": [ALL]}},
        }
    }
    others = "<backend><base /></backend><outbound><base /></outbound>"
    policy = f"<policies><inbound><base /><!-- {ALL.replace('--', '- -')} --></inbound>{others}</policies>"
    rows: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "/apiVersionSets/set",
            {"displayName": ALL[:100], "versioningScheme": "Header", "versionHeaderName": "X-V", **description},
        ),
        (
            "/apis/shop",
            {
                "displayName": ALL[:300],
                "path": "shop",
                "serviceUrl": "https://backend.example",
                **reference,
                **description,
            },
        ),
        (
            "/apis/other",
            {
                "displayName": PLANTED[0],
                "path": "other",
                **description,
                "contact": {"name": ALL, "url": PLANTED[3], "email": ALL},
                "license": {"name": ALL, "url": PLANTED[3]},
                "termsOfServiceUrl": PLANTED[3],
                "subscriptionKeyParameterNames": {"header": "X-Key", "query": PLANTED[1]},
            },
        ),
        (
            "/apis/shop/schemas/s",
            {
                "contentType": "application/vnd.oai.openapi.components+json",
                "document": {"components": {"schemas": schema}},
            },
        ),
        (
            "/apis/shop/operations/get",
            {
                "displayName": ALL[:300],
                "method": "POST",
                "urlTemplate": "/x/{id}",
                **description,
                "templateParameters": [{**parameter, "name": "id"}],
                "request": {
                    **description,
                    "queryParameters": [parameter],
                    "headers": [parameter],
                    "representations": [representation],
                },
                "responses": [
                    {"statusCode": 200, **description, "representations": [representation], "headers": [parameter]}
                ],
            },
        ),
        (
            "/apis/other/operations/get",
            {"displayName": PLANTED[2], "method": "GET", "urlTemplate": "/y", **description},
        ),
        ("/apis/shop/policies/policy", {"format": "rawxml", "value": policy}),
        (
            "/policyFragments/piece",
            {"format": "rawxml", "value": f"<fragment><!-- {PLANTED[1]} --></fragment>", **description},
        ),
        ("/apis/shop/releases/one", {"apiId": "/apis/shop;rev=1", "notes": ALL}),
        ("/tags/tag", {"displayName": PLANTED[1]}),
        ("/products/open", {"displayName": PLANTED[0] + PLANTED[1], "state": "published", "terms": ALL, **description}),
        ("/products/open/groups/guests", {}),
        ("/products/open/groups/developers", {}),
        ("/products/open/apis/shop", {}),
        ("/products/open/apis/other", {}),
        ("/apis/shop/tags/tag", {}),
        ("/groups/group", {"displayName": ALL[:300], **description}),
        ("/users/ann", {**person, "email": "ann@example.com", "note": ALL}),
        ("/groups/group/users/ann", {}),
        (
            "/subscriptions/mine",
            {"displayName": PLANTED[1][:100], "scope": "/products/open", "ownerId": "/users/ann", "state": "active"},
        ),
        ("/gateways/planted", {"locationData": {"name": ALL[:200], "city": PLANTED[1]}, **description}),
        ("/portalsettings/signup", {"enabled": True, "termsOfService": {"enabled": True, "text": ALL}}),
        ("/backends/b", {"url": "https://backend.example", "protocol": "http", "title": ALL[:300], **description}),
        (
            "/loggers/l",
            {"loggerType": "applicationInsights", "credentials": {"instrumentationKey": "k"}, "description": ALL[:256]},
        ),
    )
    for path, properties in rows:
        reply = town.arm(
            path, "PUT", {"properties": properties}, **{"Passerelle-Author": "<script>window.owned=1</script>"}
        )
        assert reply.status in (200, 201), (path, reply.status, reply.body)
    beat(town)


def beat(town: House) -> None:
    """A gateway that tells what it likes."""
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    expiry = {"keyType": "primary", "expiry": f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"}
    token = town.arm("/gateways/planted/generateToken", "POST", expiry).json["value"]
    issue = {
        "resourceId": f"/apis/{PLANTED[1]}",
        "line": 1,
        "column": 1,
        "element": ALL,
        "message": ALL,
        "code": ALL,
        "text": ALL,
    }
    car = {
        "id": PLANTED[1],
        "name": ALL,
        "connected": True,
        "cursor": PLANTED[0],
        "version": ALL,
        "issues": [issue],
        "host": ALL,
    }
    document = {
        "instanceId": PLANTED[1],
        "hostname": ALL,
        "host": ALL,
        "version": PLANTED[0],
        "source": ALL,
        "sidecars": [car],
        "issues": [{"code": each, "message": ALL} for each in ("BackupFailed", "ConfigurationShrunk", ALL)],
    }
    url = f"{town.info['management']}/gateways/planted/heartbeat"
    reply = request(url, "POST", {"Authorization": f"GatewayKey {token}", "Content-Type": "application/json"}, document)
    assert reply.status in (200, 202, 204), (reply.status, reply.body)


def test_what_is_planted_never_runs(chromium: Browser, town: House) -> None:
    plant(town)
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page, found = context.new_page(), []
    page.set_default_timeout(20_000)
    page.add_init_script(LISTEN)
    page.on("dialog", lambda dialog: (found.append(f"{page.url}: a dialog"), dialog.dismiss()))
    page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda asked: (
            found.append(f"{page.url}: {asked.url}")
            if "planted" in urlsplit(asked.url).path and asked.resource_type == "image"
            else None
        ),
    )
    portal = town.info["portal"]
    seen: dict[str, None] = {}

    def walk(*starts: str) -> None:
        waiting = list(starts)
        while waiting and len(seen) < MOST:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen[path] = None
            check(page.goto(f"{portal}{path}"))
            for link in page.eval_on_selector_all("a[href]", "all => all.map((each) => each.href)"):
                target = urlsplit(link)
                inner = f"{target.path}?{target.query}" if target.query else target.path
                if (
                    f"{target.scheme}://{target.netloc}" == portal
                    and "/document" not in inner
                    and shape(inner) not in shapes
                ):
                    shapes.add(shape(inner))
                    waiting.append(inner)

    def check(response: Response | None) -> None:
        wrong = page.evaluate(FOREIGN)
        text = page.content()
        if PRODUCT in text:
            wrong.append("a template ran")
        if response is not None and response.status >= 500:
            wrong.append(f"status {response.status}")
        found.extend(f"{page.url}: {each}" for each in wrong)

    shapes: set[str] = set()
    walk(
        "/",
        "/sign-up",
        "/forgotten",
        f"/new-password?token={PLANTED[1]}",
        f"/?q={PLANTED[1]}&tag={PLANTED[1]}",
        f"/sign-in?back={PLANTED[3]}",
        f"/nowhere/{PLANTED[1]}",
    )
    page.goto(f"{portal}/apis/shop/try")
    page.locator(".opblock-summary-control").first.click()
    page.locator(".opblock-body").first.wait_for()
    check(None)
    for format in ("openapi-json", "openapi-yaml", "swagger"):
        answer = context.request.get(f"{portal}/apis/shop/document/{format}")
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["x-content-type-options"] == "nosniff"
    page.goto(f"{portal}/sign-in")
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Subscriptions").wait_for()
    shapes.clear()
    seen.clear()
    walk("/profile")
    page.goto(f"{portal}/profile")
    page.get_by_role("button", name=re.compile("Show keys")).click()
    check(None)
    assert len(seen) > min(MOST, 8) - 1, list(seen)
    page.goto(f"{portal}/console/sign-in")
    page.get_by_label("Admin token").fill(str(town.info["token"]))
    page.get_by_label(re.compile("Your name")).fill(PLANTED[1][:60])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Revisions").wait_for()
    seen.clear()
    shapes.clear()
    walk(
        "/console",
        "/console/policies",
        "/console/debugger?api=shop",
        f"/console/apis?q={PLANTED[1]}",
        f"/console/import?api={PLANTED[1]}",
    )
    assert len(seen) > min(MOST, 20) - 1, list(seen)
    context.close()
    assert found == [], json.dumps(found[:20], indent=1)


def shape(path: str) -> str:
    """Pages of one kind are looked at a few times."""
    return re.sub(r"(?<=/revisions/)\d*[02468](?=/|$)", "N", path)

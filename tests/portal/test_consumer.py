"""What a consumer of APIs does in the portal, on a real plane: find, sign up, subscribe, use keys; what it may not."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from management.app import make_app
from portal import session
from tests.management.conftest import TOKEN
from tests.portal.house import PASSWORD, House, csrf, house

GATEWAY = "https://api.example.com"
SPECIFICATION = {
    "openapi": "3.0.1",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://backend.example.com"}],
    "paths": {
        "/books/{id}": {
            "get": {
                "operationId": "get-book",
                "summary": "One book",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {
                    "200": {
                        "description": "Found",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}},
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Book": {
                "type": "object",
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "description": "As printed", "maxLength": 80},
                    "kind": {"type": "string", "enum": ["novel", "poems"]},
                    "next": {"$ref": "#/components/schemas/Book"},
                },
            }
        }
    },
}


@pytest.fixture
async def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with house(tmp_path, monkeypatch, gateways=(GATEWAY,)) as found:
        await found.plane.put(
            "/apis/shop", {"format": "openapi+json", "value": json.dumps(SPECIFICATION), "path": "shop"}
        )
        for name in ("inner", "secret", "nowhere"):
            await found.plane.api(name)
        await found.plane.put("/groups/partners", {"displayName": "Partners"})
        await found.product("public", "guests", "developers", apis=("shop",), terms="Be kind.")
        await found.product("inside", "developers", apis=("inner",), approvalRequired=True)
        await found.product("partners", "partners", apis=("secret",))
        await found.product("draft", "guests", apis=("nowhere",), state="notPublished")
        yield found


async def shown(people: House) -> set[str]:
    """The APIs that a visitor finds, by list, by page and by product; all three must agree."""
    names = ("shop", "inner", "secret", "nowhere")
    listed = set(re.findall(r'href="/apis/([\w-]+)"', await people.go("/")))
    there = {name for name in names if (await people.client.get(f"/apis/{name}")).status == 200}
    products = re.findall(r'href="/products/([\w-]+)"', await people.go("/products"))
    held = {
        name for one in products for name in re.findall(r'href="/apis/([\w-]+)"', await people.go(f"/products/{one}"))
    }
    assert listed == there == held
    return listed


async def test_everybody_sees_what_their_groups_may(people: House) -> None:
    assert await shown(people) == {"shop"}
    name = await people.sign_up()
    assert await shown(people) == {"shop", "inner"}
    await people.plane.put(f"/groups/partners/users/{name}")
    assert await shown(people) == {"shop", "inner", "secret"}
    for path in ("/apis/nowhere", "/products/draft", "/apis/nowhere/try", "/apis/nowhere/document/openapi-json"):
        await people.go(path, 404)


async def test_a_change_at_the_plane_is_seen(people: House) -> None:
    await people.go("/")
    await people.plane.put("/apis/new", {"displayName": "Brand new", "path": "new"})
    assert "Brand new" not in await people.go("/")
    await people.plane.put("/products/public/apis/new")
    assert "Brand new" in await people.go("/")
    await people.plane.call("PATCH", "/products/public", {"state": "notPublished"})
    assert "Brand new" not in await people.go("/")


async def test_an_operation_with_its_schema(people: House) -> None:
    text = await people.go("/apis/shop/operations/get-book?lang=python")
    for words in (
        "urllib.request",
        "As printed",
        "at most 80 characters",
        "<code>novel</code>",
        "YOUR-SUBSCRIPTION-KEY",
    ):
        assert words in text
    await people.go("/apis/shop/operations/nothing", 404)


async def test_versions_tags_and_the_change_log(people: House) -> None:
    plane = people.plane
    await plane.put("/apiVersionSets/store", {"displayName": "Store", "versioningScheme": "Segment"})
    for version in ("v1", "v2", "v10"):
        more = {"apiVersion": version, "apiVersionSetId": "/apiVersionSets/store", "isCurrent": True}
        await plane.put(f"/apis/store-{version}", {"displayName": "Store", "path": "store", **more})
        await plane.put(f"/products/public/apis/store-{version}")
    await plane.put("/tags/buying", {"displayName": "Buying & selling"})
    await plane.put("/apis/store-v10/tags/buying")
    listed = await people.go("/")
    assert listed.count('class="path"') == 2, "versions of an API are one entry"
    assert 'href="/apis/store-v10"' in re.findall(r"<h2>.*?</h2>", listed)[1], "v10 comes after v2"
    assert [name for name in ("v1", "v2", "v10") if f'href="/apis/store-{name}"' in listed] == ["v1", "v2", "v10"]
    assert "Shop" not in await people.go("/?tag=Buying+%26+selling")
    assert f"{GATEWAY}/store/v10" in await people.go("/apis/store-v10")
    await plane.put("/apis/shop;rev=2", {"apiRevision": "2", "sourceApiId": "/apis/shop"})
    await plane.put("/apis/shop/releases/second", {"apiId": "/apis/shop;rev=2", "notes": "Twice as <fast>."})
    page = await people.go("/apis/shop")
    assert "Twice as &lt;fast&gt;." in page
    assert "revision 2" in page


async def test_documents_to_keep(people: House) -> None:
    response = await people.client.get("/apis/shop/document/openapi-json")
    assert response.headers["Content-Disposition"] == 'attachment; filename="shop.json"'
    document = json.loads(await response.text())
    assert document["servers"] == [{"url": f"{GATEWAY}/shop"}]
    assert document["components"]["schemas"]["Book"]["required"] == ["title"]
    assert "openapi: 3.0" in await people.go("/apis/shop/document/openapi-yaml")
    assert '"swagger": "2.0"' in await people.go("/apis/shop/document/swagger")
    for other in ("wsdl", "graphql", "nonsense"):
        await people.go(f"/apis/shop/document/{other}", 404)
    await people.plane.put(
        "/apis/graph", {"displayName": "Graph", "path": "graph", "type": "graphql", "serviceUrl": "https://x/graphql"}
    )
    schema = {
        "contentType": "application/vnd.ms-azure-apim.graphql.schema",
        "document": {"value": "type Query { a: Int }"},
    }
    await people.plane.put("/apis/graph/schemas/graphql", schema)
    await people.plane.put("/products/public/apis/graph")
    assert "type Query" in await people.go("/apis/graph/document/graphql")
    await people.go("/apis/graph/document/openapi-json", 404)


async def test_from_sign_up_to_a_key(people: House) -> None:
    name = await people.sign_up()
    assert "consent" in await people.send("/products/public", "/products/public/subscribe", name="Mine")
    assert await people.plane.names(f"/users/{name}/subscriptions") == []
    page = await people.send("/products/public", "/products/public/subscribe", name="Mine", consent="yes")
    assert "Mine is active" in page
    (id,) = await people.plane.names(f"/users/{name}/subscriptions")
    secrets = (await people.plane.call("POST", f"/subscriptions/{id}/listSecrets")).body
    assert secrets["primaryKey"] not in page, "keys are shown when they are asked for"
    path = f"/profile/subscriptions/{id}"
    opened = await people.send("/profile", f"{path}/keys")
    assert secrets["primaryKey"] in opened
    assert secrets["secondaryKey"] in opened
    headers = {"Accept": "application/json", "X-Csrf-Token": csrf(opened)}
    async with people.client.post(f"{path}/keys", headers=headers) as response:
        assert await response.json() == secrets
    asked = f"{path}/regenerate?key=primary"
    assert asked in opened
    assert "do not come back" not in opened
    assert "Make a new primary key" in await people.go(asked)
    assert "Make a new primary key" in await people.send("/profile", f"{path}/regenerate", key="primary")
    assert (await people.plane.call("POST", f"/subscriptions/{id}/listSecrets")).body == secrets, "it asks again"
    await people.send(asked, f"{path}/regenerate", key="primary", sure="yes")
    after = (await people.plane.call("POST", f"/subscriptions/{id}/listSecrets")).body
    assert after["primaryKey"] != secrets["primaryKey"]
    assert after["secondaryKey"] == secrets["secondaryKey"]
    await people.send("/profile", f"{path}/regenerate", 400, key="both")
    assert "Other &lt;name&gt;" in await people.send("/profile", f"{path}/rename", name="Other <name>")
    assert f'href="{path}/cancel"' in await people.go("/profile")
    assert "do not come back" in await people.send("/profile", f"{path}/cancel")
    assert (await people.plane.get(f"/subscriptions/{id}"))["properties"]["state"] == "active", "it asks again"
    await people.send(f"{path}/cancel", f"{path}/cancel", sure="yes")
    assert (await people.plane.get(f"/subscriptions/{id}"))["properties"]["state"] == "cancelled"


async def test_a_product_that_approves(people: House) -> None:
    name = await people.sign_up()
    assert "waits for approval" in await people.send("/products/inside", "/products/inside/subscribe", name="Please")
    (id,) = await people.plane.names(f"/users/{name}/subscriptions")
    assert (await people.plane.get(f"/subscriptions/{id}"))["properties"]["state"] == "submitted"
    await people.plane.call("PATCH", f"/subscriptions/{id}", {"state": "active"})
    assert ">active<" in await people.go("/profile")
    await people.send("/products/public", "/products/partners/subscribe", 404, name="x")
    await people.send("/products/public", "/products/draft/subscribe", 404, name="x")


async def test_nobody_touches_what_is_somebody_elses(people: House) -> None:
    name = await people.sign_up()
    await people.send("/products/public", "/products/public/subscribe", name="Mine", consent="yes")
    (id,) = await people.plane.names(f"/users/{name}/subscriptions")
    await people.send("/profile", "/sign-out")
    await people.sign_up("bob")
    for ours in (id, "master", "nothing", "."):
        for what, fields in (
            ("keys", {}),
            ("regenerate", {"key": "primary"}),
            ("rename", {"name": "x"}),
            ("cancel", {}),
        ):
            await people.send("/profile", f"/profile/subscriptions/{ours}/{what}", 404, **fields)
    assert (await people.plane.get(f"/subscriptions/{id}"))["properties"]["state"] == "active"


async def test_nothing_changes_without_the_tokens_of_the_session(people: House) -> None:
    guest = csrf(await people.go("/sign-in"))
    name = await people.sign_up()
    for token in ("", guest, "0" * 64):
        for path in ("/profile/name", "/profile/close", "/sign-out", "/products/public/subscribe", "/try"):
            response = await people.client.post(path, data={"csrf": token, "sure": "yes", "consent": "yes"})
            assert response.status == 403
    assert await people.plane.names("/users") == sorted(["1", name])


async def test_signing_in_is_a_new_session(people: House) -> None:
    await people.sign_up()
    address = people.client.make_url("/")
    first = people.client.session.cookie_jar.filter_cookies(address)[session.VISIT].value
    await people.send("/profile", "/sign-out")
    await people.sign_in()
    second = people.client.session.cookie_jar.filter_cookies(address)[session.VISIT].value
    assert first != second
    people.client.session.cookie_jar.clear()
    response = await people.client.get("/profile", cookies={session.VISIT: first}, allow_redirects=False)
    assert response.status == 303, "the old one is over"


async def test_who_has_an_account_is_not_told(people: House) -> None:
    await people.sign_up()
    await people.send("/profile", "/sign-out")
    fields = {"password": "another password", "firstName": "E", "lastName": "F"}
    said = [
        await people.send("/sign-up", "/sign-up", email=email, **fields)
        for email in ("ann@example.com", "eve@example.com")
    ]
    assert without_tokens(said[0]) == without_tokens(said[1])
    wrong = [await people.sign_in(name, "a wrong password", 403) for name in ("ann", "nobody")]
    assert without_tokens(wrong[0]).replace("ann@", "nobody@") == without_tokens(wrong[1])
    await people.sign_in("ann")
    assert "ann@example.com" in await people.go("/profile")


def without_tokens(text: str) -> str:
    return re.sub(r'name="csrf" value="\w+"', "", text)


async def test_attempts_are_limited(people: House) -> None:
    token = csrf(await people.go("/sign-in"))
    statuses = []
    for number in range(25):
        form = {"csrf": token, "email": f"{number}@x", "password": "wrong"}
        async with people.client.post("/sign-in", data=form) as response:
            statuses.append(response.status)
    assert statuses == [403] * 20 + [429] * 5
    assert int(response.headers["Retry-After"]) > 0


async def test_an_account_is_changed_and_closed(people: House) -> None:
    name = await people.sign_up()
    assert "Eve Adams" in await people.send("/profile", "/profile/name", firstName="Eve", lastName="Adams")
    assert "old password is wrong" in await people.send("/profile", "/profile/password", old="x", new="a new password")
    old = people.client.session.cookie_jar.filter_cookies(people.client.make_url("/"))[session.VISIT].value
    await people.send("/profile", "/profile/password", old=PASSWORD, new="a new password")
    new = people.client.session.cookie_jar.filter_cookies(people.client.make_url("/"))[session.VISIT].value
    assert new != old
    await people.send("/products/public", "/products/public/subscribe", name="Mine", consent="yes")
    await people.send("/profile", "/profile/close")
    assert name in await people.plane.names("/users"), "not without being sure"
    await people.send("/profile", "/profile/close", sure="yes")
    assert await people.plane.names("/users") == ["1"]
    assert await people.plane.names("/subscriptions") == ["master"]


NEW_PASSWORD = "another horse battery"


@pytest.mark.parametrize("how", ["changed", "set by the operator", "blocked", "deleted", "deleted and made again"])
async def test_sessions_elsewhere_end_with_the_password_and_the_account(people: House, how: str) -> None:
    name = await people.sign_up()
    jar, address = people.client.session.cookie_jar, people.client.make_url("/")

    def visit() -> str:
        return str(jar.filter_cookies(address)[session.VISIT].value)

    async def signed_in(cookie: str) -> bool:
        kept, found = visit(), {session.VISIT: cookie}
        response = await people.client.get("/profile", cookies=found, allow_redirects=False)
        jar.update_cookies({session.VISIT: kept}, address)
        return response.status == 200

    mine = visit()
    other = session.begin_visit(TOKEN, name, session.read_visit(mine, TOKEN).stamp)  # type: ignore[union-attr]
    assert await signed_in(other)
    person = {"email": "ann@example.com", "firstName": "A", "lastName": "X"}
    if how == "changed":
        said = await people.send("/profile", "/profile/password", old=PASSWORD, new=NEW_PASSWORD)
        assert "you are signed out" in said
        assert await signed_in(visit()), "who changed it goes on"
    elif how == "set by the operator":
        await people.plane.call("PATCH", f"/users/{name}", {"password": NEW_PASSWORD})
    elif how == "blocked":
        await people.plane.call("PATCH", f"/users/{name}", {"state": "blocked"})
        assert not await signed_in(mine)
        await people.plane.call("PATCH", f"/users/{name}", {"state": "active"})
    else:
        await people.plane.delete(f"/users/{name}")
        if how == "deleted and made again":
            await people.plane.put(f"/users/{name}", {**person, "password": PASSWORD})
    assert not await signed_in(mine)
    assert not await signed_in(other)


async def test_where_one_came_from(people: House) -> None:
    await people.sign_up()
    await people.send("/profile", "/sign-out")
    for back, target in (
        ("/products/public", "/products/public"),
        ("//evil.example", "/profile"),
        ("https://e", "/profile"),
    ):
        token = csrf(await people.go("/sign-in"))
        form = {"csrf": token, "email": "ann@example.com", "password": PASSWORD, "back": back}
        response = await people.client.post("/sign-in", data=form, allow_redirects=False)
        assert response.headers["Location"] == target
        await people.send("/profile", "/sign-out")
    for path in ("/\\evil.example", "/%0d%0aSet-Cookie:x", "javascript:alert(1)"):
        assert "evil" not in (await people.client.get("/sign-in", params={"back": path})).headers.get("Location", "")


async def test_terms_closed_doors_and_delegation(people: House) -> None:
    terms = {"text": "Be <very> kind.", "enabled": True, "consentRequired": True}
    await people.plane.put("/portalsettings/signup", {"enabled": True, "termsOfService": terms})
    assert "Be &lt;very&gt; kind." in await people.go("/sign-up")
    fields = {"email": "ann@example.com", "password": PASSWORD, "firstName": "A", "lastName": "B"}
    await people.send("/sign-up", "/sign-up", 400, **fields)
    await people.send("/sign-up", "/sign-up", consent="yes", **fields)
    await people.plane.put("/portalsettings/signup", {"enabled": False})
    assert "Accounts are made by whoever runs this portal" in await people.go("/sign-up")
    await people.plane.put("/portalsettings/signin", {"enabled": True})
    for path in ("/", "/apis/shop", "/products"):
        response = await people.client.get(path, allow_redirects=False)
        assert response.headers["Location"] == f"/sign-in?back={path}"
    key = "c2VjcmV0"
    settings = {"url": "https://login.example/go", "validationKey": key, "userRegistration": {"enabled": True}}
    await people.plane.put("/portalsettings/delegation", settings | {"subscriptions": {"enabled": False}})
    response = await people.client.get("/sign-in", allow_redirects=False)
    assert re.fullmatch(
        r"https://login\.example/go\?operation=SignIn&returnUrl=/profile&salt=\S+&sig=\S+", response.headers["Location"]
    )
    await people.plane.put("/portalsettings/delegation", settings | {"userRegistration": {"enabled": False}})
    await people.sign_in()
    await people.plane.put(
        "/portalsettings/delegation",
        settings | {"userRegistration": {"enabled": False}, "subscriptions": {"enabled": True}},
    )
    onward = await people.send("/products/public", "/products/public/subscribe", consent="yes")
    assert "0; url=https://login.example/go?operation=Subscribe&amp;productId=public" in onward, "no redirect of a form"


async def test_the_plane_away_and_back(people: House) -> None:
    await people.sign_up()
    pages = ("/", "/apis/shop", "/apis/shop/operations/get-book", "/products", "/products/public")
    for path in pages:
        await people.go(path)
    port = people.plane.server.port
    await people.plane.server.close()
    for path in (
        "/",
        "/apis/shop",
        "/apis/shop/operations/get-book",
        "/apis/shop/try",
        "/products",
        "/products/public",
    ):
        text = await people.go(path)
        assert "The management plane is away" in text
        assert "Ann X" in text, "who is signed in stays so"
    assert "what was known" not in await people.go("/profile", 503), "nothing of it is shown there"
    again = web.AppRunner(make_app(people.plane.store, TOKEN))
    await again.setup()
    await web.TCPSite(again, "127.0.0.1", port).start()
    for path in (*pages, "/profile"):
        assert "The management plane is away" not in await people.go(path)
    await again.cleanup()


async def test_usage(people: House) -> None:
    await people.sign_up()
    for days in ("1", "7", "30", "90", "x"):
        assert "No call with one of your keys" in await people.go(f"/profile/usage?days={days}")


async def test_who_signs_up_to_subscribe_comes_back_to_it(people: House) -> None:
    here = "/products/public"
    for page in (here, f"/sign-in?back={here}"):
        assert f'href="/sign-up?back={here}"' in await people.go(page)
    text = await people.go(f"/sign-up?back={here}")
    fields = {"email": "eve@example.com", "firstName": "Eve", "lastName": "Adams", "password": PASSWORD}
    form = {"csrf": csrf(text), "back": here, **fields}
    refused = await people.client.post("/sign-up", data={**form, "password": "short"})
    assert f'name="back" value="{here}"' in await refused.text(), "it outlives a password that is too short"
    done = await people.client.post("/sign-up", data=form, allow_redirects=False)
    assert done.headers["Location"] == f"/sign-in?back={here}"
    away = await people.client.post("/sign-up", data={**form, "back": "//evil.example"}, allow_redirects=False)
    assert away.headers["Location"] == "/sign-in"


async def test_a_form_of_a_session_that_ended_leads_to_signing_in(people: House) -> None:
    await people.sign_up()
    token = csrf(await people.go("/profile"))
    await people.send("/profile", "/sign-out")
    for path, back in (("/profile/name", "/profile"), ("/products/public/subscribe", "/products/public")):
        response = await people.client.post(path, data={"csrf": token}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, f"/sign-in?back={back}")
        assert "signed out meanwhile" in await people.go("/sign-in")


async def test_a_page_that_is_not_there_leads_on(people: House) -> None:
    for path, way in (("/nowhere", 'href="/">To the APIs'), ("/console/nowhere", 'href="/console">To the gateways')):
        text = await (await people.client.get(path)).text()
        assert "There is no page at this address" in text
        assert way in text
        assert "404: Not Found" not in text
        assert ("Sign up" in text) is (path == "/nowhere"), "operators are not asked to sign up"


async def test_one_subscription_too_many_is_told_to_a_consumer(people: House) -> None:
    await people.product("public", "developers", subscriptionsLimit=1)
    await people.sign_up()
    for _ in range(2):
        text = await people.send("/products/public", "/products/public/subscribe", name="Mine", consent="yes")
    assert "as many subscriptions of this product as one person may have" in text
    assert "subscriptionsLimit" not in text


async def test_visitors_are_not_told_where_the_plane_is(people: House) -> None:
    await people.plane.server.close()
    for path in ("/sign-in", "/sign-up"):
        response = await people.client.get(path)
        text = await response.text()
        assert response.status == 503
        assert "The management plane is away" in text
        assert "127.0.0.1" not in text
        assert "ClientConnector" not in text

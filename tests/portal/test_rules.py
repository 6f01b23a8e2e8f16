"""What holds for every address of the portal and the console. The addresses are the router's own, so one that nobody
wrote a rule for fails here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from management import arm, passwords
from portal import session
from portal.headers import CSP
from portal.pages import console
from portal.settings import Settings
from portal.web import application
from tests.management.conftest import TOKEN
from tests.portal.house import PASSWORD, House, house

Who = Literal["anyone", "visitor", "operator"]


@dataclass(frozen=True)
class Rule:
    """Whose page or form it is. `form` is what a form sends beside its token; `quiet`: it changes nothing at the plane,
    even as it is meant. `free`: a form without a token, because no other site knows what it must carry."""

    who: Who
    form: dict[str, str] = field(default_factory=dict)
    quiet: bool = False
    free: bool = False


SIGN_UP = {"email": "new@example.com", "password": "a password of mine", "firstName": "N", "lastName": "W"}
POLICY = "<policies><inbound><base /></inbound><backend><base /></backend><outbound><base /></outbound></policies>"
RULES: dict[str, Rule] = {
    "GET /health": Rule("anyone"),
    "GET /static/{name}": Rule("anyone"),
    "GET /": Rule("anyone"),
    "GET /apis/{api}": Rule("anyone"),
    "GET /apis/{api}/operations/{operation}": Rule("anyone"),
    "GET /apis/{api}/document/{format}": Rule("anyone"),
    "GET /apis/{api}/try": Rule("anyone"),
    "GET /apis/{api}/try/document": Rule("anyone"),
    "POST /try": Rule("anyone", quiet=True),
    "GET /products": Rule("anyone"),
    "GET /products/{product}": Rule("anyone"),
    "GET /sign-in": Rule("anyone"),
    "POST /sign-in": Rule("anyone", {"email": "bob@example.com", "password": PASSWORD}, quiet=True),
    "GET /sign-up": Rule("anyone"),
    "POST /sign-up": Rule("anyone", SIGN_UP),
    "GET /confirm": Rule("anyone"),
    "POST /confirm": Rule("anyone", {"token": "x"}, quiet=True),
    "GET /forgotten": Rule("anyone"),
    "POST /forgotten": Rule("anyone", {"email": "bob@example.com"}, quiet=True),
    "GET /new-password": Rule("anyone"),
    "POST /new-password": Rule("anyone", {"token": "x", "password": "a password of mine"}, quiet=True),
    "GET /signin-sso": Rule("anyone"),
    "GET /sign-in/openid": Rule("anyone"),
    "GET /sign-in/openid/back": Rule("anyone"),
    "POST /sign-out": Rule("anyone", quiet=True),
    "GET /profile": Rule("visitor"),
    "GET /profile/usage": Rule("visitor"),
    "POST /profile/name": Rule("visitor", {"firstName": "Eve", "lastName": "Adams"}),
    "POST /products/{product}/subscribe": Rule("visitor", {"name": "another"}),
    "POST /profile/subscriptions/{subscription}/keys": Rule("visitor", quiet=True),
    "GET /profile/subscriptions/{subscription}/regenerate": Rule("visitor"),
    "POST /profile/subscriptions/{subscription}/regenerate": Rule("visitor", {"key": "primary", "sure": "yes"}),
    "POST /profile/subscriptions/{subscription}/rename": Rule("visitor", {"name": "another name"}),
    "GET /profile/subscriptions/{subscription}/cancel": Rule("visitor"),
    "POST /profile/subscriptions/{subscription}/cancel": Rule("visitor", {"sure": "yes"}),
    "GET /console/sign-in": Rule("anyone"),
    "POST /console/sign-in": Rule("anyone", {"token": TOKEN}, quiet=True, free=True),
    "GET /console": Rule("operator"),
    "GET /console/live": Rule("operator"),
    "GET /console/apis": Rule("operator"),
    "GET /console/apis/{api}": Rule("operator"),
    "GET /console/apis/{api}/operations/{operation}/effective": Rule("operator"),
    "GET /console/products": Rule("operator"),
    "GET /console/subscriptions": Rule("operator"),
    "GET /console/subscriptions/{subscription}": Rule("operator"),
    "POST /console/subscriptions/{subscription}/keys": Rule("operator", quiet=True),
    "GET /console/subscriptions/{subscription}/regenerate": Rule("operator"),
    "POST /console/subscriptions/{subscription}/regenerate": Rule("operator", {"key": "secondary", "sure": "yes"}),
    "GET /console/activity": Rule("operator"),
    "GET /console/requests": Rule("operator"),
    "GET /console/requests/{request}": Rule("operator"),
    "GET /console/policies": Rule("operator"),
    "GET /console/policies/fragment": Rule("operator"),
    "GET /console/policy": Rule("operator"),
    "POST /console/policy": Rule("operator", {"scope": "/apis/shop", "text": POLICY, "do": "save", "tag": "new"}),
    "GET /console/debugger": Rule("operator"),
    "POST /console/debugger": Rule("operator", {"do": "choose", "api": "shop"}, quiet=True),
    "GET /console/traces/{trace}": Rule("operator"),
    "GET /console/traces/{trace}/json": Rule("operator"),
    "GET /console/revisions": Rule("operator"),
    "GET /console/revisions/{revision}": Rule("operator"),
    "GET /console/revisions/{revision}/rollback": Rule("operator"),
    "GET /console/import": Rule("operator"),
    "POST /console/import": Rule("operator", {"sample": "yes"}),
    "POST /console/gateways/{gateway}/accept": Rule("operator"),
    # what ends what others here need comes last
    "POST /console/revisions/{revision}/rollback": Rule(
        "operator", quiet=True
    ),  # of a page that is too old: a question
    "POST /profile/password": Rule("visitor", {"old": PASSWORD, "new": "a new password"}),
    "POST /profile/close": Rule("visitor", {"sure": "yes"}),
    "POST /console/sign-out": Rule("operator", quiet=True),
}
PAGES = [name for name in RULES if name.startswith("GET ")]
FORMS = [name for name in RULES if name.startswith("POST ")]


def test_every_address_has_a_rule() -> None:
    known = {
        f"{route.method} {route.resource.canonical}"
        for route in application(Settings()).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert known == set(RULES)


@dataclass
class Town:
    """`ann` and `bob` are cookies of visitors, `operator` of the operator; `names` fill addresses."""

    people: House
    browser: aiohttp.ClientSession
    names: dict[str, str]
    ann: dict[str, str]
    bob: dict[str, str]
    operator: dict[str, str]

    def cookies(self, rule: Rule) -> dict[str, str]:
        return {"anyone": GUEST, "visitor": self.ann, "operator": self.operator}[rule.who]

    async def ask(self, name: str, **more: Any) -> tuple[aiohttp.ClientResponse, str]:
        method, path = name.split(" ", 1)
        for key, value in {**self.names, **more.pop("names", {})}.items():
            path = path.replace(f"{{{key}}}", "%2E%2E" if value == ".." else quote(value, safe=""))
        url = URL(str(self.people.client.make_url("/")).rstrip("/") + path, encoded=True)
        async with self.browser.request(method, url, allow_redirects=False, **more) as response:
            return response, await response.text()

    async def state(self) -> str:
        """Of all that the plane keeps."""
        count = (await self.people.plane.get("/revisions"))["count"]
        keys = [
            (await self.people.plane.call("POST", f"/subscriptions/{each}/listSecrets")).body
            for each in sorted(await self.people.plane.names("/subscriptions"))
        ]
        return f"{count} {keys}"


GUEST = {session.FORM: "a-browser-that-was-here-before"}


def token_of(cookies: dict[str, str]) -> str:
    if (cookie := cookies.get(session.COOKIE)) and (current := session.read(cookie, TOKEN)):
        return current.csrf
    if (cookie := cookies.get(session.VISIT)) and (visit := session.read_visit(cookie, TOKEN)):
        return visit.csrf
    return session.form_token(TOKEN, cookies[session.FORM])


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    monkeypatch.setattr(console, "WRONG_TOKEN_WAIT", 0.0)
    monkeypatch.setattr(arm, "PATIENCE", 0.0)
    nowhere = ("http://127.0.0.1:9",)
    settings = {"gateways": nowhere, "tried": nowhere, "url": "https://portal.example"}
    async with house(tmp_path, monkeypatch, **settings) as people:
        plane = people.plane
        for api in ("shop", "unlisted"):
            await plane.api(api)
            operation = {"displayName": "Get", "method": "GET", "urlTemplate": "/x"}
            await plane.put(f"/apis/{api}/operations/get", operation)
        await people.product("public", "guests", "developers", apis=("shop",), subscriptionsLimit=9)
        await people.product("inner-circle", "administrators", apis=("unlisted",))
        await plane.put("/gateways/home", {"locationData": {"name": "here"}})
        visits = {}
        for name in ("ann", "bob"):
            person = {"email": f"{name}@example.com", "firstName": name, "lastName": "X", "password": PASSWORD}
            await plane.put(f"/users/{name}", person)
            properties = {"displayName": name, "scope": "/products/public", "ownerId": f"/users/{name}"}
            await plane.put(f"/subscriptions/of-{name}", {**properties, "state": "active"})
            stamp = (await plane.get(f"/users/{name}", query={"expandSessionStamp": "true"}))["properties"]
            visits[name] = {session.VISIT: session.begin_visit(TOKEN, name, stamp["sessionStamp"])}
        names = {
            "api": "shop", "operation": "get", "product": "public", "format": "openapi-json", "name": "portal.css",
            "subscription": "of-ann", "gateway": "home", "request": "none", "revision": "2", "trace": "0" * 32,
        }  # fmt: skip
        operator = {session.COOKIE: session.begin(TOKEN)}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
            yield Town(people, browser, names, visits["ann"], visits["bob"], operator)


async def test_what_every_answer_says(town: Town) -> None:
    """Whoever asks: no frames, no scripts but ours, no guessed types, nothing kept; cookies that no script reads."""
    cookies = 0
    for name, rule in RULES.items():
        for who in (GUEST, town.cookies(rule)):
            data = {"csrf": token_of(who), **rule.form} if name.startswith("POST") and rule.quiet else None
            response, _ = await town.ask(name, cookies=who, data=data)
            assert response.status < 500 or name == "GET /console/traces/{trace}", name
            policy = response.headers[CSP]
            assert "frame-ancestors 'none'" in policy or "sandbox" in policy, name
            assert "unsafe" not in policy, name
            assert response.headers["X-Frame-Options"] == "DENY", name
            assert response.headers["X-Content-Type-Options"] == "nosniff", name
            assert response.headers["Referrer-Policy"] == "same-origin", name
            assert response.headers["Server"] == "Passerelle", name
            assert "Access-Control-Allow-Origin" not in response.headers, name
            assert name == "GET /static/{name}" or response.headers["Cache-Control"] == "no-store", name
            for cookie in filter(lambda each: each.value, response.cookies.values()):
                cookies += 1
                assert cookie["httponly"], (name, cookie.key)
                assert cookie["secure"], (name, cookie.key, "the portal is used by https")
                assert cookie["samesite"] in ("Lax", "Strict"), (name, cookie.key)
                assert not cookie["domain"], (name, cookie.key)
                assert cookie["path"] in ("/", "/console", "/sign-in/openid"), (name, cookie.key)
                assert TOKEN not in cookie.value
    assert cookies > 3


async def test_strangers_are_sent_to_sign_in(town: Town) -> None:
    before = await town.state()
    forged = {session.VISIT: session.begin_visit("another token", "ann"), session.COOKIE: session.begin("another")}
    for name, rule in RULES.items():
        if rule.who == "anyone":
            continue
        others = [{}, GUEST, forged, {session.COOKIE: town.ann[session.VISIT], session.VISIT: "x"}]
        others.append(town.ann if rule.who == "operator" else town.operator)
        for cookies in others:
            known = cookies if session.FORM in cookies else GUEST
            data = {"csrf": token_of(known), **rule.form}
            response, _ = await town.ask(name, cookies=cookies, data=data if name.startswith("POST") else None)
            way = "/console/sign-in" if rule.who == "operator" else "/sign-in"
            assert response.status == 303, (name, response.status)
            assert response.headers["Location"].startswith(way), name
    assert await town.state() == before


async def test_forms_carry_the_token_of_their_session(town: Town) -> None:
    """None, a wrong one, that of a guest, of another visitor or of the operator are refused; so is another site."""
    before = await town.state()
    for name in FORMS:
        rule = RULES[name]
        cookies = town.cookies(rule)
        right, others = token_of(cookies), [token_of(each) for each in (GUEST, town.bob, town.ann, town.operator)]
        for token in (None, "", "x", right[:-1], *(each for each in others if each != right)):
            if rule.free:
                continue
            for headers in ({}, {"X-Csrf-Token": "x"}):
                data = {**rule.form, **({"csrf": token} if token is not None else {})}
                response, _ = await town.ask(name, cookies=cookies, data=data, headers=headers)
                assert response.status == 403, (name, token)
        for site in ("cross-site", "same-site"):
            data = {**rule.form, "csrf": right}
            response, _ = await town.ask(name, cookies=cookies, data=data, headers={"Sec-Fetch-Site": site})
            assert response.status == 403, (name, site)
    assert await town.state() == before
    for name in FORMS:  # the same forms with their token do what they are for
        rule = RULES[name]
        data = {**rule.form, "csrf": token_of(town.cookies(rule))}
        before = await town.state()
        headers = {"X-Try-Method": "GET", "X-Try-Url": "http://127.0.0.1:9/unlisted"}
        response, text = await town.ask(name, cookies=town.cookies(rule), data=data, headers=headers)
        assert name == "POST /try" or response.status in (200, 303, 400, 403, 409), (name, response.status, text)
        assert (await town.state() == before) == rule.quiet, name
        if name == "POST /profile/password":  # the session of before has ended
            town.ann = {session.VISIT: response.cookies[session.VISIT].value}


async def test_looking_changes_nothing(town: Town) -> None:
    before = await town.state()
    fields = "?sure=yes&do=save&key=primary&state=blocked&_method=POST"
    for name in PAGES:
        for query in ("", fields):
            response, _ = await town.ask(name + query, cookies=town.cookies(RULES[name]))
            assert response.status in (200, 303, 400, 403, 404), (name, response.status)
    for name in {each.split(" ")[1] for each in RULES}:
        cookies = town.operator if name.startswith("/console") else town.ann
        data = {"csrf": token_of(cookies), "sure": "yes"}
        response, _ = await town.ask(f"DELETE {name}", cookies=cookies, data=data)
        assert response.status in (403, 405), (name, response.status)
    assert await town.state() == before


async def test_what_is_not_ones_own_is_as_if_it_were_not_there(town: Town) -> None:
    before = await town.state()
    lists = {
        "subscription": ("of-bob", "master", "no-such", "..", "../users/bob"),
        "api": ("unlisted", "no-such", ".."),
        "product": ("inner-circle", "no-such", ".."),
    }
    asked = 0
    for name, rule in RULES.items():
        if rule.who == "operator":
            continue
        for key, values in lists.items():
            if f"{{{key}}}" not in name:
                continue
            told = set()
            for value in values:
                data = {**rule.form, "csrf": token_of(town.ann)} if name.startswith("POST") else None
                for headers in ({}, {"Accept": "application/json"}):
                    names = {key: value}
                    response, text = await town.ask(name, cookies=town.ann, data=data, names=names, headers=headers)
                    assert response.status == 404, (name, value)
                    told.add(text.replace(quote(value), "").replace(value, ""))
                    asked += 1
            assert len(told) == 1, (name, "what there is and what there is not are told alike")
    assert asked > 50
    _, profile = await town.ask("GET /profile", cookies=town.ann)
    assert "of-ann" in profile
    assert "of-bob" not in profile
    assert await town.state() == before


EVIL = (
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
    "/%5cevil.example/..//evil.example",
    "///evil.example", "javascript:alert(1)", "/\t/evil.example", "/\r\nSet-Cookie: a=b", "http:evil.example",
    " //evil",
    "/console@evil.example", "/console//evil.example", "/console\\evil.example", "/consolevil", "/console/../\t/evil",
)  # fmt: skip


async def test_signing_in_leads_nowhere_else(town: Town) -> None:
    def check(response: aiohttp.ClientResponse, evil: str) -> None:
        location = response.headers["Location"]
        assert location.startswith("/"), (evil, location)
        assert not location.startswith(("//", "/\\")), (evil, location)
        assert set(location) <= set(map(chr, range(0x21, 0x7F))) - {"\\"}, (evil, location)
        assert "Set-Cookie" not in str(response.headers.get("a", "")), evil

    for number, evil in enumerate(EVIL):
        user = f"from-{number}"  # a link is good once
        person = {"email": f"{user}@example.com", "firstName": "x", "lastName": "x"}
        await town.people.plane.put(f"/users/{user}", person)
        link = (await town.people.plane.call("POST", f"/users/{user}/generateSsoUrl")).body
        token = str(link["value"]).partition("token=")[2]
        query = quote(evil, safe="")
        for name, cookies in (
            (f"GET /sign-in?back={query}", town.ann),
            (f"GET /sign-up?back={query}", town.ann),
            (f"GET /signin-sso?token={token}&returnUrl={query}", GUEST),
        ):
            check((await town.ask(name, cookies=cookies))[0], evil)
        form = {"email": "bob@example.com", "password": PASSWORD, "back": evil, "csrf": token_of(GUEST)}
        if number < 15:  # twenty attempts
            check((await town.ask("POST /sign-in", cookies=GUEST, data=form))[0], evil)
        to_console, _ = await town.ask("POST /console/sign-in", data={"token": TOKEN, "next": evil})
        check(to_console, evil)
        assert to_console.headers["Location"].startswith("/console")
        for page in (f"GET /sign-in?back={query}", f"GET /sign-up?back={query}", f"GET /console/sign-in?next={query}"):
            _, text = await town.ask(page, cookies=GUEST)
            for kept in re.findall(r'"([^"]*(?:evil|javascript:)[^"]*)"', text):
                assert re.match(r"/[^/\\]", kept), (page, kept)


async def test_a_session_is_made_by_signing_in_and_by_nothing_else(town: Town) -> None:
    """Whatever cookies somebody was given before."""
    planted = {session.VISIT: town.bob[session.VISIT], session.COOKIE: "planted", **GUEST}
    form = {
        "email": "ann@example.com",
        "password": PASSWORD,
        "csrf": token_of({session.VISIT: town.bob[session.VISIT]}),
    }
    response, _ = await town.ask("POST /sign-in", cookies=planted, data=form)
    made = response.cookies[session.VISIT].value
    visit = session.read_visit(made, TOKEN)
    assert visit is not None
    assert visit.user == "ann"
    assert made not in planted.values()
    assert visit.csrf != token_of(planted)
    first, _ = await town.ask("POST /console/sign-in", cookies=town.operator, data={"token": TOKEN})
    assert first.cookies[session.COOKIE].value != town.operator[session.COOKIE]
    _, page = await town.ask("GET /sign-in", cookies={session.FORM: "<script>"})
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("POST /console/sign-in", {"token": "guess"}),
        ("POST /sign-in", {"email": "ann@example.com", "password": "guess"}),
        ("POST /sign-up", {**SIGN_UP, "password": "short"}),
        ("POST /forgotten", {"email": "ann@example.com"}),
        ("POST /new-password", {"token": "guess", "password": "a password of mine"}),
    ],
)
async def test_guessing_ends(town: Town, name: str, form: dict[str, str]) -> None:
    statuses = []
    for number in range(23):
        # an address of one's own choice makes nobody another one
        headers = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
        data = {**form, "csrf": token_of(GUEST)}
        response, _ = await town.ask(name, cookies=GUEST, data=data, headers=headers)
        statuses.append(response.status)
    assert set(statuses[:20]) <= {400, 403}
    assert statuses[20:] == [429] * 3
    if name == "POST /console/sign-in":
        response, _ = await town.ask(name, data={"token": TOKEN})
        assert response.status == 429, "the right one is not compared either"


async def test_nobody_learns_who_has_an_account(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same page after as many hashes, which are what takes time."""
    hashes: list[int] = []
    derive = hashlib.scrypt

    def counted(*given: Any, **named: Any) -> bytes:
        hashes.append(named["n"])
        return derive(*given, **named)

    monkeypatch.setattr(passwords.hashlib, "scrypt", counted)
    plane = town.people.plane
    person = {"firstName": "x", "lastName": "x"}
    await plane.put("/users/shut", {**person, "email": "shut@example.com", "password": PASSWORD, "state": "blocked"})
    await plane.put(
        "/users/other", {**person, "email": "other@example.com", "identities": [{"provider": "Aad", "id": "1"}]}
    )
    emails = ("ann@example.com", "nobody@example.com", "shut@example.com", "other@example.com")
    forms = (
        ("POST /sign-in", {"password": "a password of mine"}),
        ("POST /sign-up", {"password": "a password of mine", "firstName": "A", "lastName": "B"}),
        ("POST /forgotten", {}),
    )
    for name, form in forms:
        told = set()
        for email in emails:
            hashes.clear()
            data = {**form, "email": email, "csrf": token_of(GUEST)}
            response, text = await town.ask(name, cookies=GUEST, data=data)
            told.add((response.status, text.replace(email, ""), response.headers.get("Location"), tuple(hashes)))
        assert len(told) == 1, (name, told)

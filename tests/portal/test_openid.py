"""Signing in with OpenID Connect, against a small issuer that can also do everything wrong."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

from portal.openid import issuer_of
from portal.settings import OpenIdConnect
from tests.portal.house import House, house

KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


class Issuer:
    """`claims` and `header` change what the next token says; `signer` signs it."""

    def __init__(self) -> None:
        self.url = ""
        self.claims: dict[str, Any] = {}
        self.algorithm, self.signer = "RS256", KEY
        self.asked: dict[str, str] = {}
        self.metadata: dict[str, Any] = {}
        self.redeemed: list[dict[str, str]] = []

    async def configuration(self, request: web.Request) -> web.Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        found = {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in places.items()}}
        return web.json_response(found | self.metadata)

    async def keys(self, request: web.Request) -> web.Response:
        numbers = KEY.public_key().public_numbers()
        modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(256, "big")).decode().rstrip("=")
        return web.json_response({"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "n": modulus, "e": "AQAB"}]})

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.redeemed.append(form | {"authorization": request.headers.get("Authorization", "")})
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(challenge).decode().rstrip("=") == self.asked["code_challenge"]
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "portal", "sub": "s-1", "iat": now, "exp": now + 60, "nonce": self.asked["nonce"],
            "email": "ann@example.com", "email_verified": True, "given_name": "Ann", "family_name": "O'Hara",
        }  # fmt: skip
        other = {
            name: now + value if name in ("exp", "nbf") and value else value for name, value in self.claims.items()
        }
        claims = {name: value for name, value in (claims | other).items() if value is not None}
        key: Any = {"none": None, "HS256": "x" * 40}.get(self.algorithm, self.signer)
        return web.json_response(
            {"id_token": jwt.encode(claims, key, self.algorithm, headers={"kid": "one"}), "token_type": "Bearer"}
        )


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    found = Issuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", found.configuration)
    app.router.add_get("/keys", found.keys)
    app.router.add_post("/token", found.token)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/")).rstrip("/")
        yield found


@pytest.fixture
async def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> AsyncIterator[House]:
    (tmp_path / "client.secret").write_text("s e:cret\n")
    own = OpenIdConnect(issuer.url, "portal", tmp_path / "client.secret", "Our company")
    async with house(tmp_path, monkeypatch, openid=own) as found:
        yield found


async def away(people: House, issuer: Issuer, back: str = "/products") -> str:
    """The state with which the browser is sent away."""
    response = await people.client.get(
        "/sign-in/openid", params={"provider": "openid", "back": back}, allow_redirects=False
    )
    assert response.status == 303, await response.text()
    url = urlsplit(response.headers["Location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{issuer.url}/authorize"
    issuer.asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert issuer.asked["code_challenge_method"] == "S256"
    assert issuer.asked["redirect_uri"] == str(people.client.make_url("/sign-in/openid/back"))
    return issuer.asked["state"]


async def back(people: House, **query: str) -> tuple[int, str, str]:
    """(status, location, text)"""
    response = await people.client.get("/sign-in/openid/back", params=query, allow_redirects=False)
    return response.status, response.headers.get("Location", ""), await response.text()


async def test_the_first_time_and_the_next(people: House, issuer: Issuer) -> None:
    assert "Our company" in await people.go("/sign-in")
    for _ in range(2):
        state = await away(people, issuer)
        assert (await back(people, code="c", state=state))[:2] == (303, "/products")
        assert "Ann O&#39;Hara" in await people.go("/profile")
        (name,) = [each for each in await people.plane.names("/users") if each != "1"]
        await people.send("/profile", "/sign-out")
    user = (await people.plane.get(f"/users/{name}"))["properties"]
    assert (user["email"], user["state"]) == ("ann@example.com", "active")
    assert user["identities"] == [{"provider": "openid", "id": f"{issuer.url}#s-1"}]
    basic = base64.b64decode(issuer.redeemed[0]["authorization"].removeprefix("Basic ")).decode()
    assert basic == "portal:s%20e%3Acret"
    await people.plane.call("PATCH", f"/users/{name}", {"state": "blocked"})
    state = await away(people, issuer)
    assert (await back(people, code="c", state=state))[0] == 403


WRONG: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "somebody"},
    {"aud": ["portal", "somebody"]},
    {"azp": "somebody"},
    {"iss": "https://evil.example"},
    {"exp": -1000},  # times are seconds from when the token is made
    {"exp": None},
    {"nbf": 1000},
    {"sub": None},
    {"sub": 7},
    {"email": None},
]


@pytest.mark.parametrize("claims", WRONG, ids=lambda claims: next(iter(claims)))
async def test_a_token_that_says_something_else(people: House, issuer: Issuer, claims: dict[str, Any]) -> None:
    issuer.claims = claims
    state = await away(people, issuer)
    assert (await back(people, code="c", state=state))[0] == 403
    assert await people.plane.names("/users") == ["1"]


@pytest.mark.parametrize(("algorithm", "signer"), [("RS256", OTHER), ("none", KEY), ("HS256", KEY)])
async def test_a_token_that_nobody_signed(
    people: House, issuer: Issuer, algorithm: str, signer: rsa.RSAPrivateKey
) -> None:
    issuer.algorithm, issuer.signer = algorithm, signer
    state = await away(people, issuer)
    assert (await back(people, code="c", state=state))[0] == 403
    assert await people.plane.names("/users") == ["1"]


async def test_an_answer_that_was_not_asked_for(people: House, issuer: Issuer) -> None:
    state = await away(people, issuer)
    for query in ({"code": "c"}, {"code": "c", "state": "x"}, {"state": state, "error": "access_denied"}):
        status, _, text = await back(people, **query)
        assert status == 403
        assert "You are not signed in" in text
        state = await away(people, issuer)
    assert (await back(people, code="c", state=state, iss="https://evil.example"))[0] == 403
    state = await away(people, issuer)
    assert (await back(people, code="c", state=state))[0] == 303
    assert (await back(people, code="c", state=state))[0] == 403, "good once"
    assert len(issuer.redeemed) == 1


@pytest.mark.parametrize("metadata", [{"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/t"}])
async def test_metadata_that_are_not_the_issuers(people: House, issuer: Issuer, metadata: dict[str, str]) -> None:
    issuer.metadata = metadata
    response = await people.client.get("/sign-in/openid", params={"provider": "openid"}, allow_redirects=False)
    assert response.status == 403


async def test_nobody_gets_somebody_elses_account(people: House, issuer: Issuer) -> None:
    """Whoever has made an account with this address keeps it; one that has no password is the owner's."""
    await people.sign_up()
    await people.send("/profile", "/sign-out")
    state = await away(people, issuer)
    status, _, text = await back(people, code="c", state=state)
    assert status == 403
    assert "Sign in to it with its password" in text
    user = {"email": "bea@example.com", "firstName": "Bea", "lastName": "B", "identities": []}
    await people.plane.put("/users/bea", user)
    for verified, expected in ((False, 403), (True, 303)):
        issuer.claims = {"email": "bea@example.com", "sub": "s-2", "email_verified": verified}
        state = await away(people, issuer)
        assert (await back(people, code="c", state=state))[0] == expected
    assert "bea@example.com" in await people.go("/profile")


async def test_providers_of_the_service(people: House) -> None:
    for kind in ("google", "aad", "facebook"):
        more = {"signinTenant": "contoso.example"} if kind == "aad" else {}
        await people.plane.put(f"/identityProviders/{kind}", {"clientId": "c", "clientSecret": "s", **more})
    page = await people.go("/sign-in")
    assert "Google" in page
    assert "Microsoft Entra ID" in page
    assert "facebook" not in page.lower()
    aad = await people.plane.get("/identityProviders/aad")
    assert issuer_of(aad) == "https://login.microsoftonline.com/contoso.example/v2.0"
    assert (await people.client.get("/sign-in/openid?provider=facebook")).status == 404

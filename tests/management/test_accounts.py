"""Accounts that people make for themselves: sign-up, passwords, confirmation, and what nobody may learn by it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp.test_utils import TestServer

from management import accounts, passwords
from management.app import make_app
from management.mail import Mail
from management.settings import Outside
from tests.management.conftest import TOKEN, Plane
from tests.management.test_users import smtp

PASSWORD = "correct horse battery"
ANN = {"email": "Ann@example.com", "password": PASSWORD, "firstName": "Ann", "lastName": "O'Hara"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weak hashes: what they cost is not what is tested here."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    monkeypatch.setattr(passwords, "P", 1)
    monkeypatch.setattr(accounts, "STEP", 0.0)
    monkeypatch.setattr(passwords, "NOBODY", passwords.NOBODY.replace("$15$8$3$", "$4$8$1$"))


async def call(plane: Plane, name: str, status: int = 200, **body: Any) -> Any:
    reply = await plane.call("POST", f"/{name}", body=body)
    assert reply.status == status, reply.body
    return reply.body


async def verify(plane: Plane, password: str = PASSWORD, email: str = "ann@example.com") -> int:
    return (await plane.call("POST", "/verifyPassword", body={"email": email, "password": password})).status


async def test_without_mail_an_account_is_active_at_once(plane: Plane) -> None:
    assert await call(plane, "signUp", **ANN) == {"state": "active"}
    found = await call(plane, "verifyPassword", email="ann@EXAMPLE.com", password=PASSWORD)
    user = await plane.get(found["userId"])
    assert (user["properties"]["firstName"], user["properties"]["state"]) == ("Ann", "active")
    assert await plane.names(f"{found['userId']}/groups") == ["developers"]
    assert "assword" not in str(user)
    assert await verify(plane, "wrong") == 400
    assert await verify(plane, email="nobody@example.com") == 400
    await plane.call("PATCH", found["userId"], {"state": "blocked"})
    assert await verify(plane) == 400


async def test_passwords_are_kept_as_hashes(plane: Plane) -> None:
    await call(plane, "signUp", **ANN)
    await plane.put("/users/bob", {"email": "b@x", "firstName": "b", "lastName": "b", "password": "bob's password"})
    (ann,) = [name for name in await plane.names("/users") if name not in ("1", "bob")]
    for name, password in ((ann, PASSWORD), ("bob", "bob's password")):
        clear = plane.stored(f"/users/{name}").clear()
        assert password not in str(clear)
        assert clear["passwordHash"].startswith("scrypt$")
        assert passwords.matches(password, clear["passwordHash"])
    assert await verify(plane, "bob's password", "b@x") == 200
    await plane.call("PATCH", "/users/bob", {"note": "a change leaves the password as it is"})
    assert await verify(plane, "bob's password", "b@x") == 200
    await plane.call("PATCH", "/users/bob", {"passwordHash": passwords.hashed("chosen by a client")})
    assert await verify(plane, "bob's password", "b@x") == 200


def test_a_hash_is_of_its_own() -> None:
    one, other = passwords.hashed("a password"), passwords.hashed("a password")
    assert one != other
    assert passwords.matches("a password", one)
    for kept in ("", passwords.NOBODY, "scrypt$x", one[:-4]):
        assert not passwords.matches("a password", kept)


async def test_signing_up_again_changes_nothing_and_tells_nothing(plane: Plane) -> None:
    first = await call(plane, "signUp", **ANN)
    again = await call(plane, "signUp", **{**ANN, "password": "another password"})
    assert first == again
    assert await verify(plane) == 200
    assert await verify(plane, "another password") == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ann"},
        {"email": "a b@c"},
        {"email": "a@b@c"},
        {"email": "ann@example.com\r\nBcc: x@y"},
        {"email": 7},
        {"password": "short"},
        {"password": "x" * 257},
        {"password": "aaaaaaaaaaaa"},
        {"password": "ann@example.com"},
        {"password": None},
        {"firstName": ""},
        {"lastName": "x" * 101},
        {"firstName": "a\nb"},
        {"firstName": "a\u202eb"},
    ],
)
async def test_what_is_no_account(plane: Plane, wrong: dict[str, Any]) -> None:
    await call(plane, "signUp", 400, **{**ANN, **wrong})
    assert await plane.names("/users") == ["1"]


@pytest.mark.parametrize("name", ["علی\u200cرضا", "क्\u200dष", "O'Hara-Ñuñez"])
async def test_names_of_all_scripts(plane: Plane, name: str) -> None:
    await call(plane, "signUp", **{**ANN, "firstName": name})
    found = await call(plane, "verifyPassword", email="ann@example.com", password=PASSWORD)
    assert (await plane.get(found["userId"]))["properties"]["firstName"] == name


async def test_nobody_signs_up_where_it_is_not_wanted(plane: Plane) -> None:
    await plane.put("/portalsettings/signup", {"enabled": False})
    assert (await call(plane, "signUp", 400, **ANN))["error"]["code"] == "SignUpDisabled"
    assert await plane.names("/users") == ["1"]


async def test_guessing_a_password_takes_time(plane: Plane) -> None:
    await call(plane, "signUp", **ANN)
    for email in ("ann@example.com", "nobody@example.com"):
        assert [await verify(plane, "wrong", email) for _ in range(11)] == [400] * 10 + [429], "known or not"
    assert await verify(plane) == 429, "not even the right one is compared"


async def test_only_those_who_administer(plane: Plane) -> None:
    stranger = replace(plane, headers={"Authorization": "Bearer x"})
    for name in ("signUp", "verifyPassword", "resetPassword", "confirmSignUp", "requestPasswordReset"):
        assert (await stranger.call("POST", f"/{name}", body=ANN)).status == 401
        assert (await plane.call("GET", f"/{name}")).status == 405


@pytest.fixture
async def mailing(plane: Plane) -> AsyncIterator[tuple[Plane, list[str]]]:
    """A plane that sends mail, and the texts that it sent."""
    taken: list[str] = []
    async with await asyncio.start_server(lambda r, w: smtp(r, w, taken, b"250 ok\r\n"), "127.0.0.1", 0) as server:
        mail = Mail("127.0.0.1", server.sockets[0].getsockname()[1], "portal@example.com", "none")
        async with TestServer(make_app(plane.store, TOKEN, Outside(portal="https://portal", mail=mail))) as started:
            yield replace(plane, server=started), taken


def link(text: str, page: str) -> str:
    found = re.search(rf"https://portal/{page}\?token=(\S+)", text.replace("=\r\n", "").replace("=3D", "="))
    assert found is not None, text
    return unquote(found[1])


async def test_with_mail_an_address_is_confirmed_first(mailing: tuple[Plane, list[str]]) -> None:
    plane, taken = mailing
    assert await call(plane, "signUp", **ANN) == {"state": "pending"}
    assert await verify(plane) == 400
    token = link(taken.pop(), "confirm")
    await call(plane, "redeemSsoToken", 400, token=token)
    await call(plane, "resetPassword", 400, token=token, password="a new password")
    user = (await call(plane, "confirmSignUp", token=token))["userId"]
    assert await verify(plane) == 200
    await call(plane, "confirmSignUp", 400, token=token)
    assert await call(plane, "signUp", **ANN) == {"state": "pending"}, "as if there were no account"
    assert "Subject: You have an account" in taken.pop()
    assert (await plane.get(user))["properties"]["state"] == "active"


async def test_a_forgotten_password(mailing: tuple[Plane, list[str]]) -> None:
    plane, taken = mailing
    await call(plane, "signUp", **ANN)
    taken.clear()
    await call(plane, "requestPasswordReset", 204, email="nobody@example.com")
    await call(plane, "requestPasswordReset", 204, email="ann@example.com")
    for _ in range(1000):  # the answer does not wait for the mail
        if not taken:
            await asyncio.sleep(0.01)
    (text,) = taken
    token = link(text, "new-password")
    await call(plane, "resetPassword", 400, token=token, password="short")
    await call(plane, "resetPassword", token=token, password="a new password")
    assert await verify(plane, "a new password") == 200, "who reads the mail has confirmed the address"
    assert await verify(plane) == 400
    await call(plane, "resetPassword", 400, token=token, password="yet another one")


async def test_a_changed_password(plane: Plane) -> None:
    await call(plane, "signUp", **ANN)
    user = (await call(plane, "verifyPassword", email="ann@example.com", password=PASSWORD))["userId"]
    change = {"userId": user, "newPassword": "a new password"}
    await call(plane, "changePassword", 400, password="wrong", **change)
    await call(plane, "changePassword", 400, **{**change, "password": PASSWORD, "newPassword": "short"})
    await call(plane, "changePassword", 404, **{**change, "userId": "/users/nobody"})
    await call(plane, "changePassword", 204, password=PASSWORD, **change)
    assert [await verify(plane, each) for each in ("a new password", PASSWORD)] == [200, 400]
    await plane.put("/users/bob", {"email": "b@x", "firstName": "b", "lastName": "b"})
    await call(plane, "changePassword", 204, userId="/users/bob", newPassword="the first password")
    assert await verify(plane, "the first password", "b@x") == 200


async def test_a_confirmation_ends(mailing: tuple[Plane, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    plane, taken = mailing
    monkeypatch.setattr(accounts, "CONFIRMATION_LIFE", -accounts.CONFIRMATION_LIFE)
    await call(plane, "signUp", **ANN)
    await call(plane, "confirmSignUp", 400, token=link(taken.pop(), "confirm"))


async def test_without_mail_no_password_is_reset(plane: Plane) -> None:
    assert (await call(plane, "requestPasswordReset", 400, email="a@b"))["error"]["code"] == "MailNotConfigured"


async def stamp(plane: Plane, user: str) -> str:
    return str((await plane.get(user, query={"expandSessionStamp": "true"}))["properties"]["sessionStamp"])


async def test_a_stamp_tells_when_sessions_end(plane: Plane) -> None:
    await call(plane, "signUp", **ANN)
    found = await call(plane, "verifyPassword", email="ann@example.com", password=PASSWORD)
    user, seen = found["userId"], [found["sessionStamp"]]
    assert await stamp(plane, user) == seen[0]
    await plane.call("PATCH", user, {"note": "who changes something else stays in", "sessionStamp": "x"})
    assert await stamp(plane, user) == seen[0]
    await call(plane, "changePassword", 204, userId=user, password=PASSWORD, newPassword="a new password")
    seen.append(await stamp(plane, user))
    await plane.call("PATCH", user, {"password": "the operator's choice"})
    seen.append(await stamp(plane, user))
    for state in ("blocked", "active"):
        await plane.call("PATCH", user, {"state": state, "sessionEpoch": ""})
    seen.append(await stamp(plane, user))
    assert len(set(seen)) == 4
    await plane.call("PATCH", user, {"sessionEpoch": "x", "note": "y"})
    assert await stamp(plane, user) == seen[3], "no client chooses it"
    told = str(await plane.get(user)) + str(await plane.get("/users", query={"expandSessionStamp": "true"}))
    assert "essionStamp" not in told
    assert "sessionEpoch" not in told


async def test_links_for_a_new_password_end_with_the_old_one(mailing: tuple[Plane, list[str]]) -> None:
    plane, taken = mailing
    await call(plane, "signUp", **ANN)
    user = (await call(plane, "confirmSignUp", token=link(taken.pop(), "confirm")))["userId"]
    await call(plane, "requestPasswordReset", 204, email="ann@example.com")
    for _ in range(1000):
        if not taken:
            await asyncio.sleep(0.01)
    token = link(taken.pop(), "new-password")
    await call(plane, "changePassword", 204, userId=user, password=PASSWORD, newPassword="a new password")
    await call(plane, "resetPassword", 400, token=token, password="a stranger's password")
    assert await verify(plane, "a new password") == 200


async def test_guesses_that_come_at_once_are_counted(plane: Plane) -> None:
    await call(plane, "signUp", **ANN)
    statuses = await asyncio.gather(*(verify(plane, "wrong") for _ in range(30)))
    assert (statuses.count(400), statuses.count(429)) == (10, 20)

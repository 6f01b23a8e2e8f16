"""Users come in: with tokens of their own, by links to the portal, and by mails with such links."""

from __future__ import annotations

import asyncio
import datetime
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp.test_utils import TestServer

from management import user_tokens
from management.app import make_app
from management.mail import Mail
from management.settings import Outside, SettingWrong, read
from tests.management.conftest import TOKEN, Plane


@pytest.fixture
async def people(plane: Plane) -> Plane:
    for name in ("ann", "bob"):
        await plane.put(
            f"/users/{name}", {"email": f"{name}@example.com", "firstName": name, "lastName": "X", "state": "active"}
        )
    await plane.put("/subscriptions/mine", {"displayName": "m", "scope": "/apis", "ownerId": "/users/ann"})
    return plane


async def token(plane: Plane, user: str = "ann", kind: str = "primary", days: float = 1, status: int = 200) -> str:
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    properties = {"keyType": kind, "expiry": expiry.isoformat()}
    reply = await plane.call("POST", f"/users/{user}/token", properties)
    assert reply.status == status, reply.body
    return str(reply.body["value"]) if status == 200 else ""


async def seen(plane: Plane, header: str, id: str, method: str = "GET", **more: Any) -> int:
    return (await replace(plane, headers={"Authorization": header}).call(method, id, **more)).status


async def test_a_user_reads_its_own(people: Plane) -> None:
    for kind in ("primary", "secondary"):
        value = await token(people, "ANN", kind)
        for header in (f"SharedAccessSignature {value}", f'SharedAccessSignature token="{value}",refresh="true"'):
            for own in ("/users/ann", "/users/Ann", "/users/ann/subscriptions", "/users/ann/groups"):
                assert await seen(people, header, own) == 200
            for other in ("/users/bob", "/users", "/apis", "/subscriptions/mine", "/tenant/access", ""):
                assert await seen(people, header, other) == 403
            assert await seen(people, header, "/users/ann", "PATCH", properties={"note": "x"}) == 403
            assert await seen(people, header, "/users/ann/token", "POST") == 403
            async with people.session.get(
                people.server.make_url("/subscriptions"), headers={"Authorization": header}
            ) as response:
                assert response.status == 401


async def test_tokens_are_worth_nothing(people: Plane) -> None:
    value = await token(people)
    good = f"SharedAccessSignature {value}"
    assert await seen(people, good.replace("ann&", "bob&"), "/users/bob") == 401
    assert await seen(people, re.sub(r"&\d{4}", "&2999", good), "/users/ann") == 401
    assert await seen(people, good[:-4], "/users/ann") == 401
    other = await token(people, kind="secondary")
    await people.call("POST", "/tenant/access/regeneratePrimaryKey")
    assert await seen(people, good, "/users/ann") == 401
    assert await seen(people, f"SharedAccessSignature {other}", "/users/ann") == 200
    await people.call("PATCH", "/users/ann", {"state": "blocked"})
    assert await seen(people, f"SharedAccessSignature {other}", "/users/ann") == 401
    await token(people, status=400)


async def test_a_user_called_integration_is_only_a_user(people: Plane) -> None:
    await people.call("PATCH", "/tenant/access", {"enabled": True})
    await people.put("/users/integration", {"email": "i@example.com", "firstName": "i", "lastName": "i"})
    value = await token(people, "integration")
    assert await seen(people, f"SharedAccessSignature {value}", "/apis") == 403


async def test_tokens_that_are_not_made(people: Plane) -> None:
    await token(people, days=-1, status=400)
    await token(people, days=31, status=400)
    await token(people, kind="tertiary", status=400)
    await token(people, "nobody", status=404)


async def link(plane: Plane, user: str = "ann") -> str:
    reply = await plane.call("POST", f"/users/{user}/generateSsoUrl")
    assert reply.status == 200, reply.body
    return str(reply.body["value"])


async def redeem(plane: Plane, text: str) -> Any:
    reply = await plane.call("POST", "/redeemSsoToken", body={"token": text})
    return reply.body["userId"] if reply.status == 200 else reply.status


async def test_a_link_signs_in_once(people: Plane) -> None:
    address = urlsplit(await link(people))
    assert f"{address.scheme}://{address.netloc}{address.path}" == "http://127.0.0.1:9090/signin-sso"
    value = parse_qs(address.query)["token"][0]
    assert await seen(people, f"SharedAccessSignature {value}", "/users/ann") == 401
    assert await redeem(people, value) == "/users/ann"
    assert await redeem(people, value) == 400
    assert await redeem(people, value.replace("ann", "ANN", 1)) == 400
    async with TestServer(make_app(people.store, TOKEN)) as server:  # nor does another process
        assert await redeem(replace(people, server=server), value) == 400
    assert await redeem(people, await token(people)) == 400
    assert await redeem(people, "") == 400


async def test_a_link_ends(people: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_tokens.sign_in_link, "__defaults__", (datetime.timedelta(minutes=-1),))
    value = parse_qs(urlsplit(await link(people)).query)["token"][0]
    assert await redeem(people, value) == 400


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, taken: list[str], answer: bytes) -> None:
    """As much of a mail server as a client needs."""
    writer.write(b"220 here\r\n")
    while line := await reader.readline():
        if line.upper().startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            text = (await reader.readuntil(b"\r\n.\r\n")).decode()
            taken.append(text)
            writer.write(answer)
        elif line.upper().startswith(b"QUIT"):
            writer.write(b"221 bye\r\n")
            break
        else:
            writer.write(b"250 ok\r\n")
    writer.close()


@pytest.mark.parametrize(("answer", "status"), [(b"250 taken\r\n", 204), (b"554 no\r\n", 502)])
async def test_a_mail_with_a_link(people: Plane, answer: bytes, status: int) -> None:
    assert (await people.call("POST", "/users/ann/confirmations/password/send")).body["error"][
        "code"
    ] == "MailNotConfigured"
    taken: list[str] = []
    async with await asyncio.start_server(lambda r, w: smtp(r, w, taken, answer), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mail = Mail("127.0.0.1", port, "portal@example.com", "none")
        async with TestServer(make_app(people.store, TOKEN, Outside(portal="https://portal", mail=mail))) as plane:
            reply = await replace(people, server=plane).call("POST", "/users/ann/confirmations/password/send")
            assert reply.status == status, reply.body
            (text,) = taken
            assert "To: ann@example.com" in text
            value = re.search(r"https://portal/signin-sso\?token=(\S+)", text.replace("=\r\n", "").replace("=3D", "="))
            assert value is not None


def test_settings_of_mail() -> None:
    found = read({"management.mail.server": "smtp.example.com", "management.mail.sender": "a@b"}).outside.mail
    assert found == Mail("smtp.example.com", 587, "a@b")
    for wrong in (
        {"management.mail.server": "x:y", "management.mail.sender": "a@b"},
        {"management.mail.server": "x"},
        {"management.portal.url": "portal"},
    ):
        with pytest.raises(SettingWrong, match="management"):
            read(wrong)

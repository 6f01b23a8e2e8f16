"""What holds for every answer: headers, the plane away, the portal's own life."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from portal import session
from portal.headers import security_policy
from tests.portal.fake_plane import TOKEN, FakePlane

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/console", "/static/portal.css", "/health", "/console/sign-in"])
async def test_no_page_may_run_or_load_anything_foreign(client: TestClient, path: str) -> None:
    response = await client.get(path, allow_redirects=False)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    body = await response.text()
    for forbidden in ("<script>", " style=", " onclick=", "javascript:", "https://"):
        assert forbidden not in body


async def test_a_page_may_have_more_than_others_but_no_inline_script() -> None:
    assert "img-src 'self' data:;" in security_policy({"img-src": "data:"})
    for more in ("'unsafe-inline'", "'unsafe-eval'"):
        with pytest.raises(ValueError, match="inline"):
            security_policy({"script-src": more})


async def test_files_are_kept_by_their_content(client: TestClient) -> None:
    page = await (await client.get("/")).text()
    address = re.findall(r'href="(/static/portal.css[^"]*)"', page)[0]
    response = await client.get(address)
    assert response.headers["Cache-Control"].endswith("immutable")
    assert response.headers["Content-Encoding"] == "gzip"
    again = await client.get(address, headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    for other in ("/static/portal.css", "/static/portal.css?v=0"):
        assert (await client.get(other)).headers["Cache-Control"] == "no-cache"
    for missing in ("/static/none.css", "/static/../web.py", "/static/%2e%2e/web.py"):
        assert (await client.get(missing)).status == 404


async def test_a_form_needs_its_token_and_no_other_site(client: TestClient) -> None:
    cookies = {session.VISIT: session.begin_visit(TOKEN, "ann")}
    visit = session.read_visit(cookies[session.VISIT], TOKEN)
    assert visit is not None
    for data in ({}, {"csrf": "x"}, {"csrf": session.form_token(TOKEN, "guest")}):
        assert (await client.post("/sign-out", data=data, cookies=cookies)).status == 403
    right = {"csrf": visit.csrf}
    crossed = await client.post("/sign-out", data=right, cookies=cookies, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status == 403
    out = await client.post("/sign-out", data=right, cookies=cookies, allow_redirects=False)
    assert out.status == 303
    again = await client.get("/profile", cookies=cookies, allow_redirects=False)
    assert again.headers["Location"] == "/sign-in?back=/profile", "who signed out is out, cookie or not"


async def test_what_is_said_once(client: TestClient) -> None:
    said = web.Response()
    session.set_flash(said, TOKEN, "bad", "It <failed>", secure=True)
    cookie = said.cookies[session.FLASH]
    assert (cookie["secure"], cookie["httponly"]) == (True, True)
    response = await client.get("/", cookies={session.FLASH: cookie.value})
    assert "It &lt;failed&gt;" in await response.text()
    assert response.cookies[session.FLASH].value == ""
    forged = await client.get("/", cookies={session.FLASH: cookie.value[:-1] + "0"})
    assert "It &lt;failed" not in await forged.text() or cookie.value.endswith("0")


async def test_the_plane_away(client: TestClient, plane: FakePlane) -> None:
    await plane.stop()
    for path in ("/", "/products", "/apis/shop"):
        response = await client.get(path)
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
        assert "The management plane is away" in await response.text()
    cookies = {session.COOKIE: session.begin("an-admin-token")}
    assert (await client.get("/console", cookies=cookies)).status == 503
    assert await (await client.get("/health")).json() == {"status": "up"}


@pytest.mark.parametrize("status", [500, 502, 302])
async def test_an_answer_that_is_none(client: TestClient, plane: FakePlane, status: int) -> None:
    plane.status = status
    response = await client.get("/")
    assert response.status == 503


async def test_a_token_the_plane_refuses(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_text("another")
    response = await client.get("/")
    assert response.status == 503
    assert "portal.management.token.file" in await response.text()


async def start(**settings: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "portal",
        cwd=REPOSITORY,
        env={**os.environ, **{name.replace("__", "."): value for name, value in settings.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_starts_and_ends_by_itself() -> None:
    process = await start(portal__http__port="0", portal__management__url="http://127.0.0.1:1")
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert "The portal is at http://127.0.0.1:" in line
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, errors) == (0, b"")


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await start(portal__http__port=port)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert errors.decode().splitlines() == [
        f"portal: 127.0.0.1:{port} is taken; set portal.http.host and portal.http.port to another"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("portal__http__port", "http"),
        ("portal__management__url", "127.0.0.1"),
        ("portal__management__ca", "/nowhere/ca.pem"),
        ("telemetry__logs__std", "loud"),
    ],
)
async def test_a_setting_that_cannot_be_meant_is_one_clear_line(name: str, value: str) -> None:
    process = await start(**{name: value})
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert len(errors.decode().splitlines()) == 1
    assert name.replace("__", ".") in errors.decode()


@pytest.mark.parametrize("script", sorted((REPOSITORY / "portal" / "static").glob("*.js")), ids=lambda path: path.name)
def test_no_script_tells_a_time_of_the_local_zone(script: Path) -> None:
    """All that pages tell is UTC: two clocks on one page would be misread."""
    assert not re.search(r"\btoLocale(?:Date|Time)?String\(|\bIntl\.DateTimeFormat", script.read_text(encoding="utf-8"))

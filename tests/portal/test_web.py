"""What holds for every answer: headers, the plane away, the portal's own life."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from portal import session
from tests.portal.fake_plane import FakePlane

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/console", "/static/portal.css", "/health", "/console/sign-in"])
async def test_no_page_may_run_or_load_anything_foreign(client: TestClient, path: str) -> None:
    response = await client.get(path, allow_redirects=False)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    body = await response.text()
    for forbidden in ("<script", " style=", " onclick=", "javascript:"):
        assert forbidden not in body


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

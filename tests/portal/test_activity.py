"""The operator sees what goes on: figures, drawings, links down to one request, and nothing that is not escaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from portal import activity, session
from portal.settings import SettingRefused, Settings
from portal.web import application
from tests.portal.fake_plane import ACTIVITY, TOKEN, FakePlane

COOKIE = {session.COOKIE: session.begin(TOKEN)}


async def shown(client: TestClient, path: str) -> str:
    response = await client.get(path, cookies=COOKIE)
    assert response.status == 200
    return await response.text()


async def test_the_last_hour(client: TestClient) -> None:
    body = await shown(client, "/console/activity")
    for words in (
        "1,000",
        "0.1 %",
        "3.0 %",
        "40 ms",
        "2.4 s",
        "Book &lt;shop&gt;",
        "no API matched",
        "client went away",
    ):
        assert words in body, words
    assert "api=shop&amp;reason=RateLimitExceeded&amp;failed=true" in body
    assert "gateway=home" in body
    assert 'href="/console/requests/r1"' in body


async def test_nothing_is_drawn_with_a_style_or_a_script(client: TestClient) -> None:
    """The content security policy would not let it be seen."""
    for path in ("/console/activity", "/console/requests", "/console/requests/r1"):
        body = await shown(client, path)
        assert not re.search(r"<script(?! src=\"/static/)|\sstyle=|\son\w+=|src=\"http", body), path


async def test_a_request_with_its_error_and_its_trace(client: TestClient) -> None:
    body = await shown(client, "/console/requests/r1")
    for words in (
        "Rate &lt;limit&gt; is exceeded.",
        "q=&lt;b&gt;it&#39;s",
        "gateway 7.50 ms",
        "client 2.50 ms",
        "<p>5 of 5</p><p>so</p>",
        "1.20 ms",
        "&lt;api&gt;",
    ):
        assert words in body, words
    assert "passerelle trace" not in body


async def test_a_request_without_a_trace_says_how_to_take_one(client: TestClient) -> None:
    assert "passerelle trace" in await shown(client, "/console/requests/r2")


async def test_filters_reach_the_plane_and_the_links(client: TestClient, plane: FakePlane) -> None:
    plane.page = 50
    body = await shown(client, "/console/requests?api=shop&gateway=home&reason=X&failed=true")
    assert 'href="/console/requests?gateway=home&amp;reason=X&amp;failed=true"' in body
    assert 'href="/console/requests/r%2F2"' in body


async def test_a_plane_that_is_away_is_said(client: TestClient, plane: FakePlane) -> None:
    await plane.stop()
    assert (await client.get("/console/activity", cookies=COOKIE)).status == 503


async def test_spans_are_linked_where_somebody_said_where_they_are(plane: FakePlane, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    environment = {
        "portal.management.url": plane.url,
        "portal.management.token.file": str(token),
        "portal.traces.url": "https://traces.example/{traceId}?x=1",
    }
    async with TestClient(TestServer(application(Settings.read(environment)))) as client:
        body = await shown(client, "/console/requests/r1")
    assert 'href="https://traces.example/0af7651916cd43dd8448eb211c80319c?x=1"' in body


@pytest.mark.parametrize("url", ["https://traces.example/", "javascript:{traceId}"])
def test_a_wrong_place_of_traces_is_refused(url: str) -> None:
    with pytest.raises(SettingRefused, match=r"portal\.traces\.url"):
        Settings.read({"portal.traces.url": url})


def test_drawings_fill_what_they_should() -> None:
    read = activity.read(ACTIVITY)
    assert read.most == 900
    for bar in read.bars:
        assert 0 <= bar.left < bar.left + bar.width <= 100
        assert all(0 <= top <= 100 for _, top, _ in bar.pieces)
    assert [name for name, _, _ in read.bars[0].pieces] == ["well", "refused", "failed"]
    assert read.bars[0].pieces[2][2] >= 1.5  # one of 900 is to be seen
    assert activity.parts(6, 30, 4) == (("gateway", 0.0, 15.0), ("backend", 15.0, 75.0), ("client", 90.0, 10.0))
    assert activity.parts(0, 0, 0) == ()


@pytest.mark.parametrize("told", [{}, {"minutes": "x", "apis": [1], "total": None}, {"errors": [{}], "apis": [{}]}])
def test_what_is_missing_is_empty(told: dict[str, object]) -> None:
    assert activity.read(told).most == 0


def test_the_command_that_traces_again_is_quoted() -> None:
    request = activity.read_request({"method": "POST", "url": "http://gw/a?b=c&d='x"})
    assert request.again == """passerelle trace -X POST 'http://gw/a?b=c&d='"'"'x'"""

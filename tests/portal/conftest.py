"""A portal in front of a fake plane."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from portal.settings import Settings
from portal.web import application
from tests.portal.fake_plane import TOKEN, FakePlane


@pytest.fixture
async def plane() -> AsyncIterator[FakePlane]:
    fake = FakePlane()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def client(plane: FakePlane, tmp_path: Path) -> AsyncIterator[TestClient]:
    """A browser without a memory: cookies are given by hand."""
    token_file = tmp_path / "admin.token"
    token_file.write_text(TOKEN + "\n")
    settings = Settings(
        plane=plane.url, token_file=token_file, gateways=("http://127.0.0.1:8080", "http://127.0.0.1:8081")
    )
    async with TestClient(TestServer(application(settings))) as client:
        yield client

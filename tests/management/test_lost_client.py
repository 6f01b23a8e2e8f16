"""A client that leaves while it sends is no failure of the plane."""

from __future__ import annotations

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from management.app import tell_failures


async def test_a_client_that_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def lost(_: web.Request) -> web.StreamResponse:
        raise ConnectionResetError("Connection lost")

    with caplog.at_level(logging.INFO):
        answer = await tell_failures(make_mocked_request("POST", "/gateways/g/heartbeat"), lost)
    assert answer.status == 400
    assert not caplog.records

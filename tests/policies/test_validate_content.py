"""Bodies that are too large to look at: what was taken from a stream cannot be given back."""

from __future__ import annotations

import pytest

from passerelle.cases.world import World, policies
from proxy.pipeline.validation import LARGEST_BODY

LIMITS = (
    '<validate-content unspecified-content-type-action="ignore" max-size="10" size-exceeded-action="{}">'
    '<content type="application/json" validate-as="json" action="{}" /></validate-content>'
)


@pytest.mark.parametrize(
    ("size", "content", "stream", "status", "reason"),
    [
        ("prevent", "prevent", False, 400, "Bad request"),
        ("prevent", "prevent", True, 400, "Bad request"),
        ("ignore", "prevent", True, 400, "Bad request"),
        ("ignore", "detect", True, 413, "BodyTooLarge"),
        ("detect", "ignore", True, 413, "BodyTooLarge"),
        ("ignore", "ignore", True, 200, ""),
        ("detect", "ignore", False, 200, ""),
    ],
)
async def test_more_than_can_be_buffered(size: str, content: str, stream: bool, status: int, reason: str) -> None:
    world = World()
    body = b" " * (LARGEST_BODY + 10)
    exchange = world.exchange("POST", "/x", {"Content-Type": "application/json"}, body, stream=stream)
    response = await world.serve(exchange, policies(LIMITS.format(size, content)))
    assert response.status == status
    assert (exchange.last_error.reason if exchange.last_error else "") == reason
    if status == 200:
        assert len(world.transport.sent[0].body) == len(body)

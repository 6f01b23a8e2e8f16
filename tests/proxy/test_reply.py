"""What is given up when a response cannot be written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from proxy.adapters.reply import Reply
from proxy.errors import ClientConnectionFailure
from proxy.messages import Body, Response


class Stream:
    """A response body that a backend still sends; `closed` once nobody wants it any more."""

    closed = False

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        return b"more"

    async def aclose(self) -> None:
        self.closed = True


async def test_a_client_that_went_before_the_head_leaves_no_backend_waiting() -> None:
    connection: Any = SimpleNamespace(transport=None, abort=lambda: None)
    stream = Stream()
    with pytest.raises(ClientConnectionFailure):
        await Reply(connection, "GET", True, True).send(Response(200, "OK", body=Body(None, stream)))
    assert stream.closed

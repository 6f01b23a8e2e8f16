"""The Errands port: requests in the background, so that no client waits for them.

Rules
1. At most `limit` requests and `MAX_BYTES` of their bodies are in flight; what comes then is dropped and counted.
2. A failure is only logged, at most once per `LOG_EVERY` seconds, and never with the path or query of the URL.
3. At the end of the process what is in flight has a moment to finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from proxy.errors import BodyTooLarge, GatewayError
from proxy.ports import Authorize, Outgoing, Transport

LIMIT = 256
MAX_BYTES = 32 * 1024 * 1024
MAX_ANSWER = 64 * 1024  # bytes; an answer is read only to use its connection again
LOG_EVERY = 10.0  # seconds

log = logging.getLogger("proxy.errands")


class BackgroundErrands:
    """`failed` and `dropped` count since the start."""

    def __init__(self, transport: Transport, limit: int = LIMIT) -> None:
        self.failed = 0
        self.dropped = 0
        self._transport = transport
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._logged = float("-inf")

    def run(self, request: Outgoing, authorize: Authorize | None = None) -> bool:
        size = len(request.body.content())
        if len(self._tasks) >= self._limit or self._bytes + size > MAX_BYTES:
            self.dropped += 1
            self._tell("dropped", request, f"{len(self._tasks)} are in flight")
            return False
        self._bytes += size
        task = asyncio.get_running_loop().create_task(self._run(request, authorize, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self, timeout: float = 2.0) -> None:
        """Let what is in flight finish, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _run(self, request: Outgoing, authorize: Authorize | None, size: int) -> None:
        try:
            async with asyncio.timeout(request.timeout):
                if authorize is not None:
                    request.headers["Authorization"] = await authorize()
                response = await self._transport.send(request)
                with contextlib.suppress(BodyTooLarge):
                    await response.body.read(MAX_ANSWER)
                await response.body.discard()
            if response.status >= 400:
                self._fail(request, f"the answer is {response.status}")
        except TimeoutError:
            self._fail(request, f"no answer within {request.timeout:g} s")
        except GatewayError as problem:
            self._fail(request, str(problem))
        finally:
            self._bytes -= size

    def _fail(self, request: Outgoing, why: str) -> None:
        self.failed += 1
        self._tell("failed", request, why)

    def _tell(self, what: str, request: Outgoing, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._logged >= LOG_EVERY:
            self._logged = now
            log.warning(
                "a request to %s was %s: %s (%d failed, %d dropped since the start)",
                request.url.authority, what, why, self.failed, self.dropped,
                extra={"event": "ErrandFailed"},
            )  # fmt: skip

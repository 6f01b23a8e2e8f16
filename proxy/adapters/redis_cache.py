"""The external cache: any Redis-compatible server.

Rules
1. A server in trouble never fails a request and never holds it up for more than TIMEOUT: it is a miss.
2. A circuit breaker: a lost connection opens it, or a server that was asked and has said nothing for SILENCE. While
   it is open every lookup is a miss at once, and a task in the background asks until the server answers again.
   It is open at the start, so that a request never waits for a connection to be made.
3. A few connections carry everything: what requests ask at the same time goes out together on one of them, so that a
   burst makes no connections.
4. What comes from the server is only bytes; `proxy.pipeline.frozen` reads them and trusts nothing.
5. The `redis` package is loaded only when a connection is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.config.caches import EXAMPLES, Address, address
from proxy.settings import SettingError

log = logging.getLogger("proxy.cache")

TIMEOUT = 0.05  # seconds for one answer
SILENCE = 3  # times TIMEOUT: one slow moment, of the server or of this process, is no outage
CONNECT_TIMEOUT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # between two attempts while the breaker is open
LANES = 4  # connections
BATCH = 128  # commands sent together
LONGEST_QUEUE = 10_000  # commands that wait for one connection
MAX_VALUE = 8 * 1024 * 1024
LONGEST_KEY = 512

SETTING = "policy.cache.external.connection"
FILE_SETTING = "policy.cache.external.connection.file"
_Command = tuple[tuple[str | bytes | int, ...], "asyncio.Future[Any]"]


def from_settings(values: Mapping[str, str]) -> RedisCache | None:
    """The external cache of the settings, if there is one. Raises SettingError."""
    server = configured(values)
    return None if server is None else RedisCache(server, prefix(values))


def prefix(values: Mapping[str, str]) -> str:
    """What stands before every key."""
    return values.get("policy.cache.external.prefix", "").strip() or "passerelle/"


def configured(values: Mapping[str, str]) -> Address | None:
    """Where the server of the settings is, if there is one. Raises SettingError."""
    text = values.get(SETTING, "").strip()
    path = values.get(FILE_SETTING, "").strip()
    if path and not text:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise SettingError(f"{FILE_SETTING}: {path} cannot be read: {problem.strerror}.") from problem
    if not text:
        return None
    try:
        return address(text)
    except ValueError as problem:
        raise SettingError(f"{SETTING}: {problem}. {EXAMPLES}.") from None


class RedisCache:
    """Call `start` on the running loop, and `close` at the end."""

    def __init__(self, server: Address, prefix: str = "passerelle/", timeout: float = TIMEOUT) -> None:
        try:
            redis = importlib.import_module("redis.asyncio")
            retry = importlib.import_module("redis.asyncio.retry")
            backoff = importlib.import_module("redis.backoff")
            errors = importlib.import_module("redis.exceptions")
        except ImportError as missing:
            raise SettingError(f"{SETTING} needs the Python package redis, which is not installed.") from missing
        self._errors: tuple[type[Exception], ...] = (errors.RedisError, OSError)
        self._refusals: tuple[type[Exception], ...] = (errors.ResponseError,)
        self._server = server
        self._prefix = prefix
        self._timeout = timeout
        self._client: Any = redis.Redis(
            host=server.host,
            port=server.port,
            db=server.db,
            username=server.username,
            password=server.password,
            ssl=server.ssl,
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
        self._open = True
        self._silent_since: float | None = None
        self._told = False
        self._probe: asyncio.Task[None] | None = None
        self._queues: list[asyncio.Queue[_Command]] = []
        self._lanes: list[asyncio.Task[None]] = []
        self._next = 0

    @property
    def available(self) -> bool:
        return not self._open

    def start(self) -> None:
        """Begin to connect in the background."""
        self._break()

    async def close(self) -> None:
        tasks = [*self._lanes, *([self._probe] if self._probe else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(*self._errors):
            await self._client.aclose()

    async def get(self, key: str) -> bytes | None:
        if self._open:
            return None
        value = await self._ask("GET", self._name(key))
        return value if isinstance(value, bytes) else None

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        if self._open or len(value) > MAX_VALUE:
            return False
        if seconds <= 0:
            return await self.remove(key) and False
        return await self._ask("SET", self._name(key), value, "PX", max(1, int(seconds * 1000))) is not None

    async def remove(self, key: str) -> bool:
        if self._open:
            return False
        return await self._ask("DEL", self._name(key)) is not None

    def _name(self, key: str) -> str:
        if len(key) > LONGEST_KEY:
            key = f"{key[:64]}…{hashlib.blake2b(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
        return self._prefix + key.encode("utf-8", "backslashreplace").decode()

    async def _ask(self, *command: str | bytes | int) -> Any:
        """The server's answer, or None."""
        self._next = (self._next + 1) % LANES
        queue = self._queues[self._next]
        if queue.qsize() > LONGEST_QUEUE:
            return None
        loop = asyncio.get_running_loop()
        began = loop.time()
        future: asyncio.Future[Any] = loop.create_future()
        queue.put_nowait((command, future))
        try:
            async with asyncio.timeout(self._timeout):
                answer = await future
        except TimeoutError:
            if self._silent_since is None:
                self._silent_since = began
            elif loop.time() - self._silent_since >= SILENCE * self._timeout and not self._open:
                self._break(f"no answer for {SILENCE * self._timeout * 1000:g} ms")
        except self._refusals as refusal:  # the server works, and does not want this: it may be full, or read-only
            log.debug("the external cache refuses %s: %s", command[0], type(refusal).__name__)
        except self._errors as problem:
            self._break(type(problem).__name__)
        else:
            self._silent_since = None
            return answer
        return None

    async def _serve(self, queue: asyncio.Queue[_Command]) -> None:
        """Carry the commands of a queue, many at a time, on one connection."""
        while True:
            batch = [await queue.get()]
            while len(batch) < BATCH and not queue.empty():
                batch.append(queue.get_nowait())
            batch = [each for each in batch if not each[1].done()]  # without those that were given up
            if not batch:
                continue
            pipeline = self._client.pipeline(transaction=False)
            for command, _ in batch:
                pipeline.execute_command(*command)
            try:
                answers = await pipeline.execute(raise_on_error=False)
            except self._errors as problem:
                answers = [problem] * len(batch)
            except asyncio.CancelledError:
                _give_up(batch)
                raise
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _break(self, why: str = "") -> None:
        """Open the breaker, and have the server asked until it answers."""
        self._open = True
        for lane, queue in zip(self._lanes, self._queues, strict=True):
            lane.cancel()
            _give_up([queue.get_nowait() for _ in range(queue.qsize())])
        if why:
            self._tell(why)
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().create_task(self._ask_until_it_answers())

    async def _ask_until_it_answers(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await asyncio.gather(*(self._client.ping() for _ in range(LANES)))
            except self._errors as problem:  # TimeoutError is an OSError
                self._tell(type(problem).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._queues = [asyncio.Queue() for _ in range(LANES)]
                loop = asyncio.get_running_loop()
                self._lanes = [loop.create_task(self._serve(queue)) for queue in self._queues]
                self._open, self._silent_since, self._told = False, None, False
                where = f"{self._server.host}:{self._server.port}"
                log.info("external cache %s is in use", where, extra={"event": "ExternalCacheUp"})
                return

    def _tell(self, why: str) -> None:
        """Once per outage; the server's own words may hold secrets, so they are left out."""
        if not self._told:
            self._told = True
            log.warning(
                "external cache %s:%d is not in use, lookups miss: %s",
                self._server.host, self._server.port, why, extra={"event": "ExternalCacheDown"},
            )  # fmt: skip


def _give_up(commands: list[_Command]) -> None:
    for _, future in commands:
        if not future.done():
            future.set_result(None)

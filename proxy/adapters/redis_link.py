"""A Redis-compatible server that requests ask, and that may be away: a few connections behind a circuit breaker.

Rules
1. A server in trouble never fails a request and never holds it up for more than `timeout`: the answer is None.
2. A circuit breaker: a lost connection opens it, or a server that was asked and has said nothing for SILENCE. While
   it is open every answer is None at once, and a task in the background asks until the server answers again.
   It is open at the start, so that a request never waits for a connection to be made.
3. A few connections carry everything: what requests ask at the same time goes out together on one of them, so that a
   burst makes no connections.
4. The `redis` package is loaded only when a connection is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.config.caches import EXAMPLES, Address, address
from proxy.settings import SettingError

SILENCE = 3  # times the timeout: one slow moment, of the server or of this process, is no outage
CONNECT_TIMEOUT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # between two attempts while the breaker is open
LANES = 4  # connections
LONGEST_KEY = 512  # characters
BATCH = 128  # commands sent together
LONGEST_QUEUE = 10_000  # commands that wait for one connection


def name_of(prefix: str, key: str) -> str:
    """What a server calls a key: bounded, and text whatever the key is made of."""
    if len(key) > LONGEST_KEY:
        key = f"{key[:64]}…{hashlib.blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=32).hexdigest()}"
    return prefix + key.encode("utf-8", "backslashreplace").decode()


_Command = tuple[tuple[str | bytes | int, ...], "asyncio.Future[Any]"]


@dataclass(slots=True, frozen=True)
class Use:
    """What a server is used for, and how a log tells of it. `scripts` are loaded before it is used; one that is gone
    is an outage, and so is any refusal when `strict`."""

    name: str
    setting: str
    without: str  # what happens while it is away
    logger: logging.Logger
    up: str
    down: str
    scripts: tuple[str, ...] = ()
    strict: bool = False


def configured(values: Mapping[str, str], setting: str, file_setting: str) -> Address | None:
    """Where the server is that a setting names, or a file with its text. Raises SettingError."""
    text = values.get(setting, "").strip()
    path = values.get(file_setting, "").strip()
    if path and not text:
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise SettingError(f"{file_setting}: {path} cannot be read: {problem.strerror}.") from problem
    if not text:
        return None
    try:
        return address(text)
    except ValueError as problem:
        raise SettingError(f"{setting}: {problem}. {EXAMPLES}.") from None


class RedisLink:
    """Call `start` on the running loop, and `close` at the end. `authorities` is a file of certificates to trust, empty
    for the system's."""

    def __init__(self, server: Address, use: Use, timeout: float, authorities: str = "") -> None:
        try:
            redis = importlib.import_module("redis.asyncio")
            retry = importlib.import_module("redis.asyncio.retry")
            backoff = importlib.import_module("redis.backoff")
            errors = importlib.import_module("redis.exceptions")
        except ImportError as missing:
            raise SettingError(f"{use.setting} needs the Python package redis, which is not installed.") from missing
        # uvloop raises RuntimeError for a stream whose connection is lost, where asyncio has ConnectionResetError
        self._errors: tuple[type[Exception], ...] = (errors.RedisError, OSError, RuntimeError)
        self._refusals: tuple[type[Exception], ...] = () if use.strict else (errors.ResponseError,)
        self._server, self._use, self._timeout = server, use, timeout
        trust = {"ssl_ca_certs": authorities} if server.ssl and authorities else {}
        self._client: Any = redis.Redis(
            host=server.host,
            port=server.port,
            db=server.db,
            username=server.username,
            password=server.password,
            ssl=server.ssl,
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=retry.Retry(backoff.NoBackoff(), 0),
            **trust,
        )
        self.open = True
        self.why = "not reached yet"
        self._silent_since: float | None = None
        self._told = False
        self._probe: asyncio.Task[None] | None = None
        self._queues: list[asyncio.Queue[_Command]] = []
        self._lanes: list[asyncio.Task[None]] = []
        self._next = 0

    def start(self) -> None:
        """Begin to connect in the background."""
        self._break()

    @property
    def place(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    async def close(self) -> None:
        tasks = [*self._lanes, *([self._probe] if self._probe else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(*self._errors):
            await self._client.aclose()

    async def ask(self, *command: str | bytes | int) -> Any:
        """The server's answer, or None."""
        if self.open:
            return None
        future = self._send(command)
        if future is None:
            return None
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await future
        except TimeoutError:
            self._silent(began, loop.time())
        except self._refusals as refusal:  # the server works, and does not want this: it may be full, or read-only
            self._use.logger.debug("the %s refuses %s: %s", self._use.name, command[0], type(refusal).__name__)
        except self._errors as problem:
            self._break(_reason(problem))
        else:
            self._silent_since = None
            return answer
        return None

    def tell(self, *command: str | bytes | int) -> None:
        """Have the server do something that nobody waits for."""
        future = None if self.open else self._send(command)
        if future is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._timeout, self._look, future, loop.time())

    def _look(self, future: asyncio.Future[Any], began: float) -> None:
        if not future.done():
            self._silent(began, asyncio.get_running_loop().time())
        elif not future.cancelled() and (problem := future.exception()) is not None:
            if not self.open and not isinstance(problem, self._refusals):
                self._break(_reason(problem))
        else:
            self._silent_since = None

    def _send(self, command: tuple[str | bytes | int, ...]) -> asyncio.Future[Any] | None:
        self._next = (self._next + 1) % LANES
        queue = self._queues[self._next]
        if queue.qsize() > LONGEST_QUEUE:
            return None
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        queue.put_nowait((command, future))
        return future

    def _silent(self, began: float, now: float) -> None:
        if self._silent_since is None:
            self._silent_since = began
        elif now - self._silent_since >= SILENCE * self._timeout and not self.open:
            self._break(f"no answer for {SILENCE * self._timeout * 1000:g} ms")

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
            except self._errors as problem:  # a connection that is lost, also for those that no longer wait
                answers = [problem] * len(batch)
                if not self.open:
                    self._break(_reason(problem))
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
        self.open = True
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
                    for script in self._use.scripts:
                        await self._client.script_load(script)
            except self._errors as problem:  # TimeoutError is an OSError
                self._tell(_reason(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._queues = [asyncio.Queue() for _ in range(LANES)]
                loop = asyncio.get_running_loop()
                self._lanes = [loop.create_task(self._serve(queue)) for queue in self._queues]
                self.open, self._silent_since, self._told = False, None, False
                self.why = ""
                self._use.logger.info("%s %s is in use", self._use.name, self.place, extra={"event": self._use.up})
                return

    def _tell(self, why: str) -> None:
        """Once per outage; the server's own words may hold secrets, so they are left out."""
        self.why = why
        if not self._told:
            self._told = True
            self._use.logger.warning(
                "%s %s is not in use, %s: %s",
                self._use.name, self.place, self._use.without, why, extra={"event": self._use.down},
            )  # fmt: skip


def _reason(problem: BaseException) -> str:
    return type(problem).__name__


def _give_up(commands: list[_Command]) -> None:
    for _, future in commands:
        if not future.done():
            future.set_result(None)

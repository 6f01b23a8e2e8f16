"""Steady traffic, and an oracle that knows each request's right answer.

Keep-alive clients in a thread with an event loop, at a fixed rate in all; a slow answer does not make the next request
later than it must be. An answer is wrong when its status is not one of its kind's, when it mixes two configurations,
when it is of one that was never published, or of an older one than the same sidecar had answered with before this
request was sent. A reset, a timeout and an early end are wrong too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# (status, headers in lower case, body) -> what is wrong with it, or nothing
Check = Callable[[int, dict[str, str], bytes], str]


@dataclass(frozen=True)
class Kind:
    """One sort of request. `versioned`: its answers tell their configuration, see `Oracle`."""

    name: str
    path: str
    statuses: frozenset[int]
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = b""
    versioned: bool = False
    check: Check | None = None


@dataclass
class Oracle:
    """Which versions an answer may be of. An answer tells its version twice: in the field `x-version` and, as the
    backend saw it, in `headers.x-version` of its body; both are written by policies of the same configuration."""

    newest: int = 0  # published, or about to be
    reached: dict[str, int] = field(default_factory=dict)  # by sidecar: the newest that it has answered with

    def forget(self, sidecar: str = "") -> None:
        """A sidecar without memory (it was killed, and its agent's backup may be older) may begin where it likes."""
        if sidecar:
            self.reached.pop(sidecar, None)
        else:
            self.reached.clear()

    def judge(self, sidecar: str, floor: int, headers: dict[str, str], body: bytes) -> str:
        try:
            outer, inner = int(headers["x-version"]), int(json.loads(body)["headers"]["x-version"])
        except (KeyError, ValueError, TypeError):
            return "tells no version"
        if outer != inner:
            return f"mixes versions {inner} and {outer}"
        if outer > self.newest:
            return f"is of version {outer}, which there is not"
        if outer < floor:
            return f"is of version {outer} after {floor}"
        self.reached[sidecar] = max(self.reached.get(sidecar, 0), outer)
        return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`at` is the monotonic time of its end; status 0: none came."""

    at: float
    seconds: float
    sidecar: str
    kind: str
    status: int
    wrong: str


class Load:
    """Use it as a context manager. `sidecars` are base URLs; `rate` is requests/s in all."""

    def __init__(
        self,
        sidecars: Sequence[str],
        kinds: Sequence[Kind],
        oracle: Oracle,
        *,
        clients: int = 16,
        rate: float = 200,
        timeout: float = 10,
    ) -> None:
        self.sidecars, self.kinds, self.oracle = list(sidecars), list(kinds), oracle
        self.clients, self.rate, self.timeout = clients, rate, timeout
        self.answers: deque[Answer] = deque(maxlen=500_000)
        self.counts: Counter[tuple[str, int]] = Counter()
        self.failures: list[str] = []
        self.total = 0
        self.began = 0.0
        self._ending = False

    def __enter__(self) -> Load:
        self.began = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join(self.timeout + 5)

    def p99(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Milliseconds, of answers that ended between two monotonic times."""
        taken = sorted(each.seconds for each in list(self.answers) if since <= each.at < until)
        return taken[min(int(len(taken) * 0.99), len(taken) - 1)] * 1000 if taken else 0.0

    def first(self, since: float, good: Callable[[Answer], bool]) -> float:
        """Seconds from a monotonic time until the first such answer; infinite when there is none."""
        return next((each.at - since for each in list(self.answers) if each.at >= since and good(each)), float("inf"))

    def statuses(self, since: float = 0.0) -> Counter[int]:
        return Counter(each.status for each in list(self.answers) if each.at >= since)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.clients):
                tasks.create_task(self._client(number))

    async def _client(self, number: int) -> None:
        sidecar = self.sidecars[number % len(self.sidecars)]
        parts = urlsplit(sidecar)
        step = self.clients / self.rate
        due = time.monotonic() + step * number / self.clients
        turn = number // len(self.sidecars)
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._ending:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            due = max(due + step, time.monotonic() - 1)
            if self._ending:
                break
            kind = self.kinds[turn % len(self.kinds)]
            turn += 1
            floor, sent = self.oracle.reached.get(sidecar, 0), time.monotonic()
            status, wrong = 0, ""
            try:
                async with asyncio.timeout(self.timeout):
                    if streams is None:
                        streams = await asyncio.open_connection(parts.hostname, parts.port)
                    status, headers, body, ends = await _exchange(*streams, parts.netloc, kind)
                wrong = self._wrong(sidecar, kind, floor, status, headers, body)
                if ends:
                    streams[1].close()
                    streams = None
            except TimeoutError:
                wrong = f"no answer in {self.timeout:g} s"
            except (OSError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as error:
                wrong = f"{type(error).__name__}: {error}"
            if wrong and status == 0 and streams is not None:
                streams[1].close()
                streams = None
            self._note(Answer(time.monotonic(), time.monotonic() - sent, sidecar, kind.name, status, wrong))
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    def _wrong(self, sidecar: str, kind: Kind, floor: int, status: int, headers: dict[str, str], body: bytes) -> str:
        if status not in kind.statuses:
            return f"{status} {body[:120].decode(errors='replace')}"
        if kind.versioned and status == 200 and (wrong := self.oracle.judge(sidecar, floor, headers, body)):
            return wrong
        return kind.check(status, headers, body) if kind.check is not None else ""

    def _note(self, answer: Answer) -> None:
        self.total += 1
        self.answers.append(answer)
        self.counts[answer.kind, answer.status] += 1
        if answer.wrong:
            self.failures.append(
                f"{answer.at - self.began:.2f} s: {answer.kind} of {answer.sidecar} after "
                f"{answer.seconds * 1000:.0f} ms: {answer.wrong}"
            )


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, kind: Kind
) -> tuple[int, dict[str, str], bytes, bool]:
    """Status, headers, body, and whether the connection ends with it. Raises OSError, EOFError, ValueError."""
    lines = [f"{kind.method} {kind.path} HTTP/1.1", f"Host: {host}", *(f"{name}: {it}" for name, it in kind.headers)]
    if kind.body:
        lines.append(f"Content-Length: {len(kind.body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + kind.body)
    await writer.drain()
    first, *fields = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
    status = int(first.split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
    ends = headers.get("connection", "").lower() == "close"
    if status in (204, 304) or kind.method == "HEAD":
        return status, headers, b"", ends
    if "content-length" in headers:
        return status, headers, await reader.readexactly(int(headers["content-length"])), ends
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return status, headers, await reader.read(), True
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return status, headers, body, ends

"""`python -m benchmarks.idle`: what a client costs that keeps its connection and is quiet, in KB of resident memory.

Each connection makes one request and stays. A first crowd comes and goes, so that what is paid once is not charged to
connections; then memory is read before and after the second. Beside nginx and Envoy.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys

from benchmarks import results
from benchmarks.bodies import family
from benchmarks.goals import OURS
from benchmarks.load import measured
from benchmarks.peers.backend import BODY
from benchmarks.processes import NotReady, usage
from benchmarks.stage import Proxy, Stage
from benchmarks.table import table

GOAL = 20.0  # KB
AT_ONCE = 200
SPARE = 500  # descriptors beside those of clients


class Quiet(asyncio.Protocol):
    """One request, and then nothing; `answered` is done when the answer was right, or fails."""

    transport: asyncio.WriteTransport

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._text = b""
        self.open = True
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._text += data
        if not self.answered.done() and (answer := measured(self._text)) is not None:
            self._text = b""
            if answer == (200, len(BODY)):
                self.answered.set_result(None)
            else:
                self.answered.set_exception(NotReady(f"status {answer[0]}, {answer[1]} bytes"))

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if not self.answered.done():
            self.answered.set_exception(NotReady("closed before it answered"))


async def crowd(proxy: Proxy, count: int) -> list[Quiet]:
    """Raises NotReady unless all of them are answered and stay connected."""
    request = f"GET {proxy.path}/item HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
    loop, clients = asyncio.get_running_loop(), []
    for start in range(0, count, AT_ONCE):
        number = min(AT_ONCE, count - start)
        made = await asyncio.gather(
            *(loop.create_connection(lambda: Quiet(request), "127.0.0.1", proxy.port) for _ in range(number))
        )
        some = [client for _, client in made]
        await asyncio.wait_for(asyncio.gather(*(client.answered for client in some)), 30)
        clients += some
    if not all(client.open for client in clients):
        raise NotReady(f"{proxy.name} closed connections that it should keep")
    return clients


async def disperse(clients: list[Quiet]) -> None:
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(1.5)


def resident(proxy: Proxy) -> int:
    return sum(usage(pid).resident for pid in family(proxy))


async def measure(arguments: argparse.Namespace) -> str:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # our own, and what is started inherits it
    if hard != resource.RLIM_INFINITY and hard < arguments.clients + SPARE:
        raise NotReady(
            f"{arguments.clients} clients need {arguments.clients + SPARE} descriptors; ulimit -Hn is {hard}"
        )
    rows = []
    async with Stage("backend") as stage:
        for proxy in stage.proxies:
            await disperse(await crowd(proxy, arguments.clients // 10))
            before = resident(proxy)
            clients = await crowd(proxy, arguments.clients)
            await asyncio.sleep(2)
            after = resident(proxy)
            kept = sum(client.open for client in clients)
            each = (after - before) / max(kept, 1) / 1024
            goal = ("met" if each <= GOAL else "missed") if proxy.name == OURS else ""
            await disperse(clients)
            left = (resident(proxy) - before) / 1024 / 1024
            rows.append([proxy.name, f"{kept:,}", f"{each:.1f}", f"{after / 1048576:.0f}", f"{left:.0f}", goal])
    heads = ["", "connections", "KB each", "RSS MB with them", "more than before when they left, MB", "goal"]
    return f"{table(heads, rows)}\n\nGoal: at most {GOAL:g} KB each. {results.machine()}; telemetry off."


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    return results.command(parser, measure, "Idle connections")


if __name__ == "__main__":
    sys.exit(main())

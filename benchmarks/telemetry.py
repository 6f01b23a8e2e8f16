"""`python -m benchmarks.telemetry [--records N] [--rounds N]`: what telemetry costs, microseconds of CPU per request.

*record* is making the record of a request, *append* handing it to the journal, *sidecar* both and the packing and
writing of batches on its event loop: all that a request pays there. *child* is the telemetry child: its CPU per 1,000
requests is the same figure in milliseconds. Each line is a child of its own with its settings; the collector is another
process that takes everything and looks at nothing. Records are those of eight operations, 200 subscriptions, 5,000
clients, and as many failures as a bad day has; the child has seen each kind before it is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from benchmarks.table import table
from passerelle.cases.world import World
from proxy.config.resources import Deployment
from proxy.exchange import Exchange
from proxy.messages import Body, Headers, Request, Url
from proxy.record import record
from telemetry.journal import Journal
from telemetry.records import ErrorRecord, RequestRecord, Row

PER_TURN = 250  # records between two looks at the event loop
OTLP = "observability.opentelemetry"
QUIET = {"telemetry.logs.std": "none"}
ERROR = ErrorRecord(
    12,
    "forward-request",
    "BackendConnectionFailure",
    "connection refused",
    "api",
    "backend",
    "forward-request",
    "",
)


def making(count: int) -> float:
    """Microseconds for the record of a request with an API, an operation, a product, a subscription and a user."""
    url = Url("https", "api.example.com", 443, "/shop/v1/orders/1234/lines", "page=7&size=20")
    request = Request("GET", url, url.path, url.query, Headers(), Body(), client_ip="10.1.2.3")
    exchange = Exchange(request, World().ports, Deployment(), 0.0, datetime.datetime.now(datetime.UTC), uuid.uuid4())
    known: Any = SimpleNamespace(
        id="orders", name="Orders", revision="1", path="shop", url_template="/o/{id}", key_query="subscription-key"
    )
    exchange.api = exchange.operation = exchange.product = exchange.subscription = exchange.user = known
    exchange.backend_method, exchange.backend_status, exchange.backend_ms = "GET", 200, 12.5
    exchange.backend_url = "http://orders.internal:9000/orders/1234/lines?page=7&size=20"
    exchange.trace_id, exchange.span_id, exchange.backend_span_id = "0" * 32, "1" * 16, "2" * 16
    began = time.thread_time()
    for _ in range(count):
        record(exchange, 200, 0, 1234)
    return (time.thread_time() - began) * 1e6 / count


def records(count: int, seed: int) -> list[Row]:
    """As many finished requests, the same for the same seed."""
    chance = random.Random(seed)
    made: list[Row] = []
    for _ in range(count):
        operation = chance.randrange(8)
        luck = chance.random()
        failed = luck < 0.01
        refused = 0.01 <= luck < 0.04
        called = not refused
        status = 500 if failed else 429 if refused else 404 if luck < 0.06 else 200
        query = f"?page={chance.randrange(50)}&size=20" if chance.random() < 0.3 else ""
        path = f"orders/{chance.randrange(100_000)}/lines{query}"
        backend = chance.uniform(1, 80) if called else 0.0
        client = chance.uniform(0.1, 3)
        subscription = chance.randrange(200)
        made.append(
            as_made(
                start_ns=1_763_900_000_000_000_000 + chance.randrange(10**9),
                total_ms=backend + client + 0.4,
                backend_ms=backend,
                client_ms=client,
                cache_ms=0.0,
                correlation_id=f"{chance.getrandbits(128):032x}",
                trace_id=f"{chance.getrandbits(128):032x}",
                span_id=f"{chance.getrandbits(64):016x}",
                parent_span_id=f"{chance.getrandbits(64):016x}" if chance.random() < 0.5 else "",
                backend_span_id=f"{chance.getrandbits(64):016x}" if called else "",
                sampled=True,
                method="POST" if operation == 7 else "GET",
                url=f"https://api.example.com/shop/v{operation}/{path}",
                route=f"/shop/v{operation}/orders/{{id}}/lines",
                host="api.example.com",
                client_protocol="HTTP/1.1",
                client_tls_version="1.3",
                client_ip=f"10.1.{chance.randrange(20)}.{chance.randrange(250)}",
                request_size=chance.randrange(2000) if operation == 7 else 0,
                status=status,
                response_size=chance.randrange(200, 9000),
                backend_method="GET" if called else "",
                backend_url=f"http://orders.internal:9000/{path}" if called else "",
                backend_id="orders-pool" if called else "",
                backend_status=0 if failed or not called else status,
                backend_protocol="HTTP/1.1" if called and not failed else "",
                cache="none",
                api_id="shop-orders",
                api_name="Shop orders",
                api_revision="3",
                operation_id=f"get-order-lines-v{operation}",
                operation_name=f"Lines of an order, version {operation}",
                product_id="starter",
                subscription_id=f"subscription-{subscription}",
                user_id=f"user-{subscription % 40}",
                last_error=ERROR if failed else None,
                errors=(ERROR,) if failed else (),
                traces=(),
            )
        )
    return made


def as_made(**values: Any) -> Row:
    """In a plain tuple, as the sidecar makes it."""
    return tuple(RequestRecord(**values))


def cpu(pid: int) -> float:
    """Seconds of CPU that a process and its threads have used, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # the kernel's name for another process's CPU clock


async def run(settings: dict[str, str], count: int) -> tuple[float, float, float, float]:
    """Microseconds per record: making it, append, both and flush, the child."""
    record = making(count)
    journal = Journal({**QUIET, **settings}, "benchmark:1", figures=lambda _: None)
    with nowhere():
        journal.start()
    warm, measured = records(4000, 1), records(count, 2)
    for each in warm:
        journal.append(each)
    await _written(journal, len(warm))
    assert journal.child_pid is not None
    await _idle(journal.child_pid)
    before = cpu(journal.child_pid)
    appending = 0.0
    began = time.thread_time()
    for start in range(0, count, PER_TURN):
        turn = measured[start : start + PER_TURN]
        clock = time.thread_time()
        for each in turn:
            journal.append(each)
        appending += time.thread_time() - clock
        await asyncio.sleep(0.005)
    await _written(journal, len(warm) + count)
    hot = time.thread_time() - began
    await _idle(journal.child_pid)
    child = cpu(journal.child_pid) - before
    dropped = journal.dropped
    await journal.close()
    if dropped:
        raise RuntimeError(f"{dropped} records were dropped: what is left is no figure of {count}")
    return record, appending * 1e6 / count, record + hot * 1e6 / count, child * 1e6 / count


async def _written(journal: Journal, count: int) -> None:
    while journal.written + journal.dropped < count:  # noqa: ASYNC110 - the journal tells nobody
        await asyncio.sleep(0.02)


async def _idle(pid: int) -> None:
    """Until the process does no more than wake up now and then; what lingers for a second is sent by then."""
    used = cpu(pid)
    quiet = 0
    while quiet < 3:
        await asyncio.sleep(0.5)
        now = cpu(pid)
        quiet = quiet + 1 if now - used < 0.004 else 0
        used = now


@contextmanager
def nowhere() -> Iterator[None]:
    """What starts in here has its standard output in no place."""
    sys.stdout.flush()
    here, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(here, 1)
        os.close(here)
        os.close(null)


@contextmanager
def collector(protocol: str) -> Iterator[dict[str, str]]:
    """A collector in a process of its own; the settings to reach it."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.telemetry", "--collect", protocol], stdout=-1)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield {
            f"{OTLP}.enabled": "true",
            f"{OTLP}.collector.uri": f"http://127.0.0.1:{port}",
            f"{OTLP}.protocol": protocol,
            f"{OTLP}.metrics.interval": "60",
        }
    finally:
        process.stdout.close()
        process.terminate()
        process.wait()


def collect(protocol: str) -> None:
    """Take everything until ended."""
    if protocol == "grpc":
        import grpc

        class Everything(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                return grpc.unary_unary_rpc_method_handler(lambda data, context: b"")

        server = grpc.server(ThreadPoolExecutor(2), [Everything()])
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        server.start()
        server.wait_for_termination()
    else:
        from aiohttp import web

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        async def serve() -> None:
            application = web.Application(client_max_size=1 << 26)
            application.router.add_post("/{path:.*}", answer)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            print(runner.addresses[0][1], flush=True)
            await asyncio.Event().wait()

        asyncio.run(serve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="a part of the name of a line")
    parser.add_argument("--collect", choices=("grpc", "http/protobuf"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.collect:
        collect(options.collect)
        return
    with (
        collector("grpc") as grpc,
        collector("http/protobuf") as http,
        tempfile.TemporaryDirectory() as spool,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log,
    ):
        log.bind(("127.0.0.1", 0))  # what is sent to it is dropped by the kernel
        QUIET["telemetry.spool.path"] = spool
        local = {
            "telemetry.logs.local": "json",
            "telemetry.logs.local.json.endpoint": f"127.0.0.1:{log.getsockname()[1]}",
        }
        only_metrics = {f"{OTLP}.traces.enabled": "false", f"{OTLP}.logs.enabled": "false"}
        lines = {
            "nothing on (the reports' figures)": {},
            "OTLP grpc, metrics": {**grpc, **only_metrics},
            "OTLP grpc, logs, spans and metrics": grpc,
            "OTLP http, logs, spans and metrics": http,
            "text on standard output": {"telemetry.logs.std": "text"},
            "json on standard output": {"telemetry.logs.std": "json"},
            "json to a local log": local,
        }
        rows: dict[str, list[tuple[float, ...]]] = {}
        for _ in range(options.rounds):
            for name, settings in lines.items():
                if not options.only or options.only in name:
                    rows.setdefault(name, []).append(asyncio.run(run(settings, options.records)))
    print(
        table(
            ["CPU us per request", "record", "append", "sidecar", "child"],
            [
                [name, *(f"{statistics.median(column):.2f}" for column in zip(*found, strict=True))]
                for name, found in rows.items()
            ],
        )
    )


if __name__ == "__main__":
    main()

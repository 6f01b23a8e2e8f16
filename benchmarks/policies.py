"""`python -m benchmarks.policies`: what policies and typical expressions cost a request, in ns of CPU.

In this process, with no socket: documents are compiled as a sidecar compiles them, and requests run through the linked
pipeline to a backend that answers at once. The figure of a policy is the CPU time of a request through a document with
it, less that of the same request through a document without it; medians of rounds that take turns. An expression is
evaluated by itself. With `--server`, ten policies and pass-through are also measured through the real processes.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import gateway, results
from benchmarks.configuration import TEN_POLICIES
from benchmarks.policy_cases import CASES, FRAGMENT, JSON, MORE, Case
from benchmarks.table import table
from passerelle.cases.tokens import FakeTokens
from passerelle.cases.world import FakeJournal, document
from proxy.adapters.cache import LocalCache
from proxy.adapters.clock import SystemClock
from proxy.adapters.counters import LocalCounters
from proxy.adapters.quotas import LocalQuotas
from proxy.config.resources import Api, Backend, Deployment, Example, Operation, Subscription
from proxy.exchange import Exchange
from proxy.expressions import compile_expression
from proxy.messages import Body, Headers, Request, Response, Url
from proxy.pipeline.compile import Environment
from proxy.pipeline.link import Pipeline, link
from proxy.pipeline.run import execute
from proxy.ports import Outgoing, Ports
from proxy.tracing.ports import watched
from proxy.tracing.recorder import Recorder

BATCH = 200  # requests that are made ready before the clock runs
EXPRESSIONS = (
    '@((string)context.Variables["kind"])',
    '@(context.Variables.GetValueOrDefault<int>("count", 0) + 1)',
    '@(context.Request.Headers.GetValueOrDefault("X-Kind", ""))',
    '@(context.Request.MatchedParameters["id"])',
    '@(context.Request.Url.Query.GetValueOrDefault("page", "1"))',
    "@(context.Response != null && context.Response.StatusCode >= 500)",
    '@(string.IsNullOrEmpty(context.Subscription?.Id) ? "none" : context.Subscription.Id)',
    '@(context.Request.Body.As<JObject>(preserveContent: true)["name"].ToString())',
    '@(Convert.ToBase64String(Encoding.UTF8.GetBytes("user:" + context.RequestId)))',
    """@{
        var parts = context.Request.Headers.GetValueOrDefault("X-List", "").Split(',');
        return string.Join(";", parts.Where(p => p.Length > 1).Select(p => p.Trim().ToLower()));
    }""",
)
HEADERS = {"X-Kind": "plain", "X-List": "A1, B2, C, D4", "Accept": "application/json", "User-Agent": "benchmark"}


@dataclass
class Answers:
    """A backend that answers at once."""

    body: bytes

    async def send(self, request: Outgoing) -> Response:
        return Response(200, "OK", Headers({"Content-Type": "application/json"}), Body(self.body))


def ports(answer: bytes) -> Ports:
    return Ports(
        Answers(answer), LocalCounters(), SystemClock(), FakeJournal(), LocalCache(), LocalQuotas(),
        tokens=FakeTokens({"https://vault.example/": "a-token"}),
    )  # fmt: skip


API = Api("shop", "shop", "Shop", "shop", service_url="https://backend.example/base")
OPERATION = Operation(
    "get-order", "Get order", "GET", "/orders/{id}", "shop", examples=(Example(200, "application/json", '{"id": 7}'),)
)
SUBSCRIPTION = Subscription("sub-1", "Sub 1", "service", "active", "key-one", "key-two")
ENVIRONMENT = Environment(fragments={"shared": FRAGMENT}, backends={"other": Backend("other", "https://other.example")})
BASE = Url("https", "backend.example", 443, "/base")
ORIGINAL = Url("https", "gateway.example", 443, "/shop/orders/7", "page=2")
NOW = datetime.datetime.now(datetime.UTC)


def exchange(case: Case, world: Ports) -> Exchange:
    request = Request(
        case.method, ORIGINAL, "/orders/7", "page=2", Headers({**HEADERS, **case.headers}), Body(case.body), BASE,
        "203.0.113.9",
    )  # fmt: skip
    return Exchange(
        request, world, Deployment(gateway_id="gw"), time.monotonic(), NOW
    ).having(
        api=API, operation=OPERATION,
        subscription=SUBSCRIPTION, matched_parameters={"id": "7"}, variables={"kind": "plain", "count": 3},
    )  # fmt: skip


async def run(pipeline: Pipeline, case: Case, world: Ports, count: int, traced: bool = False) -> float:
    """CPU µs per request."""
    spent = 0.0
    for _ in range(count // BATCH):
        ready = [exchange(case, world) for _ in range(BATCH)]
        if traced:
            for each in ready:
                recorder = Recorder()
                each.watch, each.ports = recorder, watched(world, recorder, each)
        began = time.process_time()
        for each in ready:
            await execute(pipeline, each)
        spent += time.process_time() - began
    last = ready[-1]
    assert last.response is not None
    assert last.response.status == 200, (case.name, last.last_error)
    return spent / (count // BATCH * BATCH) * 1e6


def compiled(text: str, scope: str = "api") -> Pipeline:
    return link([document(text, scope, environment=ENVIRONMENT)])


async def cost(case: Case, rounds: int, count: int) -> tuple[float, float]:
    """µs with the policy and without it."""
    world = ports(case.answer)
    pair = [(compiled(case.text(), case.scope), []), (compiled(case.without(), case.scope), [])]
    for pipeline, _ in pair:
        await run(pipeline, case, world, BATCH)
    for number in range(rounds):
        for pipeline, found in pair[:: -1 if number % 2 else 1]:
            found.append(await run(pipeline, case, world, count))
    return statistics.median(pair[0][1]), statistics.median(pair[1][1])


def evaluation(source: str, rounds: int, count: int) -> float:
    """µs of one evaluation."""
    case, world = Case("", method="POST", body=JSON), ports(JSON)
    evaluate: Callable[[Exchange], object] = compile_expression(source).evaluate
    found = []
    for _ in range(rounds):
        each = exchange(case, world)
        evaluate(each)
        began = time.process_time()
        for _ in range(count):
            evaluate(each)
        found.append((time.process_time() - began) / count * 1e6)
    return statistics.median(found)


async def report(rounds: int, count: int) -> str:
    pieces = []
    for name, cases in (("policy, the most used first", CASES), ("another policy", MORE)):
        rows = []
        for case in cases:
            whole, without = await cost(case, rounds, count)
            rows.append([case.name, f"{(whole - without) * 1000:,.0f}", f"{whole * 1000:,.0f}"])
        pieces.append(table([name, "ns", "whole request in process, ns"], rows))
    rows = [
        [" ".join(source.split()).replace("|", "\\|"), f"{evaluation(source, rounds, count) * 1000:,.0f}"]
        for source in EXPRESSIONS
    ]
    pieces.append(table(["expression", "ns"], rows))
    ten = Case("ten policies", headers={"X-Kind": "plain"})
    world, plain, full = ports(JSON), compiled(ten.without()), compiled(TEN_POLICIES)
    figures: dict[str, list[float]] = {"pass-through": [], "10 policies, 6 expressions": [], "the same, traced": []}
    for _ in range(rounds):
        figures["pass-through"].append(await run(plain, ten, world, count))
        figures["10 policies, 6 expressions"].append(await run(full, ten, world, count))
        figures["the same, traced"].append(await run(full, ten, world, count, traced=True))
    rows = [[name, f"{statistics.median(found) * 1000:,.0f}"] for name, found in figures.items()]
    pieces.append(table(["document, in process", "ns"], rows))
    pieces.append(f"{results.machine()}; medians of {rounds} rounds of {count} requests.")
    return "\n\n".join(pieces)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000, help="per round and document")
    parser.add_argument("--server", action="store_true", help="also through the real processes")
    parser.add_argument("--out", type=Path, help="put the tables into this page")
    arguments = parser.parse_args()
    gc.collect()
    gc.freeze()
    gc.disable()
    text = asyncio.run(report(arguments.rounds, arguments.requests))
    print(text)
    if arguments.out is not None:
        results.put(arguments.out, {"Policies": text})
    gc.enable()
    if arguments.server:
        print()
        sys.argv[1:] = ["--rounds", "3", "--requests", "5000"]
        return gateway.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())

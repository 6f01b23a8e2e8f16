"""What a request pays for policies whose values are constant."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from passerelle.cases.world import World, document, policies
from proxy.pipeline.compile import Environment, Scope, compile_document
from proxy.pipeline.steps import Step

# Machines that run tests are slow and shared; a regression to text handling per request costs ten times as much.
SLACK = 3


def best(action: Callable[[], object], number: int = 2000, rounds: int = 15) -> float:
    """Seconds per call, in the best round."""
    fastest = 1.0
    for _ in range(rounds):
        started = process_time()
        for _ in range(number):
            action()
        fastest = min(fastest, (process_time() - started) / number)
    return fastest


def test_a_constant_header_costs_less_than_a_microsecond() -> None:
    (step,) = document(policies("<set-header name='X-A'><value>b</value></set-header>")).sections["inbound"]
    assert isinstance(step, Step)
    exchange = World().exchange()
    assert best(lambda: step.run(exchange)) < 1e-6 * SLACK


def test_a_document_is_compiled_in_a_millisecond() -> None:
    text = policies("<base/>" + "<set-header name='X-A'><value>b</value></set-header>" * 10)
    compile_document(text, Scope("api"), Environment())
    assert best(lambda: compile_document(text, Scope("api"), Environment()), 5) < 1e-3 * SLACK

"""`Recorder`: what happened while a document ran: each step, what it changed, what its expressions made, how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from passerelle.cases.changes import Change, State, changes, shown, state_of
from proxy.errors import GatewayError
from proxy.pipeline.registry import Outcome
from proxy.pipeline.steps import Step

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.element import Element

OUTCOMES = {Outcome.RESPOND: "ends the request with its response", Outcome.ANSWERED: "answers without the backend"}


@dataclass(slots=True)
class Evaluation:
    """One expression and what it made; `failed`: `value` is the message of its error."""

    code: str
    value: str
    failed: bool = False


@dataclass(slots=True)
class Entry:
    """One run of one policy; those that ran inside it follow, with a greater `depth`."""

    depth: int
    policy: str
    scope: str
    section: str
    path: str
    line: int
    source: str  # "fragment 'x'", or empty for the document itself
    milliseconds: float = 0.0
    changes: list[Change] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    outcome: str = ""
    error: str = ""


class Recorder:
    """A watch (see proxy/pipeline/watch.py); `entries` are in the order in which the steps began."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        # what runs in parallel has a context of its own
        self._inside: ContextVar[Entry | None] = ContextVar("inside", default=None)

    def step(self, step: Step, element: Element) -> Step:
        line, run = element.position[0], step.run
        title = element.source.title

        if step.is_async:

            async def run_async(exchange: Exchange) -> Any:
                with self._entry(step, line, title, exchange) as entry:
                    outcome = await run(exchange)
                    entry.outcome = OUTCOMES.get(outcome, "")
                return outcome

            return replace(step, run=run_async)

        def run_now(exchange: Exchange) -> Any:
            with self._entry(step, line, title, exchange) as entry:
                outcome = run(exchange)
                entry.outcome = OUTCOMES.get(outcome, "")
            return outcome

        return replace(step, run=run_now)

    def expression(self, code: str, evaluate: Callable[[Exchange], Any]) -> Callable[[Exchange], Any]:
        def evaluated(exchange: Exchange) -> Any:
            entry = self._inside.get()
            try:
                value = evaluate(exchange)
            except GatewayError as problem:
                if entry:
                    entry.evaluations.append(Evaluation(code, _explained(problem), failed=True))
                raise
            if entry:
                entry.evaluations.append(Evaluation(code, shown(value)))
            return value

        return evaluated

    @contextmanager
    def _entry(self, step: Step, line: int, title: str, exchange: Exchange) -> Iterator[Entry]:
        outer = self._inside.get()
        at = step.origin
        depth = outer.depth + 1 if outer else 0
        entry = Entry(depth, at.source, at.scope, at.section, at.path, line, title)
        index = len(self.entries)
        self.entries.append(entry)
        before: State = state_of(exchange)
        token = self._inside.set(entry)
        began = time.perf_counter()
        try:
            yield entry
        except Exception as problem:
            entry.error = _explained(problem)
            raise
        finally:
            entry.milliseconds = (time.perf_counter() - began) * 1000
            self._inside.reset(token)
            within = [each for each in self.entries[index + 1 :] if each.depth > depth]
            if any(each.error == entry.error for each in within):
                entry.error = ""
            told = {change.what for each in within for change in each.changes}
            entry.changes = [change for change in changes(before, state_of(exchange)) if change.what not in told]


def _explained(problem: Exception) -> str:
    if isinstance(problem, GatewayError):
        return f"{problem.message} ({problem.detail})" if problem.detail else problem.message
    return f"{type(problem).__name__}: {problem}"

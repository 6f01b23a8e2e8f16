"""`Recorder`: what happened while a request ran: each step, what it read and changed, what its expressions made, which
calls it made, how long it took. The live trace and `passerelle policy run` are this one implementation.

Rules
1. Everything is masked before it is kept, and then cut.
2. What is kept is bounded: `MOST_ENTRIES` steps, and `room` characters of texts; beyond, only counts are kept.
3. It changes nothing: errors and outcomes pass through.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.errors import GatewayError, Origin, Site
from proxy.pipeline.registry import Outcome
from proxy.tracing.changes import LONGEST, MARGIN, Change, changes, cut, shown, state_of
from proxy.tracing.mask import Mask, Open

if TYPE_CHECKING:
    from proxy.exchange import Exchange

OUTCOMES = {Outcome.RESPOND: "ends the request with its response", Outcome.ANSWERED: "answers without the backend"}
MOST_ENTRIES = 500
MOST_INSIDE = 100  # evaluations, calls, changes or messages of one step
ROOM = 300_000  # characters
OVERHEAD = 80  # what one evaluation, call, change or message costs beside its texts


@dataclass(slots=True)
class Evaluation:
    """One expression and what it made; `failed`: `value` is the message of its error."""

    code: str
    value: str
    failed: bool = False
    line: int = 0
    column: int = 0


@dataclass(slots=True)
class Call:
    """One look at the world: `kind` is request, errand, cache, counter, quota, token or keys."""

    kind: str
    asked: str
    answer: str = ""
    milliseconds: float = 0.0
    began: float = 0.0  # milliseconds since the recorder was made
    status: int = 0
    sent: list[tuple[str, str]] = field(default_factory=list)  # headers
    received: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """What the trace policy or context.Trace said."""

    source: str
    severity: str
    text: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """One run of one policy; those that ran inside it follow, with a greater `depth`. `began` is milliseconds since the
    recorder was made."""

    depth: int
    policy: str
    scope: str
    section: str
    path: str
    line: int
    document: str
    began: float = 0.0
    milliseconds: float = 0.0
    changes: list[Change] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outcome: str = ""
    error: str = ""


@dataclass(slots=True)
class Running:
    """What a step tells while it runs: see proxy/pipeline/watch.py."""

    outcome: Outcome | None = None


# The step that runs here: what runs in parallel has a context of its own. One variable for all recorders, since
# contexts keep theirs alive.
_INSIDE: ContextVar[Entry | None] = ContextVar("inside", default=None)


class Recorder:
    """A watch; `entries` are in the order in which the steps began, `left_out` those beyond the bound."""

    def __init__(self, mask: Mask | None = None, longest: int = LONGEST, room: int = ROOM) -> None:
        self.mask = mask or Open()
        self.entries: list[Entry] = []
        self.left_out = 0
        self._longest, self._room = longest, room
        self._said = 0  # messages that are told already
        self._running: list[Entry] = []
        self._began = time.perf_counter()

    def elapsed(self) -> float:
        """Milliseconds since it was made."""
        return (time.perf_counter() - self._began) * 1000

    @contextmanager
    def step(self, origin: Origin, exchange: Exchange) -> Iterator[Running]:
        running = Running()
        if not origin.path or len(self.entries) >= MOST_ENTRIES:  # without a path it stands in no document
            self.left_out += bool(origin.path)
            yield running
            return
        depth = self._depth(origin)
        entry = Entry(
            depth,
            origin.source,
            origin.scope,
            origin.section,
            origin.path,
            origin.line,
            origin.document,
            self.elapsed(),
        )
        index = len(self.entries)
        self.entries.append(entry)
        self._running.append(entry)
        before = state_of(exchange)
        token = _INSIDE.set(entry)
        try:
            yield running
        except Exception as problem:
            entry.error = self.kept(explained(problem))
            self._room -= len(entry.error)
            raise
        finally:
            entry.milliseconds = self.elapsed() - entry.began
            _INSIDE.reset(token)
            self._running.remove(entry)
            entry.outcome = OUTCOMES.get(running.outcome, "") if running.outcome else ""
            within = [each for each in self.entries[index + 1 :] if each.depth > depth]
            if any(each.error == entry.error for each in within):
                entry.error = ""
            told = {change.what for each in within for change in each.changes}
            found = changes(before, state_of(exchange), self.mask, self._longest)
            for change in found:
                if change.what not in told and self._admits(entry.changes, change.before or "", change.after or ""):
                    entry.changes.append(change)
            said, self._said = self._said, len(exchange.traces)
            for message in [self._message(*each) for each in exchange.traces[said:]]:
                if self._admits(entry.messages, message.text):
                    entry.messages.append(message)

    def evaluated(self, site: Site, value: Any) -> None:
        self._evaluation(site, shown(value), failed=False)

    def failed(self, site: Site, problem: GatewayError) -> None:
        self._evaluation(site, explained(problem), failed=True)

    def called(self, call: Call) -> None:
        """A call that was made, or is being made, by the step that runs now."""
        entry = _INSIDE.get()
        if entry is not None and self._admits(entry.calls, call.asked, call.answer, *map("".join, call.sent)):
            entry.calls.append(call)

    def kept(self, text: str) -> str:
        """A text as it may be shown."""
        return cut(self.mask.text(text[: self._longest + MARGIN]), self._longest)

    def _depth(self, origin: Origin) -> int:
        """How many of the running steps this one stands in: the place tells, whatever task or stack it runs on."""
        for each in reversed(self._running):
            here = (each.scope, each.section) == (origin.scope, origin.section)  # one document of each scope
            if here and origin.path.startswith(f"{each.path}/"):
                return each.depth + 1
        return 0

    def _evaluation(self, site: Site, value: str, failed: bool) -> None:
        entry = _INSIDE.get()
        if entry is None:
            return
        code, value = cut(self.mask.code(site.code[:MARGIN]), max(self._longest, 1000)), self.kept(value)
        if self._admits(entry.evaluations, code, value):
            entry.evaluations.append(Evaluation(code, value, failed, site.line, site.column))

    def _message(self, source: str, severity: str, text: str, metadata: dict[str, str]) -> Message:
        facts = {name: cut(self.mask.value(name, value), self._longest) for name, value in metadata.items()}
        return Message(source, severity, self.kept(text), facts)

    def _admits(self, listed: list[Any], *texts: str) -> bool:
        """Whether there is room for one more of a list, whose texts these are."""
        if len(listed) >= MOST_INSIDE or self._room <= 0:
            self.left_out += 1
            return False
        self._room -= OVERHEAD + sum(map(len, texts))
        return True


def explained(problem: Exception) -> str:
    if isinstance(problem, GatewayError):
        return f"{problem.message} ({problem.detail})" if problem.detail else problem.message
    return f"{type(problem).__name__}: {problem}"

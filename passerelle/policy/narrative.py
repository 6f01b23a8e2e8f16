"""What `passerelle policy run` tells a person: the steps by section, what the backend got, and the outcome."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from passerelle.cases.world import Sent
from proxy.messages import Headers
from proxy.tracing.changes import Change
from proxy.tracing.recorder import Entry

if TYPE_CHECKING:
    from passerelle.policy.check import Finding
    from passerelle.policy.run import Ran

POLICY_WIDTH = 34
WIDTH = 100
LONGEST_BODY = 4000  # characters


def show(ran: Ran, warnings: Sequence[Finding] = ()) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for warning in warnings:
        console.print(Text(f"! {warning.file}:{warning.line}:{warning.column} {warning.message}", "yellow"))
    request = ran.exchange.request
    console.print(Text.assemble(("▶ ", "cyan"), (f"{request.method} {request.original_url}", "bold")))
    section = ""
    for entry in ran.recorder.entries:
        if entry.section != section:
            section = entry.section
            heading(console, section)
        step(console, entry)
    for number, sent in enumerate(ran.calls, 1):
        heading(console, "the backend got" if len(ran.calls) == 1 else f"call {number} to a backend")
        call(console, sent)
    for sent in ran.errands:
        heading(console, "sent without waiting")
        call(console, sent)
    for event in ran.events:
        heading(console, f"to the event hub of logger {event.logger}")
        place = f"partition {event.partition_id}" if event.partition_id else event.partition_key
        if place:
            console.print(Text(place, "dim"))
        console.print(Text(readable(event.content)))
    if not ran.calls:
        heading(console, "the backend was not called")
    outcome(console, ran)


def heading(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(Text(title, "bold cyan"), align="left", style="dim"), width=min(WIDTH, console.width))


def step(console: Console, entry: Entry, margin: str = "") -> None:
    """One line for the step, and one for each thing that happened in it."""
    indent = margin + "  " * entry.depth
    place = f"line {entry.line}"
    if entry.document.startswith("fragment "):  # fragment 'x' in ...
        place = f"{entry.document.split(chr(39))[1]}:{entry.line}"
    mark, colour = ("✗", "red") if entry.error else ("•", "green")
    console.print(
        Text.assemble(
            (f"{indent}{mark} ", colour),
            (entry.policy.ljust(POLICY_WIDTH - len(indent)), "bold"),
            (f"{entry.scope:<10} {place:<16} {entry.milliseconds:8.2f} ms", "dim"),
        )
    )
    inner = f"{indent}    "
    for evaluation in entry.evaluations:
        code = " ".join(evaluation.code.split())
        code = code if len(code) <= WIDTH else f"{code[: WIDTH - 1]}…"
        made = (f"✗ {evaluation.value}", "red") if evaluation.failed else (evaluation.value, "magenta")
        console.print(Text.assemble(inner, (code, "dim"), (" → ", "dim"), made))
    for call in entry.calls:
        if call.kind not in ("request", "errand"):  # those are told whole, below
            console.print(Text.assemble(inner, ("? ", "cyan"), (f"{call.asked}: ", "dim"), call.answer))
    for change in entry.changes:
        console.print(Text.assemble(inner, *told(change)))
    for said in entry.messages:
        facts = "".join(f", {name}: {value}" for name, value in said.metadata.items())
        console.print(
            Text.assemble(inner, ("» ", "cyan"), (f"{said.source} {said.severity}: ", "dim"), said.text + facts)
        )
    if entry.outcome:
        console.print(Text.assemble(inner, (f"■ {entry.outcome}", "yellow")))
    if entry.error and not any(evaluation.failed for evaluation in entry.evaluations):
        console.print(Text.assemble(inner, (entry.error, "red")))


def told(change: Change) -> list[str | tuple[str, str]]:
    if change.before is None:
        return [("+ ", "green"), f"{change.what}: ", (change.after or "", "green")]
    if change.after is None:
        return [("- ", "red"), f"{change.what}: ", (change.before, "red")]
    return [("~ ", "yellow"), f"{change.what}: ", (change.before, "dim"), (" → ", "dim"), (change.after, "yellow")]


def call(console: Console, sent: Sent) -> None:
    console.print(Text(f"{sent.outgoing.method} {sent.outgoing.url}", "bold"))
    message(console, sent.outgoing.headers, sent.body)


def outcome(console: Console, ran: Ran) -> None:
    response, last = ran.exchange.response, ran.exchange.last_error
    assert response is not None
    heading(console, "outcome")
    colour = "green" if response.status < 400 else "yellow" if response.status < 500 else "red"
    took = (f"   in {ran.milliseconds:.2f} ms", "dim")
    console.print(Text.assemble((f"{response.status} {response.reason}".rstrip(), f"bold {colour}"), took))
    message(console, response.headers, ran.body)
    if last is not None:
        place = f" at {last.path} in {last.section} of {last.scope}" if last.path else ""
        console.print()
        console.print(Text(f"✗ {last.source}{place}: {last.reason or 'error'}", "bold red"))
        console.print(Text(f"  {last.message}", "red"))


def message(console: Console, headers: Headers, body: bytes) -> None:
    for name, value in headers.items():
        console.print(Text.assemble((name, "cyan"), (": ", "dim"), value))
    if body:
        console.print()
        console.print(Text(readable(body).rstrip("\n")))


def readable(body: bytes) -> str:
    """JSON is laid out; what is no text is only measured."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are no text)"
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}… ({len(body)} bytes in all)"

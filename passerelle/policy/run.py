"""`passerelle policy run`: one document, one request, no server: what each step did, and what came of it.

The backend is in memory and answers as it is told. Policies that sleep take no time; the clock starts now.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import time
from dataclasses import asdict, dataclass, replace

import click

from passerelle.cases.world import FakeClock, Sent, World
from passerelle.policy import check, exchanges, files, narrative
from proxy.check import Environment
from proxy.config.resources import Backend
from proxy.exchange import Exchange
from proxy.messages import Url
from proxy.pipeline.compile import CompiledDocument, Scope, compile_document
from proxy.tracing.ports import watched
from proxy.tracing.recorder import Recorder
from telemetry.records import EventRecord

BEYOND = "<policies><backend><forward-request/></backend></policies>"
REFERENCES = check.not_told(None, None, None)
LARGEST = 1 << 30  # bytes of a response that is shown


@dataclass(slots=True, frozen=True)
class Ran:
    """Everything there is to tell. `calls` are what backends got, `errands` what nobody waits for, `events` what
    went to event hubs."""

    exchange: Exchange
    recorder: Recorder
    calls: list[Sent]
    errands: list[Sent]
    events: list[EventRecord]
    body: bytes
    milliseconds: float


@click.command("run")
@click.argument("name", metavar="FILE")
@click.option("--request", "request", metavar="FILE", help="An HTTP message, YAML or JSON; without it, GET /.")
@click.option(
    "--backend", "backend", metavar="FILE", help="The answer, or a list of answers; without it, an empty 200."
)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--scope", type=click.Choice(files.SCOPES[:-2]), help="Otherwise the file tells.")
@click.option("--named-values", "values", metavar="FILE", help="YAML or JSON: name to value.")
@click.option("--fragments", "folder", type=click.Path(exists=True, file_okay=False), metavar="DIR",
              help="NAME.xml or NAME/policy.xml each.")  # fmt: skip
@click.option("--backends", "backends", metavar="FILE", help="YAML or JSON: backend id to its URL.")
@click.option("--schemas", "schemas", type=click.Path(exists=True, file_okay=False), metavar="DIR",
              help="NAME.json or NAME.xsd each.")  # fmt: skip
def command(
    name: str, request: str | None, backend: str | None, style: str, scope: str | None, values: str | None,
    folder: str | None, backends: str | None, schemas: str | None,
) -> None:  # fmt: skip
    """Run the policy document FILE for one request, without any server, and print the trace and the outcome.

    The request is an HTTP message (GET /orders?x=1, header lines, an empty line, a body) or a YAML mapping with method,
    path, headers, body and more; so is the backend's answer, or a list of answers for several calls. "-" is standard
    input. docs/policy-tools.md has them all.

    \b
    passerelle policy run policy.xml
    passerelle policy run policy.xml --request post.http --backend answers.yaml
    echo 'GET /a?x=1' | passerelle policy run policy.xml --request -

    Exit code: 0 it ran (whatever the status), 1 the document has errors, 2 usage.
    """
    text = files.read_text(name)
    environment = Environment(
        files.named_values(values),
        files.fragments(folder),
        read_backends(backends),
        strict=False,
        schemas=files.schemas(schemas),
    )
    kind = scope or files.scope_of(name, text)
    if kind == "fragment":
        raise click.UsageError(f"{name} is a fragment. Run a document that includes it, with --fragments.")
    if kind == "resolver":
        raise click.UsageError(
            f"{name} resolves a field of a GraphQL API. `policy test` runs it: see docs/policy-tools.md."
        )
    compiled = compile_document(text, Scope(kind, name), environment)
    warnings = check.not_told(values, folder, backends)
    issues = [
        (name, replace(issue, severity="error") if issue.code in REFERENCES - warnings else issue)
        for issue in compiled.issues
    ]
    findings = list(check.placed(issues, files.fragment_files(folder)))
    if any(finding.severity == "error" for finding in findings):
        check.report(style, findings, {name: text})
        sys.exit(1)
    beyond = compile_document(BEYOND, Scope("global"), Environment())
    recorder = Recorder()
    given, answers = exchanges.read_request(request), exchanges.read_answers(backend)
    world = World(clock=FakeClock(began=datetime.datetime.now(datetime.UTC)))
    world.transport.answers = answers
    try:
        exchange = exchanges.make(world, given)
    except (TypeError, ValueError) as problem:
        raise click.UsageError(f"{request}: the request cannot be made: {problem}") from None
    ran = asyncio.run(serve(world, exchange, [beyond, compiled], recorder))
    if style == "json":
        story = {"warnings": [asdict(finding) for finding in findings], **as_json(ran)}
        click.echo(json.dumps(story, indent=2, ensure_ascii=False))
    else:
        narrative.show(ran, findings)


async def serve(world: World, exchange: Exchange, documents: list[CompiledDocument], recorder: Recorder) -> Ran:
    exchange.watch, exchange.ports = recorder, watched(exchange.ports, recorder, exchange)
    began = time.perf_counter()
    response = await world.serve(exchange, documents)
    body = await response.body.read(LARGEST)
    took = (time.perf_counter() - began) * 1000
    return Ran(exchange, recorder, world.transport.sent, world.errands.sent, world.journal.events, body, took)


def read_backends(name: str | None) -> dict[str, Backend]:
    """Backends by id, from a mapping of id to URL."""
    loaded = files.named_values(name)
    return {id: Backend(id, url=url) for id, url in loaded.items()}


def as_json(ran: Ran) -> dict[str, object]:
    response, last = ran.exchange.response, ran.exchange.last_error
    assert response is not None
    return {
        "trace": [asdict(entry) for entry in ran.recorder.entries],
        "backend": [as_call(sent) for sent in ran.calls],
        "errands": [as_call(sent) for sent in ran.errands],
        "events": [{**each._asdict(), "content": each.content.decode("utf-8", "replace")} for each in ran.events],
        "outcome": {
            "status": response.status,
            "reason": response.reason,
            "headers": [list(pair) for pair in response.headers.items()],
            "body": ran.body.decode("utf-8", "replace"),
        },
        "lastError": asdict(last) if last else None,
        "milliseconds": round(ran.milliseconds, 3),
    }


def as_call(sent: Sent) -> dict[str, object]:
    url: Url = sent.outgoing.url
    return {
        "method": sent.outgoing.method,
        "url": str(url),
        "headers": [list(pair) for pair in sent.outgoing.headers.items()],
        "body": sent.body.decode("utf-8", "replace"),
    }

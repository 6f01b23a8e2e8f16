"""`<base/>`: which policies run, and in which order, over global, product, API and operation."""

from __future__ import annotations

import pytest

from passerelle.cases.world import World
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.pipeline.link import link

SCOPES = ("global", "product", "api", "operation")


def mark(name: str) -> str:
    return f"<set-query-parameter name='run' exists-action='append'><value>{name}</value></set-query-parameter>"


def at(scope: str, inbound: str | None = None, **sections: str) -> CompiledDocument:
    given = {"inbound": inbound, **{name.replace("_", "-"): text for name, text in sections.items()}}
    text = "".join(f"<{name}>{content}</{name}>" for name, content in given.items() if content is not None)
    return compile_document(f"<policies>{text}</policies>", Scope(scope, scope), Environment())


async def order(*documents: CompiledDocument) -> list[str]:
    world = World()
    exchange = world.exchange()
    await world.serve(exchange, documents)
    return [part.partition("=")[2] for part in exchange.request.query.split("&") if part]


async def test_base_first_everywhere_runs_from_broad_to_narrow() -> None:
    documents = [at(scope, f"<base/>{mark(scope)}") for scope in SCOPES]
    assert await order(*documents) == list(SCOPES)


async def test_base_last_everywhere_reverses_it() -> None:
    documents = [at(scope, f"{mark(scope)}<base/>") for scope in SCOPES]
    assert await order(*documents) == list(reversed(SCOPES))


async def test_base_in_the_middle() -> None:
    documents = [at("global", mark("global")), at("api", f"{mark('before')}<base/>{mark('after')}")]
    assert await order(*documents) == ["before", "global", "after"]


async def test_without_base_nothing_broader_runs() -> None:
    documents = [at("global", mark("global")), at("product", mark("product")), at("api", f"<base/>{mark('api')}")]
    assert await order(*documents) == ["product", "api"]


async def test_an_absent_document_or_section_is_transparent() -> None:
    documents = [at("global", mark("global")), at("api", outbound="<base/>"), at("operation", f"<base/>{mark('op')}")]
    assert await order(*documents) == ["global", "op"]
    assert await order(at("global", mark("global")), at("api", outbound="<base/>")) == ["global"]


async def test_an_empty_section_is_not_transparent() -> None:
    assert await order(at("global", mark("global")), at("api", "")) == []


async def test_base_has_no_effect_at_the_global_scope() -> None:
    assert await order(at("global", f"<base/>{mark('global')}")) == ["global"]
    world = World()
    await world.serve(world.exchange(), [at("global", backend="<base/>")])
    assert world.transport.sent == []


@pytest.mark.parametrize(
    ("documents", "calls"),
    [
        ([], 1),
        ([at("api", "<base/>")], 1),
        ([at("api", backend="<base/>")], 1),
        ([at("api", backend="")], 0),
        ([at("global", backend="<forward-request/>"), at("api", backend="<base/>")], 1),
        ([at("global", backend=""), at("api", backend="<base/>")], 0),
        ([at("global", backend="")], 0),
        ([at("global", "<base/>"), at("api", backend="<base/>")], 1),
    ],
)
async def test_the_request_is_forwarded_unless_a_document_says_otherwise(
    documents: list[CompiledDocument], calls: int
) -> None:
    world = World()
    await world.serve(world.exchange(), documents)
    assert len(world.transport.sent) == calls


async def test_a_broken_document_breaks_the_pipeline_and_nothing_runs() -> None:
    world = World()
    exchange = world.exchange()
    response = await world.serve(exchange, [at("global", mark("global")), at("api", "<base/><nope/>")])
    assert response.status == 500
    assert exchange.request.query == ""
    assert world.transport.sent == []
    assert exchange.last_error is not None
    assert exchange.last_error.reason == "PolicyCompilationFailure"


def test_each_step_knows_its_scope() -> None:
    pipeline = link([at("global", mark("g")), at("api", f"<base/>{mark('a')}")])
    assert [step.origin.scope for step in pipeline.inbound] == ["global", "api"]


async def test_backend_id_of_a_broader_scope_is_overridden_by_backend_id_only() -> None:
    from proxy.config.resources import Backend

    backends = {name: Backend(name, f"https://{name}.example") for name in ("one", "two")}

    def with_backend(scope: str, policy: str) -> CompiledDocument:
        text = f"<policies><inbound><base/><set-backend-service {policy}/></inbound></policies>"
        return compile_document(text, Scope(scope, scope), Environment(backends=backends))

    async def host(narrow: str) -> str:
        world = World()
        documents = [with_backend("global", "backend-id='one'"), with_backend("api", narrow)]
        await world.serve(world.exchange(), documents)
        return world.transport.sent[0].outgoing.url.host

    assert await host("base-url='https://other.example'") == "one.example"
    assert await host("backend-id='two'") == "two.example"

"""The feed of the gateway benchmark is one that our agent accepts, and its policies are ones the plane would accept."""

from __future__ import annotations

import aiohttp

from benchmarks import configuration, seed
from benchmarks.feed import Feed
from proxy.check import Environment, check_document
from syncagent.feed import FeedParser


def test_the_snapshot_is_whole() -> None:
    resources = configuration.resources("http://127.0.0.1:1")
    text = Feed(resources).snapshot()
    parser = FeedParser()
    parser.write(text)
    feed = parser.close()
    assert (feed.kind, feed.complete, len(feed.operations)) == ("snapshot", True, len(resources))


def test_the_policies_compile() -> None:
    documents = {"product": [configuration.PRODUCT_POLICY], "api": [configuration.API_POLICY, seed.policy("m")]}
    for scope, texts in documents.items():
        for text in texts:
            assert check_document(text, scope, Environment()) == []


def test_a_seeded_service_has_the_size_that_is_asked_for() -> None:
    ids = [each["id"] for each in seed.resources(1000)]
    assert len(set(ids)) == len(ids)
    assert sum("/operations/" in id and not id.endswith("/policy") for id in ids) == 1000
    assert sum(id.startswith("/subscriptions/") for id in ids) == 1000


async def test_a_change_is_fed_to_an_agent_that_is_one_behind() -> None:
    fed = Feed(configuration.resources("http://127.0.0.1:1"))
    await fed.start()
    try:
        fed.change("/apis/plain/operations/item", configuration.operation("/other"))
        url = f"{fed.endpoint}/gateways/local/events"
        async with aiohttp.ClientSession() as session:
            async with session.get(url, params={"dataset": "benchmark", "cursor": "1"}) as response:
                parser = FeedParser()
                parser.write(await response.read())
            changes = parser.close()
            async with session.get(url, params={"dataset": "benchmark", "cursor": "2"}) as response:
                parser = FeedParser()
                parser.write(await response.read())
            nothing = parser.close()
    finally:
        await fed.stop()
    assert (changes.kind, changes.cursor, len(changes.operations)) == ("changes", 2, 1)
    whole = FeedParser()
    whole.write(fed.snapshot())
    assert (nothing.kind, nothing.fingerprint) == ("none", whole.close().fingerprint)

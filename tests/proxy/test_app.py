"""A configuration that arrives in the stream's thread is in force on the event loop before it is acknowledged."""

from __future__ import annotations

import asyncio
import gc

from sidecar_harness import FORWARD, Backend, Harness, open_api, policy

from proxy.app import Configuration


class IdentifiedJournal:
    def __init__(self) -> None:
        self.identity: tuple[str, str] = ("", "")

    def identify(self, gateway_id: str, region: str) -> None:
        self.identity = (gateway_id, region)

    def stand(self, version: int, newest: int, confirmed: float) -> None:
        """Nobody is told."""

    def direct(self, loggers: bytes, sends: bool) -> None:
        """Nobody is told."""


async def test_a_diff_is_in_force_when_it_is_acknowledged(harness: Harness, backend: Backend) -> None:
    journal = IdentifiedJournal()
    configuration = Configuration(asyncio.get_running_loop(), harness.sidecar, journal)  # type: ignore[arg-type]
    everything = [policy("", FORWARD), *open_api("a", backend.url)]
    assert await asyncio.to_thread(configuration.take, "d", 7, True, everything, []) == []
    assert configuration.details()["configuration"] == 7
    assert (await harness.request("GET", "/a/x")).status == 200
    broken = policy("/apis/a", "<policies><inbound><nope/></inbound></policies>")
    issues = await asyncio.to_thread(configuration.take, "d", 8, False, [broken], [])
    assert [issue.resource_id for issue in issues] == [broken.id]
    issues = await asyncio.to_thread(configuration.take, "d", 9, False, [], ["/apis/a", broken.id])
    assert issues == []
    assert (await harness.request("GET", "/a/x")).status == 404
    assert configuration.details()["configuration"] == 9


async def test_requests_under_way_while_configurations_change_never_fail(harness: Harness, backend: Backend) -> None:
    configuration = Configuration(asyncio.get_running_loop(), harness.sidecar, IdentifiedJournal())  # type: ignore[arg-type]
    everything = [policy("", FORWARD), *open_api("a", backend.url)]
    await asyncio.to_thread(configuration.take, "d", 1, True, everything, [])
    statuses: list[int] = []
    ending = asyncio.Event()

    async def load() -> None:
        while not ending.is_set():
            statuses.append((await harness.request("GET", "/a/x")).status)

    tasks = [asyncio.create_task(load()) for _ in range(4)]
    for version in range(2, 22):
        text = FORWARD.replace("<inbound/>", f'<inbound><set-variable name="v" value="{version}"/></inbound>')
        await asyncio.to_thread(configuration.take, "d", version, False, [policy("", text)], [])
    ending.set()
    await asyncio.gather(*tasks)
    assert set(statuses) == {200}
    assert len(statuses) > 10


async def test_what_compiling_leaves_in_cycles_is_not_kept_for_ever(harness: Harness) -> None:
    configuration = Configuration(asyncio.get_running_loop(), harness.sidecar, IdentifiedJournal())  # type: ignore[arg-type]
    policies = [
        policy("", FORWARD.replace("<inbound/>", f'<inbound><set-variable name="v" value="{value}"/></inbound>'))
        for value in (f"@{{ var x = {number}; return x; }}" for number in range(41))
    ]
    await asyncio.to_thread(configuration.take, "d", 1, True, policies[:1], [])
    frozen = gc.get_freeze_count()
    for version, changed in enumerate(policies[1:], 2):
        assert await asyncio.to_thread(configuration.take, "d", version, False, [changed], []) == []
    assert gc.get_freeze_count() - frozen < 40 * 30

"""Many requests at once want the same value: one makes it."""

from __future__ import annotations

import asyncio

from passerelle.cases.world import World, document, policies

DOCUMENT = document(
    policies(
        '<cache-value key="k" variable-name="v" refresh-after="60"><value>'
        '<set-variable name="v" value="made" /></value></cache-value>'
    )
)


class SlowCache:
    """Waits a moment before each answer, as one on the network does; counts what is put."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.puts: list[str] = []

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0.001)
        return self.values.get(key)

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        await asyncio.sleep(0.001)
        self.puts.append(key)
        self.values[key] = value
        return True

    async def remove(self, key: str) -> bool:
        return True


async def one(world: World) -> str:
    exchange = world.exchange()
    await world.serve(exchange, [DOCUMENT])
    return str(exchange.variables["v"])


async def test_one_makes_it_and_the_others_wait() -> None:
    world = World()
    world.external_cache = cache = SlowCache()
    assert await asyncio.gather(*(one(world) for _ in range(20))) == ["made"] * 20
    assert cache.puts == ["value/k", "fresh/value/k"]


async def test_one_refreshes_it_and_the_others_use_the_old_value() -> None:
    world = World()
    world.external_cache = cache = SlowCache()
    cache.values["value/k"] = b"sold"
    values = await asyncio.gather(*(one(world) for _ in range(20)))
    assert sorted(values) == ["made"] + ["old"] * 19
    assert cache.puts == ["value/k", "fresh/value/k"]


async def test_when_nothing_came_of_it_each_makes_its_own() -> None:
    world = World()

    class Forgetful(SlowCache):
        async def put(self, key: str, value: bytes, seconds: float) -> bool:
            self.puts.append(key)
            return False

    world.external_cache = cache = Forgetful()
    assert await asyncio.gather(*(one(world) for _ in range(5))) == ["made"] * 5
    assert cache.puts.count("value/k") == 5


async def test_the_time_of_lookups_is_the_records_cache_time() -> None:
    world = World()

    class Slow(SlowCache):
        async def get(self, key: str) -> bytes | None:
            world.clock.advance(0.25)
            return None

    world.external_cache = Slow()
    exchange = world.exchange()
    lookups = (
        "<cache-lookup-value key='k' variable-name='v'/>"
        "<cache-lookup vary-by-developer='false' vary-by-developer-groups='false'/>"
    )
    await world.serve(exchange, policies(lookups))
    assert exchange.cache_ms == 500

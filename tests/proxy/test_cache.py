"""The cache in memory: bounded, monotonic, least recently used first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.adapters.cache import OVERHEAD, LocalCache


class Now:
    def __init__(self) -> None:
        self.time = 50.0

    def __call__(self) -> float:
        return self.time


async def test_a_value_lives_until_its_time_is_over() -> None:
    now = Now()
    cache = LocalCache(now)
    assert await cache.get("k") is None
    assert await cache.put("k", b"v", 10)
    now.time += 9.9
    assert await cache.get("k") == b"v"
    now.time += 0.1
    assert await cache.get("k") is None
    assert len(cache) == cache.size == 0


async def test_a_newer_value_has_its_own_time() -> None:
    now = Now()
    cache = LocalCache(now)
    await cache.put("k", b"old", 10)
    now.time += 9
    await cache.put("k", b"new", 10)
    now.time += 9
    assert await cache.get("k") == b"new"
    assert not await cache.put("k", b"none", 0)
    assert await cache.get("k") is None


async def test_removed_is_gone_and_remove_is_always_sure() -> None:
    cache = LocalCache()
    await cache.put("k", b"v", 10)
    assert await cache.remove("k")
    assert await cache.remove("k")
    assert await cache.get("k") is None
    assert cache.size == 0


async def test_the_least_recently_used_goes_first() -> None:
    cache = LocalCache(max_entries=3)
    for key in "abc":
        await cache.put(key, b"", 10)
    await cache.get("a")
    await cache.put("d", b"", 10)
    assert [key for key in "abcd" if await cache.get(key) is not None] == ["a", "c", "d"]


async def test_bytes_are_bounded_and_one_value_cannot_push_out_all() -> None:
    cache = LocalCache(max_bytes=10_000)
    for number in range(100):
        await cache.put(f"key {number}", b"x" * 500, 60)
        assert cache.size <= 10_000
    assert 5 < len(cache) < 15
    assert not await cache.put("large", b"x" * 2_000, 60)
    assert await cache.get("large") is None


async def test_what_expired_is_forgotten_by_the_way() -> None:
    now = Now()
    cache = LocalCache(now)
    for number in range(10):
        await cache.put(f"old {number}", b"", 10)
    now.time += 11
    for number in range(5):
        await cache.put(f"new {number}", b"", 10)
    assert len(cache) == 5


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 400), st.integers(0, 3)), max_size=60))
async def test_the_size_is_the_sum_of_what_is_there(steps: list[tuple[str, int, int]]) -> None:
    now = Now()
    cache = LocalCache(now, max_bytes=4_000, max_entries=4)
    for key, length, what in steps:
        now.time += what
        if what == 3:
            await cache.remove(key)
        else:
            await cache.put(key, b"x" * length, 5)
        assert cache.size <= 4_000
        assert len(cache) <= 4
    assert cache.size == sum(1 + len(value) + OVERHEAD for _, value in cache._entries.values())

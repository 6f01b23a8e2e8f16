"""Limits and quotas that gateways on many hosts share exactly: their counters in a Redis-compatible server.

https://redis.io/docs/latest/develop/programmability/eval-intro/
Rules
1. A decision is one script: it looks, and counts unless a limit is reached, with nobody between. Its clock is the
   server's. The request waits for that one answer, on a stack of its own (proxy/expressions/slices.py).
2. What is counted afterwards (bytes, tokens, conditions that see the response) is told to the server; nobody waits.
3. Windows are those of the local counters (counters.py, quotas.py), which count along: they show the plane what was
   used, and decide while the server is away. Whoever wants no call to pass uncounted refuses then (`closed`).
   What they let pass while it is away is told to it when it is back, for quotas: their windows are long.
4. What the plane sets is set in the server, by whichever sidecar hears it first: each setting has an id, which the
   server keeps with the counter.
5. A server in trouble holds a request up for `timeout` at most, and soon for no time (redis_link.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.adapters import redis_link
from proxy.adapters.counters import SLICES, LocalCounters, slice_of
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.redis_link import RedisLink, Use, name_of
from proxy.agent_ports import Setting
from proxy.config.caches import Address
from proxy.errors import PolicyRefused
from proxy.expressions.slices import can_wait, wait
from proxy.ports import QuotaWant, Reading, Usage, Want
from proxy.settings import choice, duration

SETTING = "policy.limits.redis.connection"
FILE_SETTING = "policy.limits.redis.connection.file"
TIMEOUT = 0.045  # seconds for one answer
PATIENCE = 0.1  # seconds between two looks whether the server is back
MOST_OWED = 50_000  # counters that it is told of then
RETRY_AFTER = 5  # seconds that a refused client is asked to wait

# KEYS: counters. ARGV, for each: slice in ms, limit, increment, room that the call needs. Of a hash the fields are
# slots; t is their sum, s the slot in which passed ones were last dropped, o the oldest slot. Answers count and the ms
# until the oldest count leaves, for each.
RATE = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local answer, free, states = {}, true, {}
for i, key in ipairs(KEYS) do
  local slice, limit, room = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2]), tonumber(ARGV[4*i])
  local slot = math.floor(ms / slice)
  local kept = redis.call('HMGET', key, 's', 't', 'o')
  local swept, total, oldest = tonumber(kept[1] or -1), tonumber(kept[2] or 0), tonumber(kept[3] or slot)
  if swept ~= slot then
    total, oldest = 0, slot
    local all = redis.call('HGETALL', key)
    for j = 1, #all, 2 do
      local at = tonumber(all[j])
      if at and at > slot - SLICES and at <= slot + 1 then
        total = total + all[j+1]
        if at < oldest then oldest = at end
      elseif at then
        redis.call('HDEL', key, all[j])
      end
    end
    if #all > 0 then redis.call('HSET', key, 's', slot, 't', total, 'o', oldest) end
  end
  if total + room > limit then free = false end
  answer[2*i-1] = total
  answer[2*i] = total > 0 and math.max((oldest + SLICES) * slice - ms, 0) or 0
  states[i] = {slot, total == 0 and slot or oldest, slice}
end
if free then
  for i, key in ipairs(KEYS) do
    local increment = tonumber(ARGV[4*i-1])
    if increment ~= 0 then
      redis.call('HINCRBY', key, states[i][1], increment)
      redis.call('HINCRBY', key, 't', increment)
      redis.call('HSET', key, 's', states[i][1], 'o', states[i][2])
      redis.call('PEXPIRE', key, states[i][3] * (SLICES + 1) + 1000)
    end
  end
end
return answer
""".replace("SLICES", str(SLICES))

# KEYS: quotas. ARGV, for each: start, period, calls and bytes that are allowed (-1: any), calls and bytes to count,
# room that the call needs. Answers calls, bytes and the ms until the next window (-1: never), for each.
QUOTA = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local answer, free, windows = {}, true, {}
for i, key in ipairs(KEYS) do
  local start, period = tonumber(ARGV[7*i-6]), tonumber(ARGV[7*i-5])
  local most, bytes, room = tonumber(ARGV[7*i-4]), tonumber(ARGV[7*i-3]), tonumber(ARGV[7*i])
  local window, left = 0, -1
  if period > 0 then
    window = math.floor((ms / 1000 - start) / period)
    left = math.floor((start + (window + 1) * period) * 1000 - ms)
  end
  local kept = redis.call('HMGET', key, 'w', 'c', 'b')
  local calls, size = tonumber(kept[2] or 0), tonumber(kept[3] or 0)
  if kept[1] and tonumber(kept[1]) ~= window then calls, size = 0, 0 end
  if (most >= 0 and calls + room > most) or (bytes >= 0 and size >= bytes) then free = false end
  answer[3*i-2], answer[3*i-1], answer[3*i] = calls, size, left
  windows[i] = {window, calls, size, left}
end
if free then
  for i, key in ipairs(KEYS) do
    local calls, size = tonumber(ARGV[7*i-2]), tonumber(ARGV[7*i-1])
    if calls ~= 0 or size ~= 0 then
      local window = windows[i]
      redis.call('HSET', key, 'w', string.format('%.0f', window[1]), 'c', string.format('%.0f', window[2] + calls),
        'b', string.format('%.0f', window[3] + size))
      if window[4] >= 0 then redis.call('PEXPIRE', key, window[4] + 1000) end
    end
  end
end
return answer
"""
# KEYS: a quota. ARGV: id, start, period, window, calls and bytes that it has from now on (-1: as before). Answers
# whether it was set: not in another window, and not when this setting, or a newer one, was here.
SET = """
local now = redis.call('TIME')
local seconds = now[1] + now[2] / 1000000
local start, period, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'w', 'c', 'b', 'i')
local present = 0
if period > 0 then present = math.floor((seconds - start) / period) end
if window ~= present or (kept[4] and kept[4] >= ARGV[1]) then return 0 end
local calls, size = '0', '0'
if kept[1] and tonumber(kept[1]) == window then calls, size = kept[2], kept[3] end
if ARGV[5] ~= '-1' then calls = ARGV[5] end
if ARGV[6] ~= '-1' then size = ARGV[6] end
redis.call('HSET', KEYS[1], 'w', ARGV[4], 'c', calls, 'b', size, 'i', ARGV[1])
if period > 0 then
  redis.call('PEXPIRE', KEYS[1], math.floor((start + (window + 1) * period - seconds) * 1000) + 1000)
end
return 1
"""
_RATE, _QUOTA, _SET = (
    hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest() for script in (RATE, QUOTA, SET)
)
_ANY = 1 << 52
_Away = Callable[[], None]
USE = Use(
    "limits server", SETTING, "limits count on each agent alone", logging.getLogger("proxy.limits"),
    "LimitsServerUp", "LimitsServerDown", (RATE, QUOTA, SET), strict=True,
)  # fmt: skip


def configured(values: Mapping[str, str]) -> Address | None:
    """Where the server of the settings is, if there is one. Raises SettingError."""
    choice(values, "policy.limits.redis.failure", "open", ("open", "closed"))
    duration(values, "policy.limits.redis.timeout", TIMEOUT)
    return redis_link.configured(values, SETTING, FILE_SETTING)


def from_settings(values: Mapping[str, str], counters: LocalCounters, quotas: LocalQuotas) -> RedisLimits | None:
    """The limits of the settings, if they name a server. Raises SettingError."""
    server = configured(values)
    if server is None:
        return None
    return RedisLimits(
        RedisLink(
            server,
            USE,
            duration(values, "policy.limits.redis.timeout", TIMEOUT),
            values.get("policy.limits.redis.authorities.file", "").strip(),
        ),
        values.get("policy.limits.redis.prefix", "").strip() or "passerelle-limits/",
        counters,
        quotas,
        closed=choice(values, "policy.limits.redis.failure", "open", ("open", "closed")) == "closed",
    )


@dataclass(slots=True)
class Tally:
    """Who decided, and how long calls waited for it, in seconds."""

    server: int = 0
    local: int = 0
    refused: int = 0
    seconds: float = 0.0


class RedisLimits:
    """`counters` and `quotas` are what policies use. Call `start` on the running loop, and `close` at the end."""

    def __init__(
        self, link: RedisLink, prefix: str, counters: LocalCounters, quotas: LocalQuotas, closed: bool = False
    ) -> None:
        self.link = link
        self._closed = closed
        self._tally = tally = Tally()
        self._telling: asyncio.Task[None] | None = None
        self.counters = RedisCounters(link, prefix, counters, self._away, tally)
        self.quotas = RedisQuotas(link, prefix, quotas, self._away, tally)

    def start(self) -> None:
        self.link.start()
        self._telling = asyncio.get_running_loop().create_task(self.quotas.tell_forever())

    async def close(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
        await self.link.close()

    def problem(self) -> str:
        """What a heartbeat tells; empty when all is well."""
        if not self.link.open:
            return ""
        then = "calls with limits are refused" if self._closed else USE.without
        return f"The limits server {self.link.place} ({SETTING}) is not in use, {then}: {self.link.why}."

    def figures(self) -> tuple[bool, int, int, int, float]:
        """Whether the server is in use, decisions of the server, of the local counters, refusals, seconds waited."""
        tally = self._tally
        return not self.link.open, tally.server, tally.local, tally.refused, round(tally.seconds, 6)

    def _away(self) -> None:
        if not self._closed:
            self._tally.local += 1
        else:
            self._tally.refused += 1
            raise PolicyRefused(
                503, "Service Unavailable", "LimitsUnavailable",
                f"Limits cannot be checked at present. Try again in {RETRY_AFTER} seconds.",
                headers=(("Retry-After", str(RETRY_AFTER)),),
                detail=f"{SETTING}: {self.link.why or 'no answer in time'}, and policy.limits.redis.failure is closed",
            )  # fmt: skip


class RedisCounters:
    """Counters of the port, in the server."""

    def __init__(
        self, link: RedisLink, prefix: str, local: LocalCounters, away: Callable[[], None], tally: Tally
    ) -> None:
        self._link, self._prefix, self._local, self._away = link, prefix + "rate/", local, away
        self._tally = tally

    def peek(self, key: str, period: float) -> Reading:
        return self.claim((Want(key, period, _ANY, 0),))[0]

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        return self.claim((Want(key, period, limit, increment),))[0]

    def add(self, key: str, period: float, increment: int = 1) -> Reading:
        self._link.tell(*self._command((Want(key, period, _ANY, increment),)))
        return self._local.add(key, period, increment)

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        answer = _ask(self._link, self._command(wants), self._tally)
        if answer is None:
            self._away()
            return self._local.claim(wants)
        readings = [Reading(answer[2 * n], answer[2 * n + 1] / 1000) for n in range(len(wants))]
        if all(reading.count + want.room <= want.limit for reading, want in zip(readings, wants, strict=True)):
            for want in wants:
                if want.increment:
                    self._local.add(want.key, want.period, want.increment)
        return readings

    def _command(self, wants: Sequence[Want]) -> list[str | int]:
        command: list[str | int] = ["EVALSHA", _RATE, len(wants)]
        for want in wants:
            command.append(name_of(f"{self._prefix}{slice_of(want.period)}/", want.key))
        for want in wants:
            command += (slice_of(want.period), want.limit, want.increment, want.room)
        return command


class RedisQuotas:
    """Quotas of the port, in the server."""

    def __init__(
        self, link: RedisLink, prefix: str, local: LocalQuotas, away: Callable[[], None], tally: Tally
    ) -> None:
        self._link, self._prefix, self._local, self._away = link, prefix + "quota/", local, away
        self._tally = tally
        self._settings: dict[tuple[str, float, int], Setting] = {}
        self._owed: dict[tuple[str, float, int, int], list[int]] = {}  # by window: calls, bytes
        self._heard: dict[tuple[str, float, int], str] = {}  # the last setting of each: they come more than once
        self._news = asyncio.Event()
        local.ordered = self._obey

    async def tell_forever(self) -> None:
        """Tell the server what it does not know: what was set, and what was let pass while it was away."""
        loop = asyncio.get_running_loop()

        def ordered(setting: Setting) -> None:
            loop.call_soon_threadsafe(self._obey, setting)

        self._local.ordered = ordered
        while True:
            await self._news.wait()
            self._news.clear()
            while self._settings or self._owed:
                if self._link.open:
                    await asyncio.sleep(PATIENCE)
                elif self._settings:
                    name, setting = next(iter(self._settings.items()))
                    if await self._link.ask(*self._set(setting)) is None:
                        await asyncio.sleep(PATIENCE)
                    elif self._settings.get(name) is setting:
                        del self._settings[name]
                else:
                    (key, start, period, window), (calls, size) = self._owed.popitem()
                    if window == self._window(start, period):
                        await self._link.ask(*self._command((QuotaWant(key, start, period, None, None, calls),), size))

    def _obey(self, setting: Setting) -> None:
        name = setting[:3]
        if setting.id <= self._heard.get(name, ""):
            return
        self._heard[name] = setting.id
        if len(self._heard) > MOST_OWED:
            del self._heard[next(iter(self._heard))]
        if name in self._settings or len(self._settings) < MOST_OWED:
            self._owed.pop((*name, setting.window), None)
            self._settings[name] = setting
            self._news.set()

    def _set(self, setting: Setting) -> list[str | int]:
        name = name_of(f"{self._prefix}{setting.start:.0f}/{setting.period}/", setting.key)
        values = (-1 if each is None else each for each in (setting.calls, setting.bytes))
        return ["EVALSHA", _SET, 1, name, setting.id, repr(setting.start), setting.period, setting.window, *values]

    def _owe(self, want: QuotaWant, size: int = 0) -> None:
        name = (want.key, want.start, want.period, self._window(want.start, want.period))
        owed = self._owed.get(name)
        if owed is not None:
            owed[0] += want.increment
            owed[1] += size
        elif len(self._owed) < MOST_OWED:
            self._owed[name] = [want.increment, size]
            self._news.set()

    def _window(self, start: float, period: int) -> int:
        return math.floor((self.now() - start) / period) if period else 0

    def now(self) -> float:
        return self._local.now()

    def usage(self, key: str, start: float, period: int) -> Usage:
        return self.claim((QuotaWant(key, start, period, None, None, 0),))[0]

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        want = QuotaWant(key, start, period, None, None, calls)
        if self._link.open:
            self._owe(want, size)
        else:
            self._link.tell(*self._command((want,), size))
        self._local.add(key, start, period, calls, size)

    def claim(self, wants: Sequence[QuotaWant]) -> list[Usage]:
        answer = _ask(self._link, self._command(wants), self._tally)
        if answer is None:
            self._away()
            usages = self._local.claim(wants)
            # one that was too slow may have counted; one that is lost has not
            if self._link.open and not any(want.exceeded(usage) for usage, want in zip(usages, wants, strict=True)):
                for want in wants:
                    if want.increment:
                        self._owe(want)
            return usages
        usages = [
            Usage(answer[3 * n], answer[3 * n + 1], answer[3 * n + 2] / 1000 if want.period else None)
            for n, want in enumerate(wants)
        ]
        if not any(want.exceeded(usage) for usage, want in zip(usages, wants, strict=True)):
            for want in wants:
                if want.increment:
                    self._local.add(want.key, want.start, want.period, want.increment, 0)
        return usages

    def _command(self, wants: Sequence[QuotaWant], size: int = 0) -> list[str | int]:
        command: list[str | int] = ["EVALSHA", _QUOTA, len(wants)]
        for want in wants:
            command.append(name_of(f"{self._prefix}{want.start:.0f}/{want.period}/", want.key))
        for want in wants:
            calls, most = (-1 if each is None else each for each in (want.calls, want.bytes))
            command += (repr(want.start), want.period, calls, most, want.increment, size, want.room)
        return command


def _ask(link: RedisLink, command: list[str | int], tally: Tally) -> list[int] | None:
    """The server's answer; None when there is none, or nobody here who could wait for it."""
    if link.open or not can_wait():
        return None
    began = time.monotonic()
    answer: Any = wait(link.ask(*command))
    tally.seconds += time.monotonic() - began
    if not isinstance(answer, list):
        return None
    tally.server += 1
    return answer

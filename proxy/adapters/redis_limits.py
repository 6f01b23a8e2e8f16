"""Limits and quotas that gateways on many hosts share exactly: their counters in a Redis-compatible server.

https://redis.io/docs/latest/develop/programmability/eval-intro/
Rules
1. A decision is one script: it looks, and counts unless a limit is reached, with nobody between. Its clock is the
   server's. The request waits for that one answer, on a stack of its own (proxy/expressions/slices.py).
2. What is counted afterwards (bytes, tokens, conditions that see the response) is told to the server; nobody waits.
3. Windows are those of the local counters (counters.py, quotas.py), which count along: they show the plane what was
   used, and decide while the server is away. Whoever wants no call to pass uncounted refuses then (`closed`).
4. A server in trouble holds a request up for `timeout` at most, and soon for no time (redis_link.py).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.adapters import redis_link
from proxy.adapters.counters import SLICES, LocalCounters, slice_of
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.redis_link import RedisLink, Use
from proxy.config.caches import Address
from proxy.errors import PolicyRefused
from proxy.expressions.slices import can_wait, wait
from proxy.ports import QuotaWant, Reading, Usage, Want
from proxy.settings import choice, duration

SETTING = "policy.limits.redis.connection"
FILE_SETTING = "policy.limits.redis.connection.file"
TIMEOUT = 0.045  # seconds for one answer
LONGEST_KEY = 512
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
_RATE, _QUOTA = (hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest() for script in (RATE, QUOTA))
_ANY = 1 << 52
USE = Use(
    "limits server", SETTING, "limits count on each agent alone", logging.getLogger("proxy.limits"),
    "LimitsServerUp", "LimitsServerDown", (RATE, QUOTA), strict=True,
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


class RedisLimits:
    """`counters` and `quotas` are what policies use. Call `start` on the running loop, and `close` at the end."""

    def __init__(
        self, link: RedisLink, prefix: str, counters: LocalCounters, quotas: LocalQuotas, closed: bool = False
    ) -> None:
        self.link = link
        self._closed = closed
        self.counters = RedisCounters(link, prefix, counters, self._away)
        self.quotas = RedisQuotas(link, prefix, quotas, self._away)

    def start(self) -> None:
        self.link.start()

    async def close(self) -> None:
        await self.link.close()

    def problem(self) -> str:
        """What a heartbeat tells; empty when all is well."""
        if not self.link.open:
            return ""
        then = "calls with limits are refused" if self._closed else USE.without
        return f"The limits server {self.link.place} ({SETTING}) is not in use, {then}: {self.link.why}."

    def _away(self) -> None:
        if self._closed:
            raise PolicyRefused(
                503, "Service Unavailable", "LimitsUnavailable",
                f"Limits cannot be checked at present. Try again in {RETRY_AFTER} seconds.",
                headers=(("Retry-After", str(RETRY_AFTER)),),
                detail=f"{SETTING}: {self.link.why or 'no answer in time'}, and policy.limits.redis.failure is closed",
            )  # fmt: skip


class RedisCounters:
    """Counters of the port, in the server."""

    def __init__(self, link: RedisLink, prefix: str, local: LocalCounters, away: Callable[[], None]) -> None:
        self._link, self._prefix, self._local, self._away = link, prefix + "rate/", local, away

    def peek(self, key: str, period: float) -> Reading:
        return self.claim((Want(key, period, _ANY, 0),))[0]

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        return self.claim((Want(key, period, limit, increment),))[0]

    def add(self, key: str, period: float, increment: int = 1) -> Reading:
        self._link.tell(*self._command((Want(key, period, _ANY, increment),)))
        return self._local.add(key, period, increment)

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        answer = _ask(self._link, self._command(wants))
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
            command.append(_name(f"{self._prefix}{slice_of(want.period)}/", want.key))
        for want in wants:
            command += (slice_of(want.period), want.limit, want.increment, want.room)
        return command


class RedisQuotas:
    """Quotas of the port, in the server."""

    def __init__(self, link: RedisLink, prefix: str, local: LocalQuotas, away: Callable[[], None]) -> None:
        self._link, self._prefix, self._local, self._away = link, prefix + "quota/", local, away

    def now(self) -> float:
        return self._local.now()

    def usage(self, key: str, start: float, period: int) -> Usage:
        return self.claim((QuotaWant(key, start, period, None, None, 0),))[0]

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        self._link.tell(*self._command((QuotaWant(key, start, period, None, None, calls),), size))
        self._local.add(key, start, period, calls, size)

    def claim(self, wants: Sequence[QuotaWant]) -> list[Usage]:
        answer = _ask(self._link, self._command(wants))
        if answer is None:
            self._away()
            return self._local.claim(wants)
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
            command.append(_name(f"{self._prefix}{want.start:.0f}/{want.period}/", want.key))
        for want in wants:
            calls, most = (-1 if each is None else each for each in (want.calls, want.bytes))
            command += (repr(want.start), want.period, calls, most, want.increment, size, want.room)
        return command


def _ask(link: RedisLink, command: list[str | int]) -> list[int] | None:
    """The server's answer; None when there is none, or nobody here who could wait for it."""
    if link.open or not can_wait():
        return None
    answer: Any = wait(link.ask(*command))
    return answer if isinstance(answer, list) else None


def _name(kind: str, key: str) -> str:
    if len(key) > LONGEST_KEY:
        key = f"{key[:64]}…{hashlib.blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=32).hexdigest()}"
    return kind + key.encode("utf-8", "backslashreplace").decode()

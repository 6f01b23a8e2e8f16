"""What quota and quota-by-key share: their attributes, the counting and the refusal.

Rules
1. A counter counts calls and bytes, whichever of them is limited. A kilobyte is 1024 bytes of request and response
   bodies; they are known, and counted, when the response is out.
2. A request is counted at most once in a counter, however many policies name it.
3. A refused call is not counted; a call that a later policy refuses is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.pipeline.element import Element
from proxy.pipeline.limits import counter
from proxy.ports import QuotaWant, Usage

if TYPE_CHECKING:
    from proxy.exchange import Exchange

KILOBYTE = 1024
# 0001-01-01T00:00:00Z in Unix seconds: where windows begin unless told otherwise
FIRST_PERIOD = -62_135_596_800.0


@dataclass(slots=True, frozen=True)
class Allowance:
    """So many calls and bytes in each window of `period` seconds; None is no limit, period 0 one window for ever."""

    calls: int | None
    bytes: int | None
    period: int

    @staticmethod
    def of(element: Element, *, shortest: int = 0, optional: bool = False) -> Allowance:
        """From the attributes calls, bandwidth and renewal-period; `optional`: neither limit has to be given."""
        calls = element.literal_integer("calls", None, 0)
        kilobytes = element.literal_integer("bandwidth", None, 0)
        period = element.literal_seconds("renewal-period")
        if 0 < period < shortest:
            element.issue(
                f"Attribute 'renewal-period' must be 0 or at least {shortest} seconds, and {period} is not.",
                "invalid-attribute",
            )
        if not (optional or element.has("calls") or element.has("bandwidth")):
            element.issue("Attribute 'calls' or 'bandwidth' is required. Add one or both.", "missing-attribute")
        return Allowance(calls, None if kilobytes is None else kilobytes * KILOBYTE, period)

    def check(self, exchange: Exchange, key: str, start: float) -> None:
        """Raise the refusal, if the quota was used up before this request."""
        usage = exchange.ports.quotas.usage(key, start, self.period)
        own = 0 if exchange.counted is None else exchange.counted.get((key, start, self.period), 0)
        if refusal := self.refusal(key, usage, usage.calls - own):
            raise refusal

    def refusal(self, key: str, usage: Usage, calls: int) -> PolicyRefused | None:
        if self.calls is not None and calls >= self.calls:
            detail = counter(key, calls, self.calls, self.period)
            return _refusal("call volume", usage.renews_after, detail)
        if self.bytes is not None and usage.bytes >= self.bytes:
            detail = counter(key, usage.bytes, self.bytes, self.period, "bytes")
            return _refusal("bandwidth", usage.renews_after, detail)
        return None


def claim(exchange: Exchange, parts: Sequence[tuple[str, Allowance]], start: float, calls: int = 1) -> None:
    """Count this request in all of these quotas that do not have it already; raise the refusal if one is used up."""
    if exchange.counted is None:
        exchange.counted = {}
        if len(parts) == 1:  # nearly always
            ((key, allowance),) = parts
            want = QuotaWant(key, start, allowance.period, allowance.calls, allowance.bytes, calls)
            (usage,) = exchange.ports.quotas.claim((want,))
            if refused := allowance.refusal(key, usage, usage.calls):
                raise refused
            exchange.counted[key, start, allowance.period] = calls
            _count_bytes(exchange, key, start, allowance.period)
            return
    counted, wants, fresh = exchange.counted, [], []
    for key, allowance in parts:
        own = counted.get((key, start, allowance.period))
        if own is None:
            own, more = 0, calls
            fresh.append((key, allowance.period))
        else:
            more = 0
        most = None if allowance.calls is None else allowance.calls + own
        wants.append(QuotaWant(key, start, allowance.period, most, allowance.bytes, more))
    for (key, allowance), want, usage in zip(parts, wants, exchange.ports.quotas.claim(wants), strict=True):
        if want.exceeded(usage):
            own = counted.get((key, start, allowance.period), 0)
            refusal = allowance.refusal(key, usage, usage.calls - own)
            assert refusal is not None
            raise refusal
    for key, period in fresh:
        counted[key, start, period] = calls
        _count_bytes(exchange, key, start, period)


def count(exchange: Exchange, key: str, start: float, period: int, calls: int = 1) -> None:
    """Count this request, and its bytes when it ends, unless it is counted there already."""
    name = (key, start, period)
    if exchange.counted is None:
        exchange.counted = {}
    if name in exchange.counted:
        return
    exchange.counted[name] = calls
    quotas = exchange.ports.quotas
    quotas.add(key, start, period, calls, 0)
    _count_bytes(exchange, key, start, period)


def _count_bytes(exchange: Exchange, key: str, start: float, period: int) -> None:
    quotas = exchange.ports.quotas
    if exchange.at_end is None:
        exchange.at_end = []
    exchange.at_end.append(lambda received, sent: quotas.add(key, start, period, 0, received + sent))


def _refusal(what: str, renews_after: float | None, detail: str) -> PolicyRefused:
    message = f"Out of {what} quota."
    headers: tuple[tuple[str, str], ...] = ()
    if renews_after is not None:
        seconds = max(1, math.ceil(renews_after))
        message += f" Quota will be replenished in {_time_span(seconds)}."
        headers = (("Retry-After", str(seconds)),)
    return PolicyRefused(403, "Quota Exceeded", "QuotaExceeded", message, headers, detail=detail)


def _time_span(seconds: int) -> str:
    """hh:mm:ss, with days in front when there are any: 20.09:58:55."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days}.' if days else ''}{hours:02d}:{minutes:02d}:{seconds:02d}"

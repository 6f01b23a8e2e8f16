"""`quota-by-key`: limits the calls and the bandwidth that share a key in fixed windows.

https://learn.microsoft.com/azure/api-management/quota-by-key-policy
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from proxy.pipeline.element import Element
from proxy.pipeline.limits import counter_name
from proxy.pipeline.quotas import FIRST_PERIOD, Allowance, claim, count
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.source import unresolved
from proxy.pipeline.steps import Late

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler

SHORTEST = 300  # seconds, as documented


@policy("quota-by-key", sections={INBOUND})
def quota_by_key(element: Element, compiler: Compiler) -> Handler:
    """Limit the calls and kilobytes that share a key, whatever scope names it."""
    allowance = Allowance.of(element, shortest=SHORTEST)
    counter_key = element.string("counter-key")
    condition = element.boolean("increment-condition", True)
    increment = element.integer("increment-count", 1, minimum=0)
    start = _first_period(element)
    period = allowance.period
    deferred = not (condition.constant and increment.constant)
    reads = condition.reads | increment.reads

    def handle(exchange: Exchange) -> None:
        key = counter_name("quota-by-key", counter_key.get(exchange))
        if not deferred and condition.value:
            claim(exchange, ((key, allowance),), start, increment.value)
            return
        allowance.check(exchange, key, start)
        if deferred:

            def count_late(exchange: Exchange) -> None:
                """Runs last, so that it can see the response; the quota is not tested again."""
                if condition.get(exchange):
                    count(exchange, key, start, period, increment.get(exchange))

            exchange.after_outbound.append(Late(count_late, reads))

    return handle


def _first_period(element: Element) -> float:
    """Unix seconds of first-period-start."""
    text = element.literal("first-period-start", "")
    if not text or unresolved(text):
        return FIRST_PERIOD
    try:
        began = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        element.issue(
            f"Attribute 'first-period-start' must be a time like 2030-01-31T00:00:00Z, and {text!r} is none.",
            "invalid-attribute",
        )
        return FIRST_PERIOD
    return (began if began.tzinfo else began.replace(tzinfo=datetime.UTC)).timestamp()

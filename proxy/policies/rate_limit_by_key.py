"""`rate-limit-by-key`: limits the calls that share a key in a sliding window.

https://learn.microsoft.com/azure/api-management/rate-limit-by-key-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.limits import MAX_PERIOD, Announcement, counter, counter_name
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.steps import Late

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("rate-limit-by-key", sections={INBOUND})
def rate_limit_by_key(element: Element, compiler: Compiler) -> Handler:
    """Limit the calls that share a key, whatever scope names it."""
    announcement = Announcement.of(element)
    calls = element.integer("calls", minimum=0)
    period = element.integer("renewal-period", minimum=1, maximum=MAX_PERIOD)
    counter_key = element.string("counter-key")
    condition = element.boolean("increment-condition", True)
    increment = element.integer("increment-count", 1, minimum=0)
    after = element.literal_boolean("increment-after-response", False)  # undocumented; the policy toolkit writes it
    deferred = after or not (condition.constant and increment.constant)

    counted = 0 if deferred or not condition.value else increment.value  # at once, with the look at the limit

    reads = condition.reads | increment.reads

    def handle(exchange: Exchange) -> None:
        key = counter_name("rate-limit-by-key", counter_key.get(exchange))
        limit, seconds = calls.get(exchange), period.get(exchange)
        counters = exchange.ports.counters
        reading = counters.take(key, seconds, limit, counted) if counted else counters.peek(key, seconds)
        if reading.count >= limit:
            detail = counter(key, reading.count, limit, seconds)
            raise announcement.refuse(exchange, reading.reset_after, limit, detail)
        if deferred:

            def count(exchange: Exchange) -> None:
                """Runs last, so that it can see the response; the limit is not tested again."""
                if condition.get(exchange) and (step := increment.get(exchange)):
                    counters.add(key, seconds, step)

            exchange.after_outbound.append(Late(count, reads))
        announcement.allow(exchange, limit - reading.count - counted, limit)

    return handle

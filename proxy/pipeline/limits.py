"""What rate-limit and rate-limit-by-key share: the names of headers and variables, and the refusal.

Rules
1. All limits are tested before any is counted; when one is exceeded none is counted.
2. Headers go on whatever response the client gets; Retry-After only when the limit is exceeded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.pipeline.edits import header_problem
from proxy.pipeline.element import Element
from proxy.pipeline.steps import Late

if TYPE_CHECKING:
    from proxy.exchange import Exchange

MAX_PERIOD = 300  # seconds, as documented for both policies


@dataclass(slots=True, frozen=True)
class Announcement:
    """Where a limit policy tells what it found; empty names are not told."""

    retry_after_header: str
    retry_after_variable: str
    remaining_header: str
    remaining_variable: str
    total_header: str

    @staticmethod
    def of(element: Element) -> Announcement:
        return Announcement(
            retry_after_header=_header(element, "retry-after-header-name", "Retry-After"),
            retry_after_variable=element.literal("retry-after-variable-name", ""),
            remaining_header=_header(element, "remaining-calls-header-name", ""),
            remaining_variable=element.literal("remaining-calls-variable-name", ""),
            total_header=_header(element, "total-calls-header-name", ""),
        )

    def allow(self, exchange: Exchange, remaining: int, total: int) -> None:
        """Tell that the call may go on, with `remaining` of `total` calls left in the window."""
        if self.remaining_variable:
            exchange.variables[self.remaining_variable] = max(remaining, 0)
        self._announce_headers(exchange, max(remaining, 0), total)

    def refuse(self, exchange: Exchange, reset_after: float, total: int) -> PolicyRefused:
        """The error for an exceeded limit, `reset_after` seconds before a call frees."""
        seconds = max(1, math.ceil(reset_after))
        if self.retry_after_variable:
            exchange.variables[self.retry_after_variable] = seconds
        if self.remaining_variable:
            exchange.variables[self.remaining_variable] = 0
        self._announce_headers(exchange, 0, total)
        return PolicyRefused(
            429,
            "Too Many Requests",
            "RateLimitExceeded",
            f"Rate limit is exceeded. Try again in {seconds} seconds.",
            headers=((self.retry_after_header, str(seconds)),),
        )

    def _announce_headers(self, exchange: Exchange, remaining: int, total: int) -> None:
        if not (self.remaining_header or self.total_header):
            return

        def announce(exchange: Exchange) -> None:
            if exchange.response is None:
                return
            if self.remaining_header:
                exchange.response.headers[self.remaining_header] = str(remaining)
            if self.total_header:
                exchange.response.headers[self.total_header] = str(total)

        exchange.after_outbound.append(Late(announce))


def _header(element: Element, attribute: str, default: str) -> str:
    name = element.literal(attribute, default)
    if name and (problem := header_problem(name)):
        element.issue(problem, "invalid-header")
    return name

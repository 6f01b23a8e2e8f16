"""What rate-limit and rate-limit-by-key share: the names of headers and variables, and the refusal.

Rules
1. All limits are tested before any is counted; when one is exceeded none is counted.
2. Headers go on whatever response the client gets; Retry-After only when the limit is exceeded.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.pipeline.edits import header_problem
from proxy.pipeline.element import Element
from proxy.pipeline.steps import Late

if TYPE_CHECKING:
    from proxy.exchange import Exchange

LONGEST_TOLD = 24  # characters of a key that a log tells whole
LONGEST_KEY = 500  # characters; what is longer counts under its digest
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

    def refuse(self, exchange: Exchange, reset_after: float, total: int, detail: str) -> PolicyRefused:
        """The error for an exceeded limit, `reset_after` seconds before a call frees; `detail` says which counter."""
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
            detail=detail,
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


def counter_name(kind: str, key: str) -> str:
    """The name of a counter that a policy's key asks for: bounded, and text that every process and the plane can take.

    A key may be made of whatever a client sends, of megabytes and of bytes that are no text.
    """
    if len(key) > LONGEST_KEY:
        key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    elif not key.isascii():
        key = key.encode("utf-8", "replace").decode()
    return f"{kind}/{key}"


def counter(key: str, used: int, limit: int, period: float, what: str = "calls") -> str:
    """What a log says of an exceeded counter."""
    window = f" in {period:g} s" if period else ""
    return f"counter '{told_key(key)}' has {used} of {limit} {what}{window}"


def told_key(key: str) -> str:
    """A counter's key for a log: of a long one, which may be somebody's key or token, only enough to know it again."""
    kind, _, name = key.partition("/")
    if len(name) <= LONGEST_TOLD or kind == "rate-limit":  # that one is made of names of resources
        return key
    return f"{kind}/{name[:6]}…{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _header(element: Element, attribute: str, default: str) -> str:
    name = element.literal(attribute, default)
    if name and (problem := header_problem(name)):
        element.issue(problem, "invalid-header")
    return name

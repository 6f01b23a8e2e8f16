"""Someone who looks on while a request runs: a trace that was asked for, or `passerelle policy run`.

It is a field of the exchange, so documents are compiled once and run the same, and without it nothing is paid but one
look at that field per block of policies and per expression.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from proxy.errors import GatewayError, Origin, Site
    from proxy.exchange import Exchange
    from proxy.pipeline.registry import Outcome


class Told(Protocol):
    """What is written down of one run of one step."""

    outcome: Outcome | None


class Watch(Protocol):
    def step(self, origin: Origin, exchange: Exchange) -> AbstractContextManager[Told]:
        """Around one run of a step; its error passes through."""
        ...

    def evaluated(self, site: Site, value: Any) -> None: ...

    def failed(self, site: Site, problem: GatewayError) -> None: ...

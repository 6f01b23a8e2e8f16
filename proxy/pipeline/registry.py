"""What a policy is to the compiler: a name, where it may stand, and a function from element to handler.

    @policy("set-header", sections=ANYWHERE)
    def set_header(element: Element, compiler: Compiler) -> Handler:
        ...                     # runs when configuration is applied
        def handle(exchange):   # runs per request; `async def` only if it waits
            ...
        return handle

A handler returns None to go on, `RESPOND` to stop the pipeline and answer with `exchange.response`, or `ANSWERED` (in
inbound only) to go on with outbound, since `exchange.response` is there without the backend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


class Outcome(Enum):
    """Why a sequence of steps ended early."""

    RESPOND = "respond"
    ANSWERED = "answered"


RESPOND = Outcome.RESPOND
ANSWERED = Outcome.ANSWERED

Handler = Callable[["Exchange"], "Outcome | Awaitable[Outcome | None] | None"]
Factory = Callable[["Element", "Compiler"], Handler]

INBOUND = "inbound"
BACKEND = "backend"
OUTBOUND = "outbound"
ON_ERROR = "on-error"
SECTIONS = (INBOUND, BACKEND, OUTBOUND, ON_ERROR)
ANYWHERE = frozenset(SECTIONS)
SCOPES = frozenset({"global", "workspace", "product", "api", "operation"})


@dataclass(slots=True, frozen=True)
class Definition:
    """One policy of the index."""

    name: str
    sections: frozenset[str]
    scopes: frozenset[str]
    factory: Factory
    summary: str
    aliases: tuple[str, ...] = ()
    missing: str = ""  # which documented parts are not there; empty: it is complete


REGISTRY: dict[str, Definition] = {}


def policy(
    name: str,
    *,
    sections: frozenset[str] | set[str],
    scopes: frozenset[str] = SCOPES,
    aliases: tuple[str, ...] = (),
    missing: str = "",
) -> Callable[[Factory], Factory]:
    """Register a policy; the first line of the factory's docstring, and `missing`, stand in docs/policies.md."""

    def register(factory: Factory) -> Factory:
        summary = (factory.__doc__ or "").strip().splitlines()[0] if factory.__doc__ else ""
        definition = Definition(name, frozenset(sections), frozenset(scopes), factory, summary, aliases, missing)
        for each in (name, *aliases):
            if each in REGISTRY:
                raise ValueError(f"policy {each!r} is registered twice")
            REGISTRY[each] = definition
        return factory

    return register

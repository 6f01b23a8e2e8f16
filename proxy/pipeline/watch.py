"""Someone who looks on while a document runs: it wraps steps and expressions when they are compiled.

A document that is compiled without a watch pays nothing for this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.element import Element
    from proxy.pipeline.steps import Step


class Watch(Protocol):
    def step(self, step: Step, element: Element) -> Step:
        """A step that does the same; `element` is what it was made of."""
        ...

    def expression(self, code: str, evaluate: Callable[[Exchange], Any]) -> Callable[[Exchange], Any]:
        """An evaluation with the same result; `code` is the text as it stands in the document."""
        ...

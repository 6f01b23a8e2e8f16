"""`include-fragment`: the policies of a fragment, spliced in when configuration is applied.

https://learn.microsoft.com/azure/api-management/include-fragment-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import ANYWHERE, Handler, policy

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("include-fragment", sections=ANYWHERE)
def include_fragment(element: Element, compiler: Compiler) -> Handler:
    """Splice the policies of a fragment in."""
    return compiler.fragment(element, element.literal("fragment-id"))

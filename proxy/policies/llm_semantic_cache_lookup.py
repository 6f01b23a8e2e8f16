"""`llm-semantic-cache-lookup`: answers with what a language model said to a prompt that means the same.

https://learn.microsoft.com/azure/api-management/llm-semantic-cache-lookup-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.semantic import SCOPES, semantic_lookup

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("llm-semantic-cache-lookup", sections={INBOUND}, scopes=SCOPES)
def llm_semantic_cache_lookup(element: Element, compiler: Compiler) -> Handler:
    """Answer from the cache, if it holds the answer of a language model to a prompt that means the same."""
    return semantic_lookup(element, compiler)

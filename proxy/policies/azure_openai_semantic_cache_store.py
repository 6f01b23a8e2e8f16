"""`azure-openai-semantic-cache-store`: keeps what an Azure OpenAI model answered, for prompts that mean the same.

https://learn.microsoft.com/azure/api-management/azure-openai-semantic-cache-store-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import OUTBOUND, Handler, policy
from proxy.pipeline.semantic import SCOPES, semantic_store

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("azure-openai-semantic-cache-store", sections={OUTBOUND}, scopes=SCOPES)
def azure_openai_semantic_cache_store(element: Element, compiler: Compiler) -> Handler:
    """Keep the answer of an Azure OpenAI model for `duration` seconds where the semantic lookup missed."""
    return semantic_store(element, compiler)

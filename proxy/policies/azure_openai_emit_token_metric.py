"""`azure-openai-emit-token-metric`: emits metrics of the tokens that calls of an Azure OpenAI model take.

https://learn.microsoft.com/azure/api-management/azure-openai-emit-token-metric-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.token_metrics import token_metric

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("azure-openai-emit-token-metric", sections={INBOUND})
def azure_openai_emit_token_metric(element: Element, compiler: Compiler) -> Handler:
    """Emit metrics of the tokens of an Azure OpenAI model: total, prompt and completion."""
    return token_metric(element)

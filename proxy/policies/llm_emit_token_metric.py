"""`llm-emit-token-metric`: emits metrics of the tokens that calls of a language model take.

https://learn.microsoft.com/azure/api-management/llm-emit-token-metric-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.token_metrics import token_metric

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("llm-emit-token-metric", sections={INBOUND})
def llm_emit_token_metric(element: Element, compiler: Compiler) -> Handler:
    """Emit metrics of the tokens of a language model: total, prompt and completion."""
    return token_metric(element)

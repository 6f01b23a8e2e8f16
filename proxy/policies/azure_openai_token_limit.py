"""`azure-openai-token-limit`: limits the tokens that calls of a Azure OpenAI model take, by key.

https://learn.microsoft.com/azure/api-management/azure-openai-token-limit-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.token_limits import token_limit

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("azure-openai-token-limit", sections={INBOUND})
def azure_openai_token_limit(element: Element, compiler: Compiler) -> Handler:
    """Limit the tokens of a Azure OpenAI model, per minute and per period."""
    return token_limit(element)

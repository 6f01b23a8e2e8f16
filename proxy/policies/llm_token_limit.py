"""`llm-token-limit`: limits the tokens that calls of a language model take, by key.

https://learn.microsoft.com/azure/api-management/llm-token-limit-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.token_limits import token_limit

if TYPE_CHECKING:
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("llm-token-limit", sections={INBOUND})
def llm_token_limit(element: Element, compiler: Compiler) -> Handler:
    """Limit the tokens of a language model, per minute and per period."""
    return token_limit(element)

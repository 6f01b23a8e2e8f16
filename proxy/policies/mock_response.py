"""`mock-response`: ends the pipeline and answers with an example of the operation.

https://learn.microsoft.com/azure/api-management/mock-response-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.resources import Example
from proxy.messages import Body, Response
from proxy.pipeline.edits import phrase
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, RESPOND, Handler, Outcome, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("mock-response", sections={INBOUND, OUTBOUND, ON_ERROR})
def mock_response(element: Element, compiler: Compiler) -> Handler:
    """Answer with an example of the operation, chosen by status, content type or index."""
    status = element.literal_integer("status-code", 200, 100, 999)
    content_type = element.literal("content-type", None)
    index = element.literal_integer("index", None, 0)

    def choose(examples: tuple[Example, ...]) -> Example | None:
        if index is not None:
            return examples[index] if index < len(examples) else None
        wanted = _media_type(content_type) if content_type else None
        for example in examples:
            if example.status == status and wanted in (None, _media_type(example.content_type)):
                return example
        return None

    async def handle(exchange: Exchange) -> Outcome | None:
        example = choose(exchange.operation.examples) if exchange.operation else None
        response = Response(status, phrase(status))
        if example is not None:
            response = Response(example.status, phrase(example.status), body=Body(example.value.encode()))
            response.headers["Content-Type"] = example.content_type
        elif content_type:
            response.headers["Content-Type"] = content_type
        if exchange.response is not None:
            await exchange.response.body.discard()
        exchange.response = response
        return RESPOND

    return handle


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()

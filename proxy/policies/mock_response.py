"""`mock-response`: ends the pipeline and answers with an example of the operation.

An example that was given comes before one that is made from a schema; without either the body is empty.
https://learn.microsoft.com/azure/api-management/mock-response-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.resources import Example
from proxy.messages import Body, Response
from proxy.pipeline.content import is_xml
from proxy.pipeline.described import Need, media_of
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
    compiler.needs(Need("examples"))

    def choose(examples: tuple[Example, ...]) -> Example | None:
        if index is not None:
            return examples[index] if index < len(examples) else None
        wanted = media_of(content_type) if content_type else None
        fitting = [
            example
            for example in examples
            if example.status == status and wanted in (None, media_of(example.content_type))
        ]
        return min(fitting, key=_fidelity, default=None)

    async def handle(exchange: Exchange) -> Outcome | None:
        example = choose(exchange.operation.examples) if exchange.operation else None
        response = Response(status, phrase(status))
        if example is not None:
            content = example.value
            if not content and example.schema and exchange.api is not None:
                content = exchange.api.schemas.example(
                    example.schema, example.type_name, is_xml(media_of(example.content_type))
                )
            response = Response(example.status, phrase(example.status), body=Body(content.encode()))
            response.headers["Content-Type"] = example.content_type
        elif content_type:
            response.headers["Content-Type"] = content_type
        if exchange.response is not None:
            await exchange.response.body.discard()
        exchange.response = response
        return RESPOND

    return handle


def _fidelity(example: Example) -> int:
    return 0 if example.value else 1 if example.schema else 2

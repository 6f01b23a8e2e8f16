"""What llm-emit-token-metric and azure-openai-emit-token-metric share: three metrics of the tokens that a call took.

https://learn.microsoft.com/azure/api-management/llm-emit-token-metric-policy
Rules
1. The metrics are Total Tokens, Prompt Tokens and Completion Tokens, with the dimensions as they were in inbound.
2. The numbers are what the model reports. An event stream is read on its way by and counted at its end; one that
   reports nothing is estimated.
3. A failed call, and an answer that reports nothing, emit nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.messages import Body
from proxy.pipeline.element import Element
from proxy.pipeline.metrics import Dimensions, emit
from proxy.pipeline.registry import Handler
from proxy.pipeline.token_limits import watch, whole
from proxy.pipeline.usage import EventStream, Tokens, estimate_prompt, parse, reported_tokens
from telemetry.records import MetricRecord

if TYPE_CHECKING:
    from proxy.exchange import Exchange


def token_metric(element: Element) -> Handler:
    """The handler of a token metric element."""
    namespace = element.literal("namespace", "API Management")
    dimensions = Dimensions(element, late=True)

    async def handle(exchange: Exchange) -> None:
        measured = dimensions.measured(exchange)
        request = exchange.request
        request.headers.popall("Accept-Encoding", None)
        body = request.body
        if body.length is not None and body.length <= Body.most:
            await body.read()
        prompt = estimate_prompt(parse(body.content())) if body.buffered else 0

        def tell(tokens: Tokens) -> None:
            at = measured()
            emit(
                exchange,
                MetricRecord(namespace, "Total Tokens", float(tokens.total), at),
                MetricRecord(namespace, "Prompt Tokens", float(tokens.prompt), at),
                MetricRecord(namespace, "Completion Tokens", float(tokens.completion), at),
            )

        async def settle(exchange: Exchange) -> None:
            response = exchange.response
            if response is None or response.status >= 400:
                return
            if response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):

                def ended(stream: EventStream) -> None:
                    tell(stream.tokens(prompt))

                watch(response, ended)
                return
            content = await whole(response)
            tokens = reported_tokens(parse(content)) if content else None
            if tokens is not None:
                tell(tokens)

        if exchange.before_outbound is None:
            exchange.before_outbound = []
        exchange.before_outbound.append(settle)

    return handle

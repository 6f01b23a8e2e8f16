"""`llm-content-safety`: has prompts and completions of language models checked by a content safety service.

https://learn.microsoft.com/azure/api-management/llm-content-safety-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.messages import Body, Response
from proxy.pipeline.backends import named_backend
from proxy.pipeline.content_safety import (
    MAX_WINDOW,
    Checks,
    Passing,
    check_completion,
    check_prompt,
    completion_text,
    prompt_text,
)
from proxy.pipeline.registry import INBOUND, OUTBOUND, Handler, policy
from proxy.pipeline.usage import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

CATEGORIES = ("Hate", "SelfHarm", "Sexual", "Violence")
LEVELS = ("FourSeverityLevels", "EightSeverityLevels")
WINDOW = 1000  # characters of a completion


@policy("llm-content-safety", sections={INBOUND, OUTBOUND})
def llm_content_safety(element: Element, compiler: Compiler) -> Handler:
    """Have prompts and completions checked for harmful content."""
    checks_of = _checks(element, compiler)
    enforce = element.boolean("enforce-on-completions", False)

    async def prompt(exchange: Exchange) -> None:
        checks = checks_of(exchange)
        text = prompt_text(parse(await exchange.request.body.read()))
        await check_prompt(exchange, checks, text)
        if not enforce.get(exchange):
            return
        exchange.request.headers.popall("Accept-Encoding", None)

        async def settle(exchange: Exchange) -> None:
            await _completion(exchange, checks)

        if exchange.before_outbound is None:
            exchange.before_outbound = []
        exchange.before_outbound.append(settle)

    async def completion(exchange: Exchange) -> None:
        await _completion(exchange, checks_of(exchange))

    return prompt if compiler.section == INBOUND else completion


async def _completion(exchange: Exchange, checks: Checks) -> None:
    response = exchange.response
    if response is None or response.status >= 400:
        return
    if response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
        _guard(exchange, checks, response)
        return
    await check_completion(exchange, checks, completion_text(parse(await response.body.read())))


def _guard(exchange: Exchange, checks: Checks, response: Response) -> None:
    """Check an event stream on its way by."""
    response.headers.popall("Content-Length", None)
    stream = response.body.take() or response.body.chunks()
    response.body = Body(None, Passing(exchange, checks, stream))


def _checks(element: Element, compiler: Compiler) -> Callable[[Exchange], Checks]:
    """What the element asks for, as a function of the request."""
    backend_of = named_backend(element, "backend-id", compiler)
    shield = element.boolean("shield-prompt", False)
    window = element.integer("window-size", WINDOW, minimum=1, maximum=MAX_WINDOW)
    overlap = element.integer("window-overlap-size", 0, minimum=0, maximum=MAX_WINDOW)
    categories = element.child("categories")
    blocklists = element.child("blocklists") or element.child("block-lists")  # the policy toolkit writes the latter
    output_type = categories.choice("output-type", *LEVELS, default=LEVELS[0]) if categories else None
    named = [
        (each.choice("name", *CATEGORIES), each.integer("threshold", minimum=0, maximum=7))
        for each in (categories.children("category", required=True) if categories else ())
    ]
    lists = [each.content(required=True) for each in (blocklists.children("id") if blocklists else ())]

    def checks(exchange: Exchange) -> Checks:
        size, shared = window.get(exchange), overlap.get(exchange)
        if shared >= size:
            raise ExpressionFailed(f"window-overlap-size {shared} is not smaller than window-size {size}.")
        return Checks(
            backend_of(exchange),
            shield.get(exchange),
            LEVELS[0] if output_type is None else output_type.get(exchange),
            {name.get(exchange): threshold.get(exchange) for name, threshold in named},
            tuple(each.get(exchange) for each in lists),
            size,
            shared,
        )

    return checks

"""`invoke-dapr-binding`: triggers an output binding of the Dapr runtime.

https://learn.microsoft.com/azure/api-management/invoke-dapr-binding-policy
https://docs.dapr.io/reference/api/bindings_api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.messages import Headers
from proxy.pipeline.dapr import DaprCall, content_of, content_type, segment, templated
from proxy.pipeline.registry import INBOUND, ON_ERROR, OUTBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("invoke-dapr-binding", sections={INBOUND, OUTBOUND, ON_ERROR}, aliases=("invoke-darp-binding",))
def invoke_dapr_binding(element: Element, compiler: Compiler) -> Handler:
    """Trigger an output binding of the Dapr runtime; `invoke-darp-binding` is taken for it, with a warning."""
    if element.name == "invoke-darp-binding":
        element.issue("The policy is called invoke-dapr-binding. Correct the name.", "misspelled", severity="warning")
    binding, operation = element.string("name"), element.literal("operation", "")
    call, template = DaprCall.of(element), templated(element)
    content_type(element)  # the runtime takes JSON alone, so that is what is sent
    metadata, data = element.child("metadata"), element.child("data")
    items = [
        (item.literal("key"), content_of(item, compiler, template))
        for item in (metadata.children("item", required=True) if metadata else ())
    ]
    content = content_of(data, compiler, template) if data else None

    async def handle(exchange: Exchange) -> None:
        question: dict[str, Any] = {"operation": operation} if operation else {}
        if items:
            question["metadata"] = {key: (await value(exchange)).decode("utf-8", "replace") for key, value in items}
        if content is not None:
            question["data"] = _json(await content(exchange))
        headers = Headers({"Content-Type": "application/json"})
        await call.ask(exchange, f"bindings/{segment(binding.get(exchange))}", headers, orjson.dumps(question))

    return handle


def _json(content: bytes) -> Any:
    """JSON as it is, anything else as a text."""
    try:
        return orjson.Fragment(content) if orjson.loads(content) is not None else None
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")

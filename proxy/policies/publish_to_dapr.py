"""`publish-to-dapr`: sends a message to a topic of the Dapr runtime.

https://learn.microsoft.com/azure/api-management/publish-to-dapr-policy
https://docs.dapr.io/reference/api/pubsub_api
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.messages import Headers
from proxy.pipeline.dapr import DaprCall, content_of, content_type, segment, segments, templated
from proxy.pipeline.registry import INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.values import Value


@policy("publish-to-dapr", sections={INBOUND}, aliases=("publish-to-darp",))
def publish_to_dapr(element: Element, compiler: Compiler) -> Handler:
    """Send a message to a topic of the Dapr runtime; `publish-to-darp` is taken for it, with a warning."""
    if element.name == "publish-to-darp":
        element.issue("The policy is called publish-to-dapr. Correct the name.", "misspelled", severity="warning")
    component, topic = _component(element), element.string("topic")
    if component is None and topic.constant and topic.value and "/" not in topic.value:
        message = "Without 'pubsub-name' the topic must be written as pubsub-name/topic-name: requests will fail."
        element.issue(message, "missing-attribute", severity="warning")
    call, media = DaprCall.of(element), content_type(element)
    content = content_of(element, compiler, templated(element))

    async def handle(exchange: Exchange) -> None:
        name = topic.get(exchange)
        if component is not None:
            path = f"{segment(component.get(exchange))}/{segments(name)}"
        elif "/" in name.strip("/"):
            path = segments(name)
        else:
            raise ExpressionFailed(f"The topic {name!r} is not written as pubsub-name/topic-name.")
        headers = Headers({"Content-Type": media} if media else {})
        await call.ask(exchange, f"publish/{path}", headers, await content(exchange))

    return handle


def _component(element: Element) -> Value[str] | None:
    if element.has("pub-sub-name"):
        element.issue("The attribute is called pubsub-name. Correct it.", "misspelled", severity="warning")
        return element.string("pub-sub-name")
    return element.string("pubsub-name", None)

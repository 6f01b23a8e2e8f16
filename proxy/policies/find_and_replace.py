"""`find-and-replace`: replaces a text in the body of the request (inbound, backend) or the response.

Rules
1. The texts are literal, their case counts, and they are taken in the charset of the message, else in UTF-8.
2. A compressed body is left as it is, since the text cannot be seen in it.

https://learn.microsoft.com/azure/api-management/find-and-replace-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import ExpressionFailed
from proxy.messages import Body
from proxy.pipeline.content import charset, compressed
from proxy.pipeline.registry import ANYWHERE, BACKEND, INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

MAX_RESULT = 16 * 1024 * 1024  # bytes; a short text may not grow a body without bound


@policy("find-and-replace", sections=ANYWHERE)
def find_and_replace(element: Element, compiler: Compiler) -> Handler:
    """Replace a text in the body wherever it stands."""
    find, replacement = element.string("from"), element.string("to")
    if element.has("from") and find.constant and not find.value:
        element.issue("Attribute 'from' is empty. Write the text to find.", "invalid-attribute")
    section = compiler.section
    element.reads.add("request" if section in (INBOUND, BACKEND) else "response")

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        if message.body.empty or compressed(message.headers):
            return
        encoding = charset(message.headers)
        old = find.get(exchange).encode(encoding, "replace")
        new = replacement.get(exchange).encode(encoding, "replace")
        if not old:
            raise ExpressionFailed("The text to find is empty.")
        content = message.body.content()
        count = content.count(old)
        if not count:
            return
        if len(content) + count * (len(new) - len(old)) > MAX_RESULT:
            raise ExpressionFailed(f"The body would grow beyond {MAX_RESULT} bytes.")
        message.headers.popall("Content-Length", None)
        message.body = Body(content.replace(old, new))

    return handle

"""`jsonp`: wraps JSON in a call of the function that the client named.

https://learn.microsoft.com/azure/api-management/jsonp-policy
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.messages import Body
from proxy.pipeline.content import charset, compressed, is_json, media_type
from proxy.pipeline.registry import OUTBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

# What a script may call: identifiers with dots between; anything else could be a script itself.
_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*)*")
MAX_CALLBACK = 200


@policy("jsonp", sections={OUTBOUND})
def jsonp(element: Element, compiler: Compiler) -> Handler:
    """Answer with a script when the query names a callback."""
    parameter = element.string("callback-parameter-name")

    async def handle(exchange: Exchange) -> None:
        name = parameter.get(exchange)
        values = exchange.request.original_url.query_values().get(name)
        response = exchange.response
        if not values or not values[0] or response is None:
            return
        callback = values[0]
        if len(callback) > MAX_CALLBACK or not _CALLBACK.fullmatch(callback):
            message = f"Value of callback parameter {name} is not a valid JavaScript identifier."
            raise PolicyRefused(400, "Bad Request", "CallbackParameterInvalid", message)
        media = media_type(response.headers)
        if compressed(response.headers) or (media and not is_json(media)):
            return
        text = (await response.body.read()).decode(charset(response.headers), "replace")
        # Two line ends that JSON allows in a string and older scripts do not.
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        response.headers.popall("Content-Length", None)
        response.headers["Content-Type"] = "application/javascript; charset=utf-8"
        response.body = Body(f"{callback}({text});".encode())

    return handle

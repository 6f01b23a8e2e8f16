"""`set-query-parameter`: adds, replaces or removes a query parameter of the request to the backend.

https://learn.microsoft.com/azure/api-management/set-query-parameter-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from proxy.pipeline.edits import EXISTS_ACTIONS
from proxy.pipeline.registry import BACKEND, INBOUND, Handler, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

_SAFE = "-._~!$'()*,;:@/?"


@policy("set-query-parameter", sections={INBOUND, BACKEND})
def set_query_parameter(element: Element, compiler: Compiler) -> Handler:
    """Set, append to or delete a query parameter; the others keep their bytes."""
    name = element.string("name")
    action = element.choice("exists-action", *EXISTS_ACTIONS, default="override")
    values = [child.content() for child in element.children("value")]
    if not values and action.constant and action.value != "delete":
        element.issue(f"exists-action '{action.value}' needs at least one <value>.", "missing-element")

    def handle(exchange: Exchange) -> None:
        request = exchange.request
        parameter, what = name.get(exchange), action.get(exchange)
        parts = request.query.split("&") if request.query else []
        same = [_name(part) == parameter.lower() for part in parts]
        if what == "delete":
            request.query = "&".join(part for part, matches in zip(parts, same, strict=True) if not matches)
            return
        if what == "skip" and any(same):
            return
        key = quote(parameter, safe=_SAFE)
        added = [f"{key}={quote(value.get(exchange), safe=_SAFE)}" for value in values]
        if what == "override" and any(same):
            at = same.index(True)
            kept = [part for part, matches in zip(parts[at:], same[at:], strict=True) if not matches]
            parts = parts[:at] + added + kept
        else:
            parts += added
        request.query = "&".join(parts)

    return handle


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0]).lower()

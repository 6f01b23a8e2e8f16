"""`validate-headers`: refuses or reports response headers that are not as the operation says.

Headers that HTTP itself needs are never unspecified: an API description does not name them.
https://learn.microsoft.com/azure/api-management/validate-headers-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.described import Need, checked, response_shape
from proxy.pipeline.registry import ON_ERROR, OUTBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, IGNORE, Findings, Problem, problem_of

if TYPE_CHECKING:
    from proxy.config.resources import Parameter
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

TYPE = "ResponseHeader"
PROTOCOL = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "date", "keep-alive", "server"),
        *("trailer", "transfer-encoding", "upgrade", "via"),
    }
)


@policy("validate-headers", sections={OUTBOUND, ON_ERROR})
def validate_headers(element: Element, compiler: Compiler) -> Handler:
    """Refuse or report response headers that are not as the operation says."""
    specified = element.choice("specified-header-action", *ACTIONS)
    unspecified = element.choice("unspecified-header-action", *ACTIONS)
    variable = element.literal("errors-variable-name", "")
    named = {each.literal("name").lower(): each.choice("action", *ACTIONS) for each in element.children("header")}
    section = compiler.section
    compiler.needs(Need("headers"))

    def handle(exchange: Exchange) -> None:
        api, operation, response = exchange.api, exchange.operation, exchange.response
        if api is None or operation is None or response is None:
            return
        findings = Findings(variable, section)
        shape = response_shape(operation, response.status)
        described: tuple[Parameter, ...] = shape.headers if shape is not None else ()
        known = set()
        for header in described:
            known.add(header.name.lower())
            action = named.get(header.name.lower(), specified).get(exchange)
            if action != IGNORE:
                values = response.headers.getall(header.name, [])
                problem = problem_of(header.name, TYPE, "header", header, values, checked(api.schemas, header))
                if problem is not None:
                    findings.add(problem, action)
        for name in dict.fromkeys(response.headers):
            folded = name.lower()
            if folded in known or (folded in PROTOCOL and folded not in named):
                continue
            action = named.get(folded, unspecified).get(exchange)
            details = f"Unspecified header {name} is not allowed."
            findings.add(Problem(name, TYPE, "Unspecified", details), action)
        findings.settle(exchange)

    return handle

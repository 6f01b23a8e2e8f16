"""`validate-status-code`: refuses or reports a response of a status that the operation does not describe.

https://learn.microsoft.com/azure/api-management/validate-status-code-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.described import response_shape
from proxy.pipeline.registry import ON_ERROR, OUTBOUND, Handler, policy
from proxy.pipeline.validation import ACTIONS, Findings, Problem

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("validate-status-code", sections={OUTBOUND, ON_ERROR})
def validate_status_code(element: Element, compiler: Compiler) -> Handler:
    """Refuse or report a response of a status that the operation does not describe."""
    unspecified = element.choice("unspecified-status-code-action", *ACTIONS)
    # the policy toolkit of the vendor writes it without the s
    variable = element.literal("errors-variable-name", "") or element.literal("error-variable-name", "")
    codes = {
        each.literal_integer("code", minimum=100, maximum=599): each.choice("action", *ACTIONS)
        for each in element.children("status-code")
    }
    section = compiler.section

    def handle(exchange: Exchange) -> None:
        operation, response = exchange.operation, exchange.response
        if operation is None or response is None or response_shape(operation, response.status) is not None:
            return
        findings = Findings(variable, section)
        status = response.status
        details = f"Response status code {status} is not allowed."
        findings.add(
            Problem(str(status), "StatusCode", "Unspecified", details), codes.get(status, unspecified).get(exchange)
        )
        findings.settle(exchange)

    return handle

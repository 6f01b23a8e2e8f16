"""`xsl-transform`: transforms an XML body by an XSLT 1.0 stylesheet.

https://learn.microsoft.com/azure/api-management/xsl-transform-policy
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proxy import transformers
from proxy.errors import GatewayError
from proxy.messages import Body
from proxy.pipeline.registry import INBOUND, OUTBOUND, Handler, policy
from proxy.pipeline.stylesheet import Stylesheet, StylesheetError

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.nodes import Node
    from proxy.pipeline.values import Value

_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_ROOT = re.compile(r"(?:[A-Za-z_][\w.\-]*:)?(?:stylesheet|transform)")


@policy("xsl-transform", sections={INBOUND, OUTBOUND})
def xsl_transform(element: Element, compiler: Compiler) -> Handler:
    """Transform an XML body by an XSLT stylesheet."""
    parameters = [(_parameter_name(child), child.content()) for child in element.children("parameter")]
    roots = [node for node in element.policies() if _ROOT.fullmatch(node.name)]
    for node in element.policies():
        if node.name != "parameter" and node not in roots:
            element.issue(f"<{node.name}> is not known in <xsl-transform>.", "unknown-element", offset=node.offset + 1)
    if len(roots) != 1:
        code = "duplicate-element" if roots else "missing-element"
        element.issue("<xsl-transform> needs exactly one <xsl:stylesheet>.", code)
        return _nothing
    stylesheet = _compiled(element, roots[0])
    return _nothing if stylesheet is None else _handler(stylesheet, parameters, compiler.section)


def _handler(stylesheet: str, parameters: list[tuple[str, Value[str]]], section: str) -> Handler:
    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        if message.body.empty:
            return
        content = await message.body.read()
        if not content.strip():
            return
        values = {name: value.get(exchange) for name, value in parameters}
        try:
            made = await transformers.transform(stylesheet, content, values)
        except StylesheetError as problem:
            raise _failed(str(problem)) from problem
        message.headers.popall("Content-Length", None)
        message.body = Body(made)

    return handle


def _parameter_name(parameter: Element) -> str:
    """`name`; the policy statement of the documentation calls it `parameter-name`."""
    attribute = "parameter-name" if parameter.has("parameter-name") else "name"
    name = parameter.literal(attribute)
    if name and not _NAME.fullmatch(name):
        parameter.issue(f"{name!r} is not the name of a parameter.", "invalid-attribute")
    return name


def _compiled(element: Element, node: Node) -> str | None:
    """The stylesheet's text, if it compiles."""
    text = element.source.text
    raw = _written(node, text)
    try:
        stylesheet = Stylesheet(raw)
    except StylesheetError as problem:
        offset = node.offset + 1
        for _ in range(problem.line - 1):
            offset = text.find("\n", offset) + 1
        element.issue(f"The stylesheet does not compile: {problem}", "invalid-stylesheet", offset=offset)
        return None
    for href in stylesheet.left_out:
        message = f"The stylesheet includes or imports {href!r}; nothing is loaded, so it is left out."
        element.issue(message, "unsupported", offset=node.offset + 1, severity="warning")
    return raw


def _written(node: Node, text: str) -> str:
    """An element as its author wrote it, white space and all."""
    start = max([node.offset, *(each.value.end + 1 for each in node.attributes)])
    end = text.find(">", start)
    if text[end - 1] != "/":
        end = text.find(">", text.find(f"</{node.name}", end))
    return text[node.offset : end + 1]


def _failed(message: str) -> GatewayError:
    return GatewayError(f"XSL transformation failed. {message}", reason="XslTransformFailure")


def _nothing(exchange: Exchange) -> None:
    return None

"""`xsl-transform`: transforms an XML body by an XSLT 1.0 stylesheet.

https://learn.microsoft.com/azure/api-management/xsl-transform-policy
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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

MAX_SECONDS = 2.0
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


def _handler(stylesheet: Stylesheet, parameters: list[tuple[str, Value[str]]], section: str) -> Handler:
    late: list[threading.Thread] = []  # a transformation cannot be stopped, only left alone

    async def handle(exchange: Exchange) -> None:
        message = exchange.message(section)
        if message.body.empty:
            return
        content = await message.body.read()
        if not content.strip():
            return
        late[:] = [thread for thread in late if thread.is_alive()]
        if late:
            raise _failed("An earlier transformation by this stylesheet took too long and has not ended yet.")
        values = {name: value.get(exchange) for name, value in parameters}
        done, thread = _start(stylesheet.transform, content, values)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                made = await done
        except TimeoutError as problem:
            late.append(thread)
            raise _failed(f"The transformation took more than {MAX_SECONDS:g} seconds.") from problem
        except StylesheetError as problem:
            raise _failed(str(problem)) from problem
        message.headers.popall("Content-Length", None)
        message.body = Body(made)

    return handle


def _start(
    work: Callable[[bytes, Mapping[str, str]], bytes], content: bytes, values: Mapping[str, str]
) -> tuple[asyncio.Future[bytes], threading.Thread]:
    """Run in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def finish(put: Callable[[Any], None], what: Any) -> None:
        if not done.done():
            put(what)

    def run() -> None:
        try:
            made = work(content, values)
        except Exception as problem:
            _tell(loop, finish, done.set_exception, problem)
        else:
            _tell(loop, finish, done.set_result, made)

    thread = threading.Thread(target=run, name="xsl-transform", daemon=True)
    thread.start()
    return done, thread


def _tell(loop: asyncio.AbstractEventLoop, *call: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits
        loop.call_soon_threadsafe(*call)


def _parameter_name(parameter: Element) -> str:
    """`name`; the policy statement of the documentation calls it `parameter-name`."""
    attribute = "parameter-name" if parameter.has("parameter-name") else "name"
    name = parameter.literal(attribute)
    if name and not _NAME.fullmatch(name):
        parameter.issue(f"{name!r} is not the name of a parameter.", "invalid-attribute")
    return name


def _compiled(element: Element, node: Node) -> Stylesheet | None:
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
    return stylesheet


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

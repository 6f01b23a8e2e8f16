"""What the Dapr policies share: the runtime's address, the content they send, and its answer.

Rules
1. The runtime is beside the sidecar, where `policy.dapr.endpoint` says; it is asked over its HTTP API (version 1.0).
2. A name from an expression stays one part of the path: it is escaped, and `..` is refused.
3. What the runtime answers is in the variable before the policy fails, so that on-error can return it.
4. An answer of 400 or more, or none, is an error, unless ignore-error says otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy.errors import ExpressionFailed, GatewayError
from proxy.messages import Body, Headers, Response, Url
from proxy.pipeline.edits import is_template
from proxy.pipeline.element import Element
from proxy.pipeline.registry import BACKEND, INBOUND
from proxy.pipeline.values import Value
from proxy.ports import Outgoing, whole_answer

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler

Content = Callable[["Exchange"], Awaitable[bytes]]


def address(exchange: Exchange, path: str) -> Url:
    """A URL of the runtime's API; `path` is escaped already."""
    return replace(exchange.ports.dapr, path=f"/v1.0/{path}")


def segment(name: str) -> str:
    """A name as one part of a path. Raises ExpressionFailed."""
    if not name or name in (".", ".."):
        raise ExpressionFailed(f"{name!r} is no name that Dapr can have.")
    return quote(name, safe="")


def segments(names: str) -> str:
    """The same with slashes in it."""
    return "/".join(segment(name) for name in names.strip("/").split("/"))


@dataclass(slots=True, frozen=True)
class DaprCall:
    """How the runtime is asked, and what becomes of its answer."""

    name: str
    timeout: Value[float]
    variable: str
    ignore_error: bool

    @classmethod
    def of(cls, element: Element) -> DaprCall:
        return cls(
            element.name,
            element.number("timeout", 5.0, 1, 240),
            element.literal("response-variable-name", ""),
            element.literal_boolean("ignore-error", False),
        )

    async def ask(self, exchange: Exchange, path: str, headers: Headers, content: bytes) -> None:
        url, timeout = address(exchange, path), self.timeout.get(exchange)
        answer: Response | None = None
        problem: GatewayError | None = None
        try:
            answer = await whole_answer(exchange.transport, Outgoing("POST", url, headers, Body(content), timeout))
        except GatewayError as failure:
            problem = failure
        if answer is not None and answer.status >= 400:
            told = f"The Dapr runtime answered with status {answer.status}."
            problem = GatewayError(told, reason="BackendErrorStatusCode")
        if self.variable:
            exchange.variables[self.variable] = answer
        if problem is None:
            return
        if not self.ignore_error:
            raise problem
        exchange.traces.append((self.name, "information", f"Ignored: {problem.message}", {}))


def templated(element: Element) -> bool:
    """Whether what the element holds are Liquid templates."""
    return element.literal_choice("template", "Liquid", default="") == "Liquid"


def content_type(element: Element) -> str:
    return element.literal_choice("content-type", "application/json", default="")


def content_of(element: Element, compiler: Compiler, template: bool) -> Content:
    """The content of an element as bytes: a text, what an expression makes, or a rendered template."""
    if template:
        return _rendered(element, compiler)
    value = element.body_content()
    if value.constant:
        constant = value.value.strip()

        async def fixed(exchange: Exchange) -> bytes:
            return constant

        return fixed

    async def computed(exchange: Exchange) -> bytes:
        return value.get(exchange)

    return computed


def _rendered(element: Element, compiler: Compiler) -> Content:
    # Late, because most processes never meet a template and its library takes long to load.
    from proxy.liquid.template import in_thread
    from proxy.pipeline.liquid_edit import liquid_edit

    edit, section = liquid_edit(element, False, True), compiler.section
    if not is_template(edit):  # it does not compile, which is reported

        async def nothing(exchange: Exchange) -> bytes:
            return b""

        return nothing

    async def render(exchange: Exchange) -> bytes:
        message = exchange.request if section in (INBOUND, BACKEND) else exchange.response or exchange.request
        if edit.reads_body:
            await message.body.read()
        if not edit.loops:
            return edit.rendered(exchange, message).strip().encode()
        return (await in_thread(lambda: edit.rendered(exchange, message))).strip().encode()

    return render

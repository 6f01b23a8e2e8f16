"""<set-body template="liquid">: a compiled template, and the edit that renders it into the body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.errors import ExpressionFailed
from proxy.liquid import LiquidError, Template, compile_template
from proxy.liquid.bindings import Reading, body_value, context_value
from proxy.messages import Request, Response
from proxy.pipeline.content import charset, media_type
from proxy.pipeline.edits import replace_body
from proxy.pipeline.element import Element

if TYPE_CHECKING:
    from proxy.exchange import Exchange


@dataclass(slots=True, frozen=True)
class LiquidEdit:
    """Renders a template into the body.

    `loops`: it may take long. `reads_body`: it reads the body that the message has.
    """

    template: Template
    reading: Reading

    @property
    def loops(self) -> bool:
        return self.template.loops

    @property
    def reads_body(self) -> bool:
        return "body" in self.template.names

    def __call__(self, exchange: Exchange, message: Request | Response) -> None:
        made = self.rendered(exchange, message)
        replace_body(message, made.encode())

    def rendered(self, exchange: Exchange, message: Request | Response) -> str:
        """What the template makes of a message. Raises ExpressionFailed."""
        values: dict[str, Any] = {}
        try:
            if self.reads_body and message.body.buffered:
                values["body"] = body_value(
                    message.body.content(), media_type(message.headers), charset(message.headers), self.reading
                )
            if "context" in self.template.names:
                values["context"] = context_value(exchange, self.reading)
            return self.template.render(values)
        except LiquidError as problem:
            place = f" at line {problem.line}, column {problem.column} of the template" if problem.line else ""
            raise ExpressionFailed(
                f"The Liquid template cannot be rendered: {str(problem).rstrip('.')}{place}."
            ) from problem


def liquid_edit(element: Element, nil: bool, dates: bool) -> Callable[[Exchange, Request | Response], None]:
    """The edit for the template in `element`; one that does nothing, and an issue, when it does not compile."""
    source, offset = element.template_text()
    try:
        return LiquidEdit(compile_template(source), Reading(nil, dates))
    except LiquidError as problem:
        if problem.line:
            lines = source.split("\n")[: problem.line - 1]
            offset += sum(len(line) + 1 for line in lines) + problem.column - 1
        element.issue(
            f"The Liquid template does not compile: {str(problem).rstrip('.')}.", "invalid-template", offset=offset
        )
        return lambda exchange, message: None

"""A compiled template and the limits that a rendering is held by.

Rules
1. Nothing is loaded: there is no include, render or extends.
2. All loops together turn at most `MAX_ITERATIONS` times; a range and a list hold at most `MAX_ITEMS`; a text that a
   filter makes and the output hold at most `MAX_TEXT` characters; variables hold at most `MAX_LOCALS` bytes.
3. A rendering ends after `MAX_SECONDS`.
4. A filter or tag that does not exist is found when the template is compiled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.filtered import FilteredExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.exceptions import LiquidError as EngineError
from liquid.exceptions import ResourceLimitError
from liquid.expression import Expression

from proxy.liquid import filters
from proxy.liquid.tags import JsonArrayForTag

MAX_ITERATIONS = 50_000
MAX_ITEMS = 10_000
MAX_LOCALS = 4 * filters.MAX_TEXT
MAX_SECONDS = 0.25

_TAGS = (
    *("assign", "capture", "case", "comment", "cycle", "for", "break", "continue", "if", "ifchanged", "increment"),
    *("decrement", "raw", "tablerow", "unless", "#"),
)


class LiquidError(ValueError):
    """A template that cannot be compiled or rendered; `line` and `column` are 1-based in the template, 0 if unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class _Context(RenderContext):
    """Counts all turns of all loops, and looks at the time."""

    __slots__ = ("deadline", "turns")

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.turns = 0
        self.deadline = time.perf_counter() + MAX_SECONDS

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.turns += length
        if self.turns > MAX_ITERATIONS:
            raise ResourceLimitError(f"its loops turn more than {MAX_ITERATIONS} times", token=None)
        self._check_time()

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        self._check_time()
        return super().filter(name, token)

    def _check_time(self) -> None:
        if time.perf_counter() > self.deadline:
            raise ResourceLimitError(f"it takes more than {MAX_SECONDS:g} seconds", token=None)


class _Template(BoundTemplate):
    context_class = _Context


class _Environment(Environment):
    template_class = _Template
    local_namespace_limit = MAX_LOCALS
    output_stream_limit = filters.MAX_TEXT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=False)
        inner = ("content", "output", "illegal")
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS or name.lower() in inner}
        self.add_tag(JsonArrayForTag)
        self.filters = dict(filters.FILTERS)


class _Range(RangeLiteral):
    """A range that is no longer than a list may be."""

    __slots__ = ()

    def _make_range(self, start: Any, stop: Any) -> range:
        made = super()._make_range(start, stop)
        if made and made.stop - made.start > MAX_ITEMS:
            raise ResourceLimitError(f"a range has more than {MAX_ITEMS} items", token=None)
        return made


_ENVIRONMENT = _Environment()


@dataclass(slots=True, frozen=True)
class Template:
    """`loops`: it may take long. `names` are the variables that it starts from, such as `body` and `context`."""

    _template: BoundTemplate = field(repr=False)
    loops: bool
    names: frozenset[str]

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises LiquidError."""
        try:
            return self._template.render(values)
        except EngineError as problem:
            raise _located(problem) from problem
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as problem:
            raise LiquidError(f"{type(problem).__name__}: {problem}") from problem


async def in_thread(render: Callable[[], str]) -> str:
    """What a rendering that may take long makes, while others go on."""
    return await asyncio.to_thread(render)


def compile_template(text: str) -> Template:
    """Raises LiquidError for a template that could never be rendered."""
    try:
        template = _ENVIRONMENT.from_string(text)
        loops = _inspect(template.nodes, template)
        names = frozenset(template.analyze(include_partials=False).globals)
    except EngineError as problem:
        raise _located(problem) from problem
    except RecursionError:
        raise LiquidError("it is nested too deep") from None
    return Template(template, loops, names)


def _inspect(nodes: Iterable[Node], template: BoundTemplate) -> bool:
    """Check the filters and bound the ranges of a tree; whether it has loops."""
    context = RenderContext(template)
    pending: list[Node] = list(nodes)
    loops = False
    while pending:
        node = pending.pop()
        loops = loops or isinstance(node, (ForNode, TablerowNode))
        pending.extend(node.children(context, include_partials=False))
        expressions: list[Expression] = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            if isinstance(expression, FilteredExpression):
                for each in expression.filters or ():
                    each.validate_filter_arguments(_ENVIRONMENT)
            if type(expression) is RangeLiteral:
                expression.__class__ = _Range
            expressions.extend(expression.children())
    return loops


def _located(problem: EngineError) -> LiquidError:
    message = str(problem.message if hasattr(problem, "message") else problem) or type(problem).__name__
    token = problem.token
    if token is None or token.start_index < 0:
        return LiquidError(message)
    before = token.source[: token.start_index]
    return LiquidError(message, before.count("\n") + 1, len(before) - before.rfind("\n"))

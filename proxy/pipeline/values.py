"""`Value[T]`: what an attribute or text is per request, a constant or an expression.

Rules
1. A text is an expression iff, trimmed, it starts with `@(` or `@{`; everything else is a literal.
2. Constants are converted when configuration is applied; a bad one is an issue, never a failing request.
3. An expression declares which bodies it reads; a step has them buffered before it runs.
4. An expression that throws, or whose result cannot become a T, raises ExpressionFailed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from proxy.errors import ExpressionFailed, GatewayError, Site

if TYPE_CHECKING:
    from proxy.exchange import Exchange

T = TypeVar("T")
NOTHING: frozenset[str] = frozenset()


class Value(Generic[T]):
    """`get(exchange)` is the value of this request; when `constant`, `value` is it without a request."""

    __slots__ = ("_value", "constant", "get", "reads")

    get: Callable[[Exchange], T]

    def __init__(
        self, constant: bool, get: Callable[[Exchange], T], value: T | None = None, reads: frozenset[str] = NOTHING
    ) -> None:
        self.constant = constant
        self.get = get
        self.reads = reads
        self._value = value

    @property
    def value(self) -> T:
        """The constant. Raises ValueError for an expression: ask `constant` first."""
        if not self.constant:
            raise ValueError("an expression has no value without a request")
        return self._value  # type: ignore[return-value]

    @staticmethod
    def of(value: T) -> Value[T]:
        return Value(True, lambda exchange: value, value)

    @staticmethod
    def computed(
        evaluate: Callable[[Exchange], Any], convert: Callable[[Any], T], reads: frozenset[str] = NOTHING
    ) -> Value[T]:
        def get(exchange: Exchange) -> T:
            try:
                return convert(evaluate(exchange))
            except GatewayError:
                raise
            except Exception as problem:
                raise ExpressionFailed(str(problem), detail=repr(problem)) from problem

        return Value(False, get, reads=reads)

    @staticmethod
    def expression(
        evaluate: Callable[[Exchange], Any], convert: Callable[[Any], T], reads: frozenset[str], site: Site
    ) -> Value[T]:
        """A computed value that tells a watch what it made, and an error where it stands."""

        def get(exchange: Exchange) -> T:
            watch = exchange.watch
            try:
                if watch is None:
                    return convert(evaluate(exchange))
                value = evaluate(exchange)
                watch.evaluated(site, value)
                return convert(value)
            except Exception as problem:
                failed = _failed(problem, site)
                if watch is not None:
                    watch.failed(site, failed)
                if failed is problem:
                    raise
                raise failed from problem

        return Value(False, get, reads=reads)


def _failed(problem: Exception, site: Site) -> GatewayError:
    if isinstance(problem, ExpressionFailed):
        return problem.found_at(site)
    if isinstance(problem, GatewayError):
        return problem
    return ExpressionFailed(str(problem), detail=f"its value is refused ({problem!r})").found_at(site)

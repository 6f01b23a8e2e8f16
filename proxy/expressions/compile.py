"""Phase 4: source to `Expression`, memoised by text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import proxy.expressions.dotnet.index  # noqa: F401  # fills the table
from proxy.errors import ExpressionFailed
from proxy.expressions import (  # noqa: F401  # each declares what it binds
    bind_assignment,
    bind_calls,
    bind_casts,
    bind_creation,
    bind_literals,
    bind_patterns,
    bind_query,
    bind_switch,
    bind_try,
    bind_tuples,
    runtime,
)
from proxy.expressions.bind import OBJECT, VOID, Binder
from proxy.expressions.bind_assigned import check_assigned
from proxy.expressions.bind_body import bind_body
from proxy.expressions.bind_recovery import all_findings
from proxy.expressions.conversions import NULL
from proxy.expressions.errors import ExpressionError, Finding, located
from proxy.expressions.lower import Lowering
from proxy.expressions.lower_statements import lower_entry
from proxy.expressions.parse import parse
from proxy.expressions.runtime import FIRST_SLICE, BudgetExhausted, DotNetError, budget
from proxy.expressions.tree import Return, Unbound
from proxy.expressions.types import settle

if TYPE_CHECKING:
    from proxy.exchange import Exchange

settle()

# Compiled expressions kept by text; one is about 5 KB.
MAX_MEMO = 16_384
_MEMO: OrderedDict[str, Expression | ExpressionError] = OrderedDict()


class Expression:
    """A compiled expression. `reads` names the message bodies that must be buffered before `evaluate`."""

    __slots__ = ("_run", "reads", "source", "type")

    def __init__(self, source: str, run: Callable[[Any], Any], reads: frozenset[str], kind: str) -> None:
        self.source = source
        self._run = run
        self.reads = reads
        self.type = kind

    def evaluate(self, exchange: Exchange) -> Any:
        """The value, as an object (see dotnet/values.py). Raises ExpressionFailed with the .NET message."""
        budget.left = FIRST_SLICE
        budget.depth = 0
        budget.began = False
        try:
            return self._run(exchange)
        except DotNetError as error:
            raise ExpressionFailed(error.message, error.kind, *_where(error)) from None
        except BudgetExhausted as error:
            raise ExpressionFailed(error.message, "its budget is used up", *_where(error)) from None
        except RecursionError as error:
            text = "Insufficient stack to continue executing the program safely."
            raise ExpressionFailed(text, "System.InsufficientExecutionStackException", *_where(error)) from None
        except MemoryError as error:
            raise ExpressionFailed("Insufficient memory.", "System.OutOfMemoryException", *_where(error)) from None
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            raise ExpressionFailed("The expression failed.", detail, *_where(error)) from error

    def __repr__(self) -> str:
        return f"<Expression {self.type} {self.source[:60]!r}>"


def _where(error: BaseException) -> tuple[int, int]:
    """The C# line and column that was executing, 1-based."""
    place = (1, 1)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == "<expression>":
            positions = list(code.co_positions())
            index = trace.tb_lasti // 2
            line, _, column, _ = positions[index] if index < len(positions) else (trace.tb_lineno, None, None, None)
            place = (line or 1, (column or 0) + 1)
        trace = trace.tb_next
    return place


def compile_expression(source: str) -> Expression:
    """Compile `@(...)` or `@{...}`; raises ExpressionError with every position relative to `source`."""
    found = _MEMO.get(source)
    if found is None:
        try:
            found = _compile(source)
        except ExpressionError as error:
            found = error
        _MEMO[source] = found
        if len(_MEMO) > MAX_MEMO:
            _MEMO.popitem(last=False)
    if isinstance(found, ExpressionError):
        raise ExpressionError(list(found.issues))
    return found


def _compile(source: str) -> Expression:
    source_text = source
    binder: Binder | None = None
    try:
        syntax = parse(source_text)
        binder = Binder(syntax)
        if syntax.is_body:
            kind = bind_body(binder, syntax.root)
        else:
            value = binder.expr(syntax.root)
            if isinstance(value, Unbound):
                value = binder.convert(value, OBJECT)
            if value.type is VOID:
                raise Finding("This call returns nothing and cannot be used as a value", value.place)
            kind = OBJECT if value.type is NULL else value.type
            binder.function.body = [Return(value=binder.convert(value, OBJECT), place=syntax.place(syntax.root))]
            check_assigned(binder.function, binder.unassigned)
        lowering = Lowering(checked_concat=syntax.is_body)
        module = lower_entry(lowering, binder.function)
        code = compile(module, "<expression>", "exec", dont_inherit=True, optimize=0)
    except Finding as finding:
        found = [finding]
        if binder is not None and binder.syntax.is_body:
            found = all_findings(binder.syntax, source_text, finding)
        raise located(source_text, *found) from None
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        # a form that the grammar knows and the binder does not: no reason to fail the whole document without a place
        if binder is None:
            raise
        words = binder.current.type.replace("_", " ")
        problem = binder.error(binder.current, f"This form of {words} is not supported within expressions")
        raise located(source_text, problem) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise ExpressionError([(1, 1, "The expression is too complex")]) from None
    return Expression(source_text, _function(code, lowering.globals), frozenset(lowering.reads), str(kind))


def _function(module: Any, names: dict[str, Any]) -> Callable[[Any], Any]:
    """The function that the module would define, without running the module."""
    code = next(constant for constant in module.co_consts if hasattr(constant, "co_code"))
    return FunctionType(code, {**names, "__builtins__": {}}, "expression")


__all__ = ["Expression", "ExpressionError", "compile_expression"]

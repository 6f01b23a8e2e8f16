"""C# policy expressions compiled to Python code objects.

    expression = compile_expression('@(context.Request.Headers.GetValueOrDefault("X-Id", ""))')
    expression.reads        # message bodies to buffer first: subset of {"request", "response"}
    expression.evaluate(exchange)

Read in this order: parse, types, table, bind, bind_members, lower, compile; then any file under dotnet/.
Source: https://learn.microsoft.com/azure/api-management/api-management-policy-expressions
"""

from proxy.expressions.compile import Expression, compile_expression
from proxy.expressions.errors import ExpressionError

__all__ = ["Expression", "ExpressionError", "compile_expression"]

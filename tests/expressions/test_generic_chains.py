"""A cast in front of a generic call that goes on: the grammar alone takes its brackets for comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.expressions import ExpressionError, compile_expression

Evaluate = Callable[..., Any]
CALL = 'JObject.Parse("{\\"a\\": {\\"b\\": \\"v\\"}}").Value<JObject>("a")'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (f'@((string){CALL}["b"])', "v"),
        (f'@((string){CALL}?["b"])', "v"),
        (f"@((int){CALL}.Count > 0)", True),
        (f'@("v" == (string){CALL}["b"])', True),
        (f'@((string){CALL}["b"] + (string){CALL}["b"])', "vv"),
        (f"@(0 < {CALL}.Count)", True),
        (f'@(!(bool){CALL}.ContainsKey("c"))', True),
        (f'@{{ var x =\n (string){CALL}["b"];\n return x; }}', "v"),
        ("@(1 < 2 && 3 > (2))", True),
    ],
)
def test_it_is_a_generic_call(evaluate: Evaluate, code: str, expected: Any) -> None:
    assert evaluate(code) == expected


def test_places_are_those_of_the_source() -> None:
    code = f'@{{\n  var x = (string){CALL}["b"] + nope;\n  return x; }}'
    with pytest.raises(ExpressionError) as failure:
        compile_expression(code)
    ((line, column, message),) = failure.value.issues
    assert (line, column) == (2, code.splitlines()[1].index("nope") + 1)
    assert "nope" in message

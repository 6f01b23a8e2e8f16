"""All that is wrong in the body of one expression is told at once, and nothing that only follows from it."""

from __future__ import annotations

import pytest

from proxy.expressions import ExpressionError, compile_expression
from tests.cpu import cpu

NO = "does not exist in the current context"


def places(source: str) -> list[tuple[int, int, str]]:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    return [(line, column, message.removesuffix(f" {NO}")) for line, column, message in caught.value.issues]


def test_every_statement_is_looked_at() -> None:
    assert places(
        "@{ Foo();\n"
        "  if (zip) { Bar(); } else Baz();\n"
        '  try { Boo(); } catch (Exception) { File.Delete("x"); }\n'
        "  return context.Nope; }"
    ) == [
        (1, 4, "The name 'Foo'"),
        (2, 7, "The name 'zip'"),
        (2, 14, "The name 'Bar'"),
        (2, 28, "The name 'Baz'"),
        (3, 9, "The name 'Boo'"),
        (3, 38, "Usage of type 'File' is not supported within expressions"),
        (4, 18, "Usage of member 'Nope' of type 'Microsoft.Azure.ApiManagement.IProxyRequestContext'"
                " is not supported within expressions"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "rest",
    [
        "return x;", "x = 2; return 1;", "x++; return 1;", "return x.Length + 1;",
        "if (x == 1) { return 1; } return 2;", "var y = x; return y;", 'return $"{x}";',
        "foreach (var each in x) { if (each == null) { break; } } return 1;",
    ],
)  # fmt: skip
def test_a_variable_whose_declaration_failed_is_not_missing(rest: str) -> None:
    assert places(f"@{{ var x = lost; {rest} }}") == [(1, 12, "The name 'lost'")]


def test_loops_whose_heads_failed_may_be_left() -> None:
    body = "foreach (var a in lost) { if (a == null) { continue; } Foo(); break; }"
    assert places(f"@{{ {body} return 1; }}") == [(1, 22, "The name 'lost'"), (1, 59, "The name 'Foo'")]
    assert places("@{ break; Foo(); return 1; }")[0][1] == 4


def test_lambdas_and_what_the_whole_body_lacks_are_told_once() -> None:
    assert places("@{ return new[] {1}.Select(a => { Foo(); Bar(); return a; }); }") == [(1, 35, "The name 'Foo'")]
    assert len(places("@{ var a = 1; }")) == len(places("@{ int a; return a; }")) == 1


def test_looking_on_is_bounded() -> None:
    with cpu(5):
        for source in (
            "@{" + "try {" * 60 + "Foo();" + "} catch (Zap) { Bar(); }" * 60 + "}",
            "@{" + "if (zip) { a();" * 100 + "}" * 100 + "}",
            "@{" + "Foo();" * 4000 + "}",
        ):
            assert 1 < len(places(source)) <= 20

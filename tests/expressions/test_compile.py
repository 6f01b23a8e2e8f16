"""The public surface: reads, types, positions, memo; the errors of evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import ExpressionFailed
from proxy.expressions import ExpressionError, compile_expression
from proxy.expressions import compile as module
from proxy.expressions.dotnet.convert import to_bool, to_bytes, to_float, to_int, to_text

Evaluate = Callable[..., Any]


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("@(1)", set()),
        ("@(context.Request.Headers.Count)", set()),
        ("@(context.Request.Body.As<string>())", {"request"}),
        ("@(context.Response.Body.As<string>())", {"response"}),
        (
            '@{ if (context.Request.Body != null) { return context.Response?.Body.As<JObject>()["a"]; } return null; }',
            {"request", "response"},
        ),
        ("@(new[] { 1 }.Select(x => context.Request.Body.As<string>(true)).First())", {"request"}),
    ],
)
def test_reads(source: str, reads: set[str]) -> None:
    assert compile_expression(source).reads == reads


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('@("a")', "string"),
        ("@(1L)", "long"),
        ("@(null)", "object"),
        ("@(new[] { 1 })", "int[]"),
        ("@(context.Response?.StatusCode)", "int?"),
        ("@{ return 1; }", "int"),
        ("@{ if (true) { return 1; } return 2.5; }", "double"),
        ('@{ if (true) { return 1; } return "a"; }', "object"),
        ("@(new List<string>())", "List<string>"),
    ],
)
def test_static_type(source: str, kind: str) -> None:
    assert compile_expression(source).type == kind


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("@(nope)", 1, 3),
        ('@("é" + nope)', 1, 9),
        ("@{\n    var x = 1;\n    return y;\n}", 3, 12),
        ("@{\n  return context.Request.Nope;\n}", 2, 26),
        ("@(new Foo())", 1, 7),
        ("@{\n  return 1\n}", 2, 11),
    ],
)
def test_positions(source: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(source)
    assert refusal.value.issues[0][:2] == (line, column)


@pytest.mark.parametrize(
    "source",
    ["", "x", "@", "@(", "@()", "@{}", "@(1", "(1)", "@[1]", "@(1; 2)", "@(1) @(2)", "@{ return 1; } }", "\ud800"],
)
def test_what_is_no_expression(source: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(source)
    line, column, message = refusal.value.issues[0]
    assert line >= 1
    assert column >= 1
    assert message


@pytest.mark.parametrize(
    ("source", "line", "column", "quoted"),
    [
        ("@(context.Variables['abc'])", 1, 21, "'abc'"),
        ("@{\n var a = \"it's\"; var b = context.Variables['abc'];\n return 1; }", 2, 44, "'abc'"),
        ("@(context.Request.Headers.GetValueOrDefault(\"it's\", 'x-y'))", 1, 53, "'x-y'"),
    ],
)
def test_a_string_in_single_quotes_is_told_of(source: str, line: int, column: int, quoted: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(source)
    message = f"Too many characters in character literal {quoted}: a string stands in double quotes"
    assert refusal.value.issues == [(line, column, message)]


def test_failures_name_type_and_place(evaluate: Evaluate) -> None:
    with pytest.raises(ExpressionFailed) as failure:
        evaluate('@{\n  var s = "a";\n  return int.Parse(s);\n}')
    assert failure.value.message == "Expression evaluation failed. Input string was not in a correct format."
    assert failure.value.reason == "ExpressionValueEvaluationFailure"
    assert failure.value.detail == "System.FormatException"
    assert failure.value.line == 3


def test_the_same_text_is_compiled_once() -> None:
    assert compile_expression("@(1 + 41)") is compile_expression("@(1 + 41)")


def test_the_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MEMO", len(module._MEMO) + 2)
    for number in range(5):
        compile_expression(f'@("memo {number}")')
    assert len(module._MEMO) <= module.MAX_MEMO


def test_an_error_is_remembered_with_its_issues() -> None:
    issues = []
    for _ in range(2):
        with pytest.raises(ExpressionError) as refusal:
            compile_expression("@(nope_again)")
        issues.append(refusal.value.issues)
    assert issues[0] == issues[1] == [(1, 3, "The name 'nope_again' does not exist in the current context")]


def test_a_mixed_value_converts_for_policies(evaluate: Evaluate) -> None:
    assert to_int(evaluate('@("12")')) == 12
    assert to_int(evaluate("@(12L)")) == 12
    assert to_int(evaluate('@(JObject.Parse("{\\"a\\":7}")["a"])')) == 7
    assert to_float(evaluate("@(1.5m)")) == 1.5
    assert to_bool(evaluate('@("True")')) is True
    assert to_bool(evaluate("@(false)")) is False
    assert to_bytes(evaluate('@(Encoding.UTF8.GetBytes("é"))')) == "é".encode()
    assert to_bytes(evaluate('@("é")')) == "é".encode()
    assert to_text(evaluate("@(true)")) == "True"
    assert to_text(None) == ""


@pytest.mark.parametrize(("convert", "value"), [(to_int, "x"), (to_bool, "yes"), (to_int, None), (to_float, "")])
def test_failed_conversions_are_expression_failures(convert: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(ExpressionFailed):
        convert(value)


def test_a_response_in_a_variable(evaluate: Evaluate) -> None:
    from multidict import CIMultiDict

    from proxy.messages import Body, Response

    answer = Response(201, "Created", CIMultiDict({"X-A": "1"}), Body(b'{"k":"v"}'))
    source = (
        '@{ var r = (IResponse)context.Variables["r"]; return r.StatusCode + r.StatusReason + '
        'r.Headers.GetValueOrDefault("x-a") + r.Body.As<JObject>(preserveContent: true)["k"]; }'
    )
    assert evaluate(source, variables={"r": answer}) == "201Created1v"
    assert evaluate('@(context.Variables.GetValueOrDefault<IResponse>("r").StatusCode)', variables={"r": answer}) == 201


def test_trace_is_kept_on_the_exchange() -> None:
    from tests_expressions_setup import make_exchange

    exchange = make_exchange()
    compile_expression('@{ context.Trace("seen"); return 1; }').evaluate(exchange)
    assert exchange.traces == [("context.Trace", "information", "seen", {})]

"""Where compile errors point, what later C# is taken too, and that nothing new runs without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import ExpressionFailed
from proxy.expressions import ExpressionError, compile_expression

Evaluate = Callable[..., Any]


@pytest.mark.parametrize(
    ("source", "line", "column", "part"),
    [
        ('@{\n  var re = "\\d+";\n  return re;\n}', 2, 13, "Unrecognized escape sequence"),
        ("@{\n  return 'GET';\n}", 2, 10, "Too many characters in character literal"),
        ('@{\n  var a = "x;\n  return a;\n}', 2, 11, "Newline in constant"),
        ("@{\n  var a = f(1, (2);\n  return a;\n}", 2, 19, "')' expected"),
        ("@{\n  int x;\n  if (true) { }\n  return x;\n}", 4, 10, "Use of unassigned local variable 'x'"),
        ("@{\n  int F(int n) { if (n > 0) return 1; }\n  return F(1);\n}", 2, 7, "not all code paths return a value"),
        ("@{\n  var l = new List<(int a, int b)> { (1, 2) }; return nope;\n}", 2, 55, "The name 'nope' does not exist"),
        ('@{\n  var s = $"{1}{{{nope}}}";\n  return s;\n}', 2, 19, "The name 'nope' does not exist"),
        ("@{\n  var q = from x in new[] { 1 }\n          select y;\n  return q;\n}", 3, 18, "The name 'y'"),
        ("@{\n  goto end;\n}", 2, 8, "No such label 'end'"),
        ("@{\n  int f(ref int x) => x; int y = 1;\n  return f(y);\n}", 3, 10, "No overload for 'f(int)'"),
        ("@(\n  (context.Request.Method) + nope)", 2, 30, "The name 'nope' does not exist"),
    ],
)
def test_errors_point_at_the_place(source: str, line: int, column: int, part: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(source)
    found = refusal.value.issues[0]
    assert part in found[2]
    assert found[:2] == (line, column)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('@{ using var r = new StringReader("a"); return r.ReadLine(); }', "a"),
        ('@{ var n = 3; return n switch { 1 => "a", 3 => "c", _ => "d" }; }', "c"),
        ('@{ object o = "x"; return o switch { int i when i > 1 => "i", string s => s + "!", _ => "d" }; }', "x!"),
        ("@{ object o = 5; return o is not null && o is not string; }", True),
        ("@{ int x = 5; return x is > 3 and < 10; }", True),
        ("@{ int x = 5; return x is 1 or 5; }", True),
        ('@{ object o = "abc"; return o is string { Length: 3 } t ? t : "no"; }', "abc"),
        ('@{ string s = null; s ??= "d"; return s; }', "d"),
        ("@{ static int F(int n) => n * 2; return F(4); }", 8),
        ('@(@$"a{1}\\")', "a1\\"),
    ],
)
def test_later_syntax_that_means_the_same(evaluate: Evaluate, source: str, value: object) -> None:
    assert evaluate(source) == value


@pytest.mark.parametrize(
    "source",
    [
        "@{ a: goto a; }",
        "@{ switch (1) { case 1: goto case 1; } return 1; }",
        "@{ IEnumerable<int> F() { while (true) yield return 1; } return F().Count(); }",
        "@{ IEnumerable<int> F(int n) { foreach (var x in F(n + 1)) yield return x; } return F(0).Count(); }",
        "@{ int F(int n) => F(n + 1); return F(0); }",
        "@{ int F(int n) => new[] { n }.Sum(x => F(x + 1)); return F(0); }",
        "@{ int F(int n) { try { return F(n + 1); } catch { return 0; } } return F(0); }",
        "@{ Action a = () => { }; for (int i = 0; i < 40; i++) a += a; a(); return 1; }",
        "@{ var m = new int[100000, 100000]; return 1; }",
        "@{ int[] a = null; Array.Resize(ref a, 2000000000); return 1; }",
        "@((from a in Enumerable.Range(0, 99999) from b in Enumerable.Range(0, 99999) select a).Count())",
        '@{ string s = "a"; x: s += s; goto x; }',
    ],
)
def test_nothing_runs_without_end(evaluate: Evaluate, source: str) -> None:
    with pytest.raises(ExpressionFailed, match=r"stopped|Insufficient stack"):
        evaluate(source)


def test_a_generic_function_without_end_is_refused() -> None:
    with pytest.raises(ExpressionError, match="ever more type arguments"):
        compile_expression("@{ int F<T>(T x) => F(new List<T> { x }); return F(1); }")


@pytest.mark.parametrize(
    "source",
    [
        "@(typeof(string).Assembly)",
        "@((1, 2).__class__)",
        "@(new { a = 1 }.items)",
        "@{ int F() => 1; return F.Method; }",
    ],
)
def test_new_values_lead_nowhere(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source)

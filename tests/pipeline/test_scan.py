"""Where expressions end: every C# construct that may hide a bracket or a quote."""

from __future__ import annotations

import pytest

from proxy.pipeline.scan import UnbalancedError, is_expression, scan_expression
from tests.cpu import cpu

SPANS = [
    "@(1)",
    "@{ return 1; }",
    '@("a)b")',
    '@("a\\")b")',
    '@("a\\\\")',
    '@(@"a\\" + ")")',
    '@(@"a"")b" + 1)',
    "@(')' + '\\'' + '\\u0029')",
    "@(x('\"'))",
    "@(1 // )\n)",
    "@{ /* } \" ' */ return 1; }",
    '@($"a{b(")")}c)")',
    '@($"{{)}}{x}")',
    '@($"{$"{")"}"})")',
    "@($\"{d:HH')'mm}\")",
    '@($"{(a ? ")" : "b")}")',
    '@($"{a[")"]}{b}")',
    '@($@"a"")\\{")"}")',
    '@(@$"a"")\\{")"}")',
    '@("http://x" + 1)',
    "@(global::System.Math.Max(1, 2))",
    "@(a[0] < b && c > d)",
    '@(x.As<JObject>()[@"a"] ?? @class)',
    "@(&quot;)&quot; + 1)",
    "@(&quot;\\&quot;)&quot; + 1)",
    "@(&#34;)&#x22; + 1)",
    "@(&apos;)&apos; + &#39;(&#39;)",
    "@($&quot;{x})&quot;)",
    '@(a("x") && As&lt;JObject&gt;() == "&amp;)")',
]


@pytest.mark.parametrize("span", SPANS)
def test_the_whole_span_and_nothing_behind_it(span: str) -> None:
    behind = " \")}]' @(x)"
    assert scan_expression(f"..{span}{behind}", 2) == 2 + len(span)


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("@(a", 1, "never closed"),
        ("@{ a(b ]", 4, "closed by"),
        ('@("a', 2, "string does not end"),
        ('@("a\nb")', 2, "string does not end"),
        ('@(@"a)', 2, "string does not end"),
        ("@(/* a)", 2, "comment does not end"),
        ('@($"a{b)', 5, "closed by"),
        ('@($"a)', 2, "interpolated string does not end"),
    ],
)
def test_what_does_not_end_is_named_with_its_place(text: str, offset: int, what: str) -> None:
    with pytest.raises(UnbalancedError, match=what) as caught:
        scan_expression(text, 0)
    assert caught.value.offset == offset


def test_nesting_is_bounded() -> None:
    with pytest.raises(UnbalancedError, match="too deeply"):
        scan_expression("@(" + '$"{' * 1000, 0)


def test_hostile_text_takes_linear_time() -> None:
    with cpu(2):
        for hostile in (
            '@("' + "\\&quot;" * 20_000,
            "@(" + "('" * 20_000,
            '@(@"' + '""' * 20_000,
            "@(" + "$&quot" * 20_000,
        ):
            with pytest.raises(UnbalancedError):
                scan_expression(hostile, 0)


@pytest.mark.parametrize("text", ["@(a)", "  @{ return 1; }", "\n@(a)\n"])
def test_is_expression(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize("text", ["", "a", "a @(b)", "@a", "@ (a)", "@@(a)"])
def test_is_no_expression(text: str) -> None:
    assert not is_expression(text)

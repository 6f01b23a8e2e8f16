"""JSON, XML and cryptography that ask for too much end soon, whatever their shape."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import ExpressionFailed
from tests.cpu import cpu

SIZE = 150_000
TOKEN, ELEMENT = "@(context.Request.Body.As<JToken>().Type)", "@(context.Request.Body.As<XElement>().Name)"
PATH = '@(JToken.Parse("[1]").SelectTokens(context.Request.Body.As<string>()).Count())'
SECONDS = 2.0  # generous: these are seconds of processor time on any machine, and without a bound they would be minutes


@pytest.mark.parametrize(
    ("source", "body", "message"),
    [
        (TOKEN, "[" + '"a",' * SIZE + "]", ""),
        (TOKEN, "\0" * SIZE, ""),
        (TOKEN, "/*" + "*" * SIZE + "*/{a:1}", ""),
        (TOKEN, "[" * SIZE, "MaxDepth"),
        (ELEMENT, "<a>" + "<b/>" * (SIZE // 4) + "</c>", ""),
        (ELEMENT, "<a>" + "]" * SIZE + "</b>", ""),
        (PATH, "$" + "..a" * SIZE, "more than 256 parts"),
        (PATH, "$[?(" + "@ == 1 && " * SIZE + "@ == 1)]", "more than 256 parts"),
        (PATH, "['" + "x" * SIZE + "']", ""),
    ],
    ids=["array", "nul", "stars", "depth", "tags", "brackets", "scans", "comparisons", "name"],
)
def test_a_long_text(evaluate: Callable[..., Any], source: str, body: str, message: str) -> None:
    with cpu(SECONDS):
        if message:
            with pytest.raises(ExpressionFailed, match=message):
                evaluate(source, body=body, method="POST")
        else:
            with contextlib.suppress(ExpressionFailed):  # it may end either way, but soon
                evaluate(source, body=body, method="POST")


@pytest.mark.parametrize(
    "source",
    [
        '@{ var o = new JObject(); var c = o; while (true) { var n = new JObject(new JProperty("x", 1)); '
        'c["a"] = n; c = n; } }',
        "@{ var a = new JArray(1); while (true) { a.Merge(a.DeepClone()); } }",
        "@{ var o = new JObject(); for (var i = 0; ; i++) { o[i.ToString()] = o; } }",
        "@{ var a = new JArray(Enumerable.Range(0, 50000)); while (a.Count > 0) { a.First.Remove(); } return 1; }",
        '@{ var x = new XElement("a", Enumerable.Range(0, 30000).Select(i => new XElement("b"))); '
        "var n = x.FirstNode; while (n != null) { n = n.NextNode; } return 1; }",
        "@{ var h = SHA256.Create(); var b = new byte[1000000]; while (true) { h.ComputeHash(b); } }",
        '@{ var b = new byte[1000000]; while (true) { b = b.Encrypt("AES", new byte[16], new byte[16]); } }',
    ],
    ids=["chain", "merge", "self", "remove", "next", "hash", "encrypt"],
)
def test_a_loop_over_objects_is_stopped(evaluate: Callable[..., Any], source: str) -> None:
    with cpu(SECONDS), pytest.raises(ExpressionFailed, match="stopped"):
        evaluate(source)


def test_no_rsa_key_is_made(evaluate: Callable[..., Any]) -> None:
    assert evaluate("@(RSA.Create(4096).KeySize)") == 4096
    with pytest.raises(ExpressionFailed, match="makes no RSA keys"):
        evaluate("@(RSA.Create(4096).ToXmlString(false))")

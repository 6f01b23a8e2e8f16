"""Values freeze and thaw: the same kind, the same content, a new object; foreign bytes do no harm."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.cases.world import World, streamed
from proxy.errors import ExpressionFailed
from proxy.expressions import compile_expression
from proxy.expressions.dotnet.json_writer import token_text
from proxy.expressions.dotnet.values import runtime_type
from proxy.messages import Body, Headers, Response
from proxy.pipeline.frozen import Thawless, freeze, thaw


def value_of(code: str) -> Any:
    return compile_expression(f"@({code})").evaluate(World().exchange())


@pytest.mark.parametrize(
    "code",
    [
        '"text"', '""', '"\\ud800 alone"', "1", "-5L", "(byte)7", "'c'", "1.5", "1.5f", "12.30m", "true", "(ulong)5",
        "double.NaN", "new DateTime(2030, 1, 2, 3, 4, 5, DateTimeKind.Utc)", "DateTimeOffset.UtcNow",
        "TimeSpan.FromSeconds(90)", "Guid.NewGuid()", 'new Uri("https://host/a?b=c")', "new byte[] { 1, 2 }",
        'new[] { "a", "b" }', "new List<int> { 1, 2 }", "new List<object> { 1, null, 2L }",
        'new Dictionary<string, int> { { "a", 1 } }', "new List<string[]>()",
    ],
)  # fmt: skip
def test_a_value_thaws_as_what_it_was(code: str) -> None:
    value = value_of(code)
    thawed = thaw(freeze(value))
    assert runtime_type(thawed) is runtime_type(value)
    if hasattr(value, "items"):
        assert list(thawed) == list(value)
    elif value == value:
        assert getattr(thawed, "original", thawed) == getattr(value, "original", value)
    if not isinstance(value, (str, int, float, Decimal)):
        assert thawed is not value


@pytest.mark.parametrize(
    "code",
    [
        'JObject.Parse("{\\"a\\":[1,2.5,\\"x\\",null,true,{\\"b\\":{}}],\\"when\\":\\"2030-01-02T03:04:05Z\\"}")',
        'new JArray("leaf", new JObject())', "new JValue(5)", 'new JProperty("p", new JArray())',
        'new JValue("2030-01-02")', "new JValue(12345678901234567890m)", "JValue.CreateNull()",
    ],
)  # fmt: skip
def test_json_thaws_as_a_new_token(code: str) -> None:
    token = value_of(code)
    thawed = thaw(freeze(token))
    assert thawed is not token
    assert type(thawed) is type(token)
    assert token_text(thawed) == token_text(token)
    for child in thawed.children():
        assert child.parent is thawed


def test_json_inside_knows_its_parents() -> None:
    thawed = thaw(freeze(value_of('new JObject(new JProperty("a", new JObject()))')))
    assert thawed.items["a"].parent is thawed


def test_a_response() -> None:
    response = Response(201, "Made", Headers([("X-A", "1"), ("X-A", "2")]), Body(b"\x00body"))
    thawed = thaw(freeze(response))
    assert (thawed.status, thawed.reason, thawed.body.content()) == (201, "Made", b"\x00body")
    assert thawed.headers.getall("x-a") == ["1", "2"]


def test_what_cannot_be_kept_is_refused_by_name() -> None:
    with pytest.raises(ExpressionFailed, match="IProxyRequestContext"):
        freeze(value_of("context"))
    with pytest.raises(ExpressionFailed, match="IEnumerable"):
        freeze(value_of("new[] { 1 }.Select(n => n)"))
    with pytest.raises(ExpressionFailed, match="not read"):
        freeze(Response(body=Body(stream=streamed(b"x"))))


def test_depth_is_bounded() -> None:
    token = value_of("new JArray()")
    for _ in range(300):
        outer = value_of("new JArray()")
        outer.append(token)
        token = outer
    with pytest.raises(ExpressionFailed, match="deeply"):
        freeze(token)


@given(
    st.binary(max_size=60)
    | st.builds(lambda k, t: k + t.encode(), st.sampled_from([b"s", b"r", b"j", b"b"]), st.text())
)
def test_foreign_bytes_are_a_value_or_thawless(data: bytes) -> None:
    try:
        thaw(data)
    except Thawless:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b'j["os","x"]',
        b'j["List",["NoType"],[]]',
        b'j["json",["leaf",["double","x"]]]',
        b"r\x00\x00\xff\xff[",
        b"j[[]]",
    ],
)
def test_other_bytes_are_thawless(data: bytes) -> None:
    with pytest.raises(Thawless):
        thaw(data)

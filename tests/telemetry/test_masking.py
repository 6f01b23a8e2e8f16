"""What a diagnostic may see of a captured message."""

from __future__ import annotations

import pytest

from telemetry import masking
from telemetry.diagnostics import HIDE, MASK, Capture


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ((), "http://h/p?a=1&B=2&a=3&c"),
        ((("a", MASK),), "http://h/p?a=hidden&B=2&a=hidden&c"),
        ((("b", HIDE),), "http://h/p?a=1&a=3&c"),
        ((("*", HIDE),), "http://h/p"),
        ((("*", MASK),), "http://h/p?a=hidden&B=hidden&a=hidden&c"),
        ((("*", HIDE), ("a", MASK)), "http://h/p?a=hidden&a=hidden"),
    ],
)
def test_query_parameters(masks: masking.Masks, expected: str) -> None:
    assert masking.url("http://h/p?a=1&B=2&a=3&c", masks) == expected


def test_the_name_of_a_parameter_is_read_as_a_server_reads_it() -> None:
    assert masking.url("/p?c%6Fde=1&co%64e=%32", (("code", MASK),)) == "/p?c%6Fde=hidden&co%64e=hidden"
    assert masking.url("/p?", (("*", HIDE),)) == "/p?"


def test_headers_that_were_captured_for_somebody_else_are_not_seen() -> None:
    captured = (("A", "1"), ("b", "2"), ("B", "3"))
    assert masking.headers(captured, Capture()) == []
    assert masking.headers(captured, Capture(("a",))) == [("a", "1")]
    assert masking.headers(captured, Capture(("b", "A"), masked_headers=(("*", HIDE), ("a", MASK)))) == [
        ("A", "hidden")
    ]


def test_a_body_is_cut_at_a_character() -> None:
    euro = "€".encode()
    assert masking.body(euro * 3, Capture(body=9)) == "€€€"
    assert masking.body(euro * 3, Capture(body=8)) == "€€"
    assert masking.body(euro * 3, Capture(body=7)) == "€€"
    assert masking.body(b"\xff\xfe", Capture(body=10)) == "\ufffd\ufffd"
    assert masking.body(b"\xff\xfe\xfd\xfc\xfb", Capture(body=5)) == "\ufffd" * 5

"""Named values: put in as text, and every place is the author's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.pipeline.source import Source, substitute, unresolved
from tests.cpu import cpu


def test_replaced_anywhere_and_once() -> None:
    source = substitute("<{{a}} b='{{c.d_e-f}}'>@({{a}})</{{a}}>", {"a": "x", "c.d_e-f": "{{a}}"})
    assert source.text == "<x b='{{a}}'>@(x)</x>"
    assert source.used == {"a", "c.d_e-f"}


def test_unknown_names_are_listed_with_their_place() -> None:
    source = substitute("{{known}}\n  {{nope}}", {"known": "long long value"})
    assert source.unknown == ((12, "nope"),)
    assert source.place_of_original(12) == (2, 3)
    assert source.used == {"known", "nope"}


def test_the_element_of_a_place() -> None:
    source = substitute("<a><set-header name='{{x}}'><value>{{y}}</value>{{z", {})
    assert [source.element_of_original(source.original.index(each)) for each in ("{{x", "{{y", "<a")] == [
        "set-header",
        "value",
        "",
    ]


def test_liquid_outputs_are_no_named_values() -> None:
    text = '<a>{{x}}<set-body template="liquid">{{body.name}} {{known}}</set-body>{{y}}</a>'
    source = substitute(text, {"known": "k"})
    assert [name for _, name in source.unknown] == ["x", "y"]
    assert "{{body.name}} k" in source.text


def test_braces_of_code_stay() -> None:
    text = "@{ if (a) {{ b(); }} }"
    assert substitute(text, {"b": "x"}) == Source(text, text)


def test_byte_order_mark_is_dropped() -> None:
    assert substitute("\ufeff<a/>", {}).text == "<a/>"


def test_unresolved() -> None:
    assert unresolved("a{{b}}")
    assert not unresolved("{{ b }}")


names = st.sampled_from(["a", "bb", "c-1"])
pieces = st.lists(st.one_of(st.text("xy\n<>{", max_size=6), names.map(lambda name: "{{" + name + "}}")), max_size=12)


@given(pieces, st.dictionaries(names, st.text("pq\n", max_size=9)))
def test_what_was_not_replaced_keeps_its_place(parts: list[str], values: dict[str, str]) -> None:
    original = "".join(parts)
    source = substitute(original, values)
    for offset, character in enumerate(source.text):
        came_from = source.original_offset(offset)
        line, column = source.place(offset)
        assert original.split("\n")[line - 1][column - 1 : column] in (original[came_from], "")
        assert character == original[came_from] or original.startswith("{{", came_from)


def test_templates_without_an_end_take_linear_time() -> None:
    text = '<set-body template="liquid">{{a}}' * 10_000
    with cpu(2):
        source = substitute(text, {})
    assert len(source.unknown) == 10_000

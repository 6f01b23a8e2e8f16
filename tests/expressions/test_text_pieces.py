"""Large texts are replaced, split, searched and compared in pieces: as if it were done at once."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.expressions.dotnet import convert, culture, regex, searching, splitting
from proxy.expressions.operators import compare_text
from proxy.expressions.runtime import BudgetExhausted, budget

TEXT, PART = st.text("ab", max_size=60), st.text("ab", min_size=1, max_size=5)
IGNORING, WITHOUT_EMPTY = 5, 1
often = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (searching, splitting):
        monkeypatch.setattr(module, "_PIECE", 4)
    monkeypatch.setattr(searching, "_LONG_SEARCH", 0)
    monkeypatch.setattr(searching, "_MATCHES", 2)
    monkeypatch.setattr(culture, "PIECE", 4)
    monkeypatch.setattr(convert, "_PIECE", 6)
    budget.reset()


@often
@given(TEXT, PART, st.text("abc", max_size=3))
def test_replaced(small: None, text: str, old: str, new: str) -> None:
    budget.reset()
    assert searching.replace(text, old, new) == text.replace(old, new)
    assert searching._replace_with(text, old.upper(), new, IGNORING) == text.replace(old, new)


@often
@given(TEXT, PART, st.integers(1, 8))
def test_split_at_one(small: None, text: str, separator: str, count: int) -> None:
    budget.reset()
    assert list(splitting.split(text, separator)) == text.split(separator)
    assert list(splitting.split(text, separator, count)) == text.split(separator, count - 1)
    kept = [each for each in text.split(separator) if each]
    assert list(splitting.split(text, separator, options=WITHOUT_EMPTY)) == kept


@often
@given(TEXT, st.lists(PART, min_size=2, max_size=4))
def test_split_at_several(small: None, text: str, separators: list[str]) -> None:
    budget.reset()
    parts, place = [], 0
    while found := [(at, n) for n, each in enumerate(separators) if (at := text.find(each, place)) >= 0]:
        at, n = min(found)
        parts.append(text[place:at])
        place = at + len(separators[n])
    assert list(splitting.split(text, separators)) == [*parts, text[place:]]


@often
@given(TEXT, PART)
def test_found(small: None, text: str, part: str) -> None:
    budget.reset()
    assert searching.find_last(text, part) == text.rfind(part)
    assert searching.find(text, ["c", "b"]) == text.find("b")
    assert searching._find_last_char(text, ["c", "b"]) == text.rfind("b")


@often
@given(*[st.text("ab\uffff\U00010000", max_size=20)] * 2)
def test_compared(small: None, one: str, two: str) -> None:
    budget.reset()
    left, right = (text.encode("utf-16-be") for text in (one, two))
    order = (left > right) - (left < right)
    assert compare_text(one * 40, one * 39 + two) == order
    assert _sign(compare_text(one, two)) == _sign(culture.compare_folded(one, two)) == order


@often
@given(st.binary(max_size=40))
def test_base64(small: None, data: bytes) -> None:
    budget.reset()
    assert convert.to_base64(data) == base64.b64encode(data).decode()


def test_what_grows_too_much_is_refused() -> None:
    for replaced in (searching.replace, lambda *texts: searching._replace_with(*texts, IGNORING)):
        budget.reset()
        with pytest.raises(BudgetExhausted, match="was stopped"):
            replaced("a" * 9_000_000, "a", "bb")


def test_many_parts_are_no_reason_to_stop() -> None:
    """What is charged grows with the text, not with its square."""
    budget.reset()
    assert len(splitting.split("a," * 2_000 + "a" * 2_000_000, ",", options=WITHOUT_EMPTY)) == 2_001
    budget.reset()
    assert regex.replace(regex.pattern_of(","), "a," * 1_000, ";" * 200) == f"a{';' * 200}" * 1_000


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)

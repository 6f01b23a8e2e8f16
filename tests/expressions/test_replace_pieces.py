"""Replace in large texts, which is made in pieces: as if it were made at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.expressions.dotnet import searching
from proxy.expressions.runtime import BudgetExhausted, budget


@given(st.text("ab", max_size=60), st.text("ab", min_size=1, max_size=5), st.text("abc", max_size=3))
def test_as_at_once(text: str, old: str, new: str) -> None:
    before, searching._PIECE = searching._PIECE, 4
    budget.reset()
    try:
        assert searching.replace(text, old, new) == text.replace(old, new)
    finally:
        searching._PIECE = before


def test_what_grows_too_much_is_refused() -> None:
    budget.reset()
    with pytest.raises(BudgetExhausted, match="was stopped"):
        searching.replace("a" * 9_000_000, "a", "bb")

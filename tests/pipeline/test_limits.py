"""Names of counters: bounded, and text for every process, whatever a key is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.pipeline.limits import LONGEST_KEY, counter_name


@given(st.text(max_size=40) | st.text(st.characters(codec="utf-8"), max_size=4))
def test_a_short_key_is_its_own_name(key: str) -> None:
    assert counter_name("a", key).encode() == b"a/" + key.encode("utf-8", "replace")


@pytest.mark.parametrize("end", ["", "é", "\udcff", "\0"])
def test_long_keys_are_bounded_and_apart(end: str) -> None:
    names = {counter_name("a", each * 1_000_000 + end) for each in ("k", "l", "\udcfe")}
    assert len(names) == 3
    assert max(map(len, names)) < LONGEST_KEY
    assert all(each.isascii() for each in names)

"""Tokens as they come off the wire: whatever bytes a header holds, the answer is yes or no."""

from __future__ import annotations

import datetime

import pytest

from management.keys import TokenRefused, same, verify

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("token", ["gw&209901010000&\udcff", "\udcff&209901010000&AAAA", "gw&209901010000&é"])
def test_bytes_that_are_no_text_are_a_wrong_token(token: str) -> None:
    with pytest.raises(TokenRefused):
        verify(token, "gw", ["one", "two"], NOW)


def test_bytes_that_are_no_text_are_a_wrong_secret() -> None:
    assert not same("\udcff", "secret")
    assert same("\udcff", "\udcff")

"""The renewal of the gateway token: whatever goes wrong with it, the house stands."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from passerelle.commands import up
from passerelle.plane import PlaneError


@pytest.mark.parametrize("problem", [PlaneError(0, "away"), OSError(28, "No space left on device")])
def test_a_renewal_that_fails_is_tried_again_in_an_hour(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(up.time, "time", lambda: now)
    tried: list[float] = []
    said: list[str] = []

    def write_token(*_: Any) -> None:
        tried.append(now)
        raise problem

    monkeypatch.setattr(up, "write_token", write_token)
    voice: Any = SimpleNamespace(say=lambda text, style: said.append(text))
    plan: Any = None
    renewal = up.TokenRenewal(plan, plan, voice)
    renewal()
    assert not tried
    now += up.TOKEN_RENEWAL + 1
    renewal()
    renewal()
    assert len(tried) == len(said) == 1
    now += up.TOKEN_RETRY
    renewal()
    assert len(tried) == 2

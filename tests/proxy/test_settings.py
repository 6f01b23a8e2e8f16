"""Settings, and the trace context of a request."""

from __future__ import annotations

import pytest

from proxy.settings import SettingError, Settings
from proxy.traceparent import trace_context


def test_defaults_and_durations() -> None:
    settings = Settings.read({})
    assert (settings.host, settings.port, settings.workers, settings.drain_timeout) == ("0.0.0.0", 8080, 1, 30.0)
    assert settings.instance.endswith(":8080")
    assert not settings.lenient
    assert Settings.read({"policy.check": "Lenient"}).lenient
    for text, seconds in (("00:01:30", 90.0), ("5", 5.0), ("1.00:00:01", 86401.0), ("0.5", 0.5)):
        assert Settings.read({"net.server.drain.timeout": text}).drain_timeout == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.server.http.port", "99999"),
        ("net.server.http.port", "x"),
        ("proxy.workers", "0"),
        ("net.server.drain.timeout", "soon"),
        ("policy.check", "lax"),
        ("net.server.drain.timeout", "-1"),
        ("net.server.http.forwarded.proto.enabled", "yes"),
        ("telemetry.logs.std", "xml"),
        ("telemetry.logs.std.level", "loud"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingError) as wrong:
        Settings.read({name: value})
    assert name in str(wrong.value)
    assert repr(value) in str(wrong.value)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01-x",
    ],
)
def test_a_malformed_trace_context_begins_a_new_trace(header: str | None) -> None:
    context = trace_context(header)
    assert context.parent == ""
    assert len(context.trace) == 32


def test_a_later_version_of_the_trace_context_is_continued() -> None:
    assert trace_context(f"01-{'a' * 32}-{'b' * 16}-00-more") == ("a" * 32, "b" * 16, "00")

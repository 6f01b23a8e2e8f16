import pytest

from telemetry import redact


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/x?subscription-key=abc&y=1", "http://a/x?subscription-key=REDACTED&y=1"),
        ("http://a/x?y=1&Subscription-Key=abc#f", "http://a/x?y=1&Subscription-Key=REDACTED#f"),
        ("http://a/x?sig=a%26b&design=1", "http://a/x?sig=REDACTED&design=1"),
        ("http://a/sig=1", "http://a/sig=1"),
        ("http://a/x?mysig=1", "http://a/x?mysig=1"),
    ],
)
def test_secret_parameters(url: str, expected: str) -> None:
    assert redact.url(url) == expected

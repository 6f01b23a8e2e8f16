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


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a/b?Reset-Token=x&page=2", "http://a/b?Reset-Token=REDACTED&page=2"),
        ("http://a/b?code=x#f", "http://a/b?code=REDACTED#f"),
        ("http://a/b?x=1&authKey=a&sas=b", "http://a/b?x=1&authKey=REDACTED&sas=REDACTED"),
        ("http://a/token=b?barcode=7", "http://a/token=b?barcode=7"),
        ("http://a/b", "http://a/b"),
    ],
)
def test_pages_show_no_value_whose_name_speaks_of_a_secret(url: str, shown: str) -> None:
    assert redact.shown_url(url) == shown

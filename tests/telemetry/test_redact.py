import pytest

from telemetry import redact


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/x?subscription-key=abc&y=1", "http://a/x?subscription-key=REDACTED&y=1"),
        ("http://a/x?y=1&Subscription-Key=abc#f", "http://a/x?y=1&Subscription-Key=REDACTED#f"),
        ("http://a/x?sig=a%26b&design=1", "http://a/x?sig=REDACTED&design=1"),
        ("http://a/x?passwd=a&Pwd=b&password=c", "http://a/x?passwd=REDACTED&Pwd=REDACTED&password=REDACTED"),
        ("http://a/x?pwd=b&page=2", "http://a/x?pwd=REDACTED&page=2"),
        ("http://a/x?passphrase=b", "http://a/x?passphrase=REDACTED"),
        ("http://a/x?refresh_token=a&secret=b", "http://a/x?refresh_token=REDACTED&secret=REDACTED"),
        ("http://a/x?client_assertion=a", "http://a/x?client_assertion=REDACTED"),
        ("http://a/x?X-Amz-Security-Token=a", "http://a/x?X-Amz-Security-Token=REDACTED"),
        ("http://a/x?passenger=a&token_type=b", "http://a/x?passenger=a&token_type=b"),
        ("http://a/sig=1", "http://a/sig=1"),
        ("http://a/x?%73ubscription-key=abc&y=%41", "http://a/x?%73ubscription-key=REDACTED&y=%41"),
        ("http://a/x?subscription%2Dkey=abc", "http://a/x?subscription%2Dkey=REDACTED"),
        ("http://a/x?subscription%252Dkey=abc", "http://a/x?subscription%252Dkey=REDACTED"),
        ("http://a/x?a=1;api_key=abc", "http://a/x?a=1;api_key=REDACTED"),
        ("http://a/x?code=abc&barcode=1&zip-code=2", "http://a/x?code=REDACTED&barcode=1&zip-code=2"),
        (
            "http://a/x?x-functions-key=abc&keyword=1&page_token=2",
            "http://a/x?x-functions-key=REDACTED&keyword=1&page_token=2",
        ),
        ("http://a/x?auth[token]=abc", "http://a/x?auth[token]=REDACTED"),
        ("https://user:pw@a/x?b=1", "https://a/x?b=1"),
        ("http://a/x@y?b=1@2", "http://a/x@y?b=1@2"),
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

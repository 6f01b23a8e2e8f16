"""`Url.parse`: what configuration, policies and backends write becomes an address that can stand on the wire."""

from __future__ import annotations

import pytest

from proxy.messages import Url


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (" https://A.test ", "https://a.test/"),
        ("http://a:8080/b/%2F?x=1&y#z", "http://a:8080/b/%2F?x=1&y"),
        ("http://u:p@a/b c HTTP/1.0", "http://a/b%20c%20HTTP/1.0"),
        ("http://a/é?q=é d", "http://a/%C3%A9?q=%C3%A9%20d"),
        ("WS://[::1]:81/x", "ws://[::1]:81/x"),
        ("http://[::1", None),
        ("http://a:99999/", None),
        ("http://a:x/", None),
        ("ftp://a/", None),
        ("http:///x", None),
        ("/x", None),
        ("", None),
    ],
)
def test_parse(text: str, written: str | None) -> None:
    found = Url.parse(text)
    assert (str(found) if found else None) == written

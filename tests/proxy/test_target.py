"""The canonical target: what is normalised, what is refused, and that doing it twice changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.target import canonical, canonical_path, valid_host


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b?x=%2f&y", "/a/b", "x=%2f&y"),
        ("/a/../secret", "/secret", ""),
        ("/a/./b/.", "/a/b/", ""),
        ("/a/%2e%2e/secret", "/secret", ""),
        ("/a/%252e%252e/secret", "/a/%252e%252e/secret", ""),
        ("/a%2fb", "/a%2Fb", ""),
        ("/%7euser/%c3%a9", "/~user/%C3%A9", ""),
        ("/a{b}|c", "/a%7Bb%7D%7Cc", ""),
        ("/.well-known/x", "/.well-known/x", ""),
        ("/a/..b/c..", "/a/..b/c..", ""),
        ("/a//b", "/a//b", ""),
        ("http://real.test/ok?q", "/ok", "q"),
        ("http://real.test", "/", ""),
        ("/a?b?c", "/a", "b?c"),
    ],
)
def test_normalised(raw: str, path: str, query: str) -> None:
    target = canonical(raw)
    assert (target.path, target.query) == (path, query)


@pytest.mark.parametrize(
    "raw",
    [
        "/a%00b",
        "/a%0d%0ab",
        "/a%5cb",
        "/a\\b",
        "/a%zz",
        "/a%2",
        "/..",
        "/a/../../b",
        "/a/..;x/b",
        "/a/..%2fb",
        "/a/%2e%2e%2fb",
        "/a#b",
        "/a?b#c",
        "/é",
        "/a b",
        "*",
        "a/b",
        "@host/",
        "ftp://x/",
        "http://u@h/",
        "http:///x",
        "/a/.;x/b",
        "/a%2F..",
    ],
)
def test_refused(raw: str) -> None:
    with pytest.raises(BadRequest):
        canonical(raw)


@given(st.text(alphabet="ab.%/2eEfF5cC0;=~{é ", max_size=24))
def test_canonical_is_stable_and_has_no_dot_segments(text: str) -> None:
    try:
        once = canonical_path("/" + text)
    except BadRequest:
        return
    assert canonical_path(once) == once
    assert not {".", ".."} & set(once.split("/"))
    assert once.isascii()
    assert once.startswith("/")


@pytest.mark.parametrize("host", ["a", "a.test:80", "[::1]:8080", "10.0.0.1", "a_b", "a:65535"])
def test_valid_hosts(host: str) -> None:
    assert valid_host(host)


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "u@h", "a,b", "a:99999", "a:", "a/b", "a:8a", "[::1", "a" * 300, "a\n"]
)
def test_invalid_hosts(host: str) -> None:
    assert not valid_host(host)

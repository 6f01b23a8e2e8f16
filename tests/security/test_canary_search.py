"""The search for planted secrets finds them in every form; else its zeros would mean nothing."""

from __future__ import annotations

import base64
import gzip
import html
import json
import urllib.parse
import zlib

import pytest

from tests.security.canary import Canaries

VALUE = 'a"b\\c/+= é'


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize(
    "form",
    [
        lambda text: text.encode(),
        lambda text: text.upper().encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"="),
        lambda text: base64.encodebytes(text[:40].encode()).replace(b"\n", b""),
        lambda text: text.encode().hex().encode(),
        lambda text: urllib.parse.quote(text, safe="").encode(),
        lambda text: urllib.parse.quote(base64.b64encode(text.encode())).encode(),
        lambda text: json.dumps(json.dumps(text)).encode(),
        lambda text: html.escape(text).encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: gzip.compress(text.encode()),
        lambda text: b"head" + gzip.compress(b"x" * 100_000 + base64.b64encode(text.encode())) + b"tail",
        lambda text: zlib.compress(text.encode()),
    ],
)
def test_a_planted_secret_is_found(form: object, offset: int) -> None:
    canaries = Canaries()
    value = canaries.plant("one", "x" * offset, VALUE)
    canaries.plant("two")
    assert callable(form)
    assert [hit.name for hit in canaries.hits("here", form(value))] == ["one"]
    assert canaries.hits("here", form(value), known=["one"]) == []
    assert canaries.hits("here", b"nothing of it: c4n") == []

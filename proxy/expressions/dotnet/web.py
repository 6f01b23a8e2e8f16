"""System.Net.WebUtility."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import name2codepoint
from typing import Any
from urllib.parse import quote_from_bytes, quote_plus, unquote_plus, unquote_to_bytes

from proxy.expressions.dotnet import enums  # noqa: F401
from proxy.expressions.dotnet.convert import BYTE
from proxy.expressions.dotnet.values import Array
from proxy.expressions.runtime import allocate, argument_null, in_pieces, out_of_range
from proxy.expressions.table import define, members


def _optional(function: Callable[[str], str]) -> Callable[[str | None], str | None]:
    return lambda text: None if text is None else function(text)


def _url_encode(text: str) -> str:
    allocate(len(text) * 3)
    return in_pieces(lambda part: quote_plus(part, safe="-_.!*()"), text).replace("~", "%7E")


_HTML = re.compile(r"[\u00a0-\u00ff]|[\U00010000-\U0010ffff]")


def _html_encode(text: str) -> str:
    allocate(len(text) * 5)
    made = (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )
    allocate(len(made))
    return in_pieces(lambda part: _HTML.sub(lambda m: f"&#{ord(m[0])};", part), made)


_ENTITY = re.compile(r"&(?:#(\d{1,10})|#[xX]([0-9a-fA-F]{1,8})|(\w{1,8}));", re.ASCII)


def _entity(match: re.Match[str]) -> str:
    """A number of a character, or a name of HTML 4; what is neither stays."""
    digits, hexadecimal, name = match.groups()
    if name:
        code = 39 if name == "apos" else name2codepoint.get(name, -1)
    else:
        code = int(digits) if digits else int(hexadecimal, 16)
    known = 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if known else match[0]


def _part(data: Any, offset: int, count: int) -> bytes:
    if data is None:
        argument_null("bytes")
    if offset < 0 or offset > len(data):
        out_of_range("Specified argument was out of the range of valid values.", "offset")
    if count < 0 or offset + count > len(data):
        out_of_range("Specified argument was out of the range of valid values.", "count")
    return bytes(data[offset : offset + count])


def _bytes_encoded(data: Any, offset: int, count: int) -> Array:
    made = quote_from_bytes(_part(data, offset, count), safe="-_.!*() ").replace(" ", "+").replace("~", "%7E")
    return Array(BYTE, made.encode())


def _bytes_decoded(data: Any, offset: int, count: int) -> Array:
    return Array(BYTE, unquote_to_bytes(_part(data, offset, count).replace(b"+", b" ")))


WEB = define("WebUtility", "System.Net.WebUtility", kind="static")
members(
    WEB,
    {
        "static string? UrlEncode(string value)": _optional(_url_encode),
        "static string? UrlDecode(string encodedValue)": _optional(unquote_plus),
        "static string? HtmlEncode(string value)": _optional(_html_encode),
        "static string? HtmlDecode(string value)": _optional(lambda text: _ENTITY.sub(_entity, text)),
        "static byte[] UrlEncodeToBytes(byte[] value, int offset, int count)": _bytes_encoded,
        "static byte[] UrlDecodeToBytes(byte[] encodedValue, int offset, int count)": _bytes_decoded,
    },
)

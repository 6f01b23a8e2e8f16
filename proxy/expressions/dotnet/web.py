"""Uri and WebUtility."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

from proxy.expressions.dotnet import enums
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import DotNetError, allocate, argument_null, in_pieces, invalid_operation
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import type_of_name

_PORTS = {"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}
_SAFE = "-_.~"


class Uri:
    """System.Uri: absolute, or relative (most members then throw). `original` is the text it was made of."""

    __slots__ = ("absolute", "fragment", "host", "original", "path", "port", "query", "scheme", "user")

    def __init__(self, text: str | None, *, relative: bool = False) -> None:
        if text is None:
            argument_null("uriString")
        self.original = text
        trimmed = text.strip()
        self.absolute = bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", trimmed))
        if not self.absolute:
            if not relative:
                kind = "The URI is empty." if not trimmed else "The format of the URI could not be determined."
                raise DotNetError("System.UriFormatException", f"Invalid URI: {kind}")
            self.scheme = self.host = self.path = self.query = self.fragment = self.user = ""
            self.port = -1
            return
        try:
            parts = urlsplit(trimmed)
            port = parts.port
        except ValueError:
            raise DotNetError("System.UriFormatException", "Invalid URI: Invalid port specified.") from None
        self.scheme = parts.scheme.lower()
        if self.scheme in _PORTS and not parts.hostname:
            raise DotNetError("System.UriFormatException", "Invalid URI: The hostname could not be parsed.")
        self.host = (parts.hostname or "").lower()
        self.user = parts.netloc.rpartition("@")[0]
        self.port = port if port is not None else _PORTS.get(self.scheme, -1)
        self.path = _escaped(_dots(parts.path)) or ("/" if self.scheme in _PORTS else "")
        self.query = f"?{_escaped(parts.query)}" if "?" in trimmed.split("#")[0] and parts.query else ""
        self.fragment = f"#{_escaped(parts.fragment)}" if parts.fragment else ""

    def authority(self) -> str:
        return self.host if self.default_port() else f"{self.host}:{self.port}"

    def default_port(self) -> bool:
        return self.port == _PORTS.get(self.scheme, -1)

    def absolute_uri(self) -> str:
        if not self.absolute:
            invalid_operation("This operation is not supported for a relative URI.")
        user = f"{self.user}@" if self.user else ""
        separator = "://" if self.host or self.scheme in _PORTS else ":"
        return f"{self.scheme}{separator}{user}{self.authority()}{self.path}{self.query}{self.fragment}"

    def text(self) -> str:
        """ToString(): as AbsoluteUri, with harmless escapes decoded."""
        if not self.absolute:
            return self.original
        return re.sub(r"(?:%[0-9A-Fa-f]{2})+", _soft, self.absolute_uri())


def _soft(match: re.Match[str]) -> str:
    text = unquote(match[0], errors="strict") if _utf8(match[0]) else match[0]
    return match[0] if any(char in "%#?/\\@&=+:;,$" or ord(char) < 32 for char in text) else text


def _utf8(text: str) -> bool:
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _dots(path: str) -> str:
    made: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if len(made) > 1:
                made.pop()
        elif segment != ".":
            made.append(segment)
    if path.endswith(("/.", "/..")):
        made.append("")
    return "/".join(made)


def _escaped(text: str) -> str:
    return quote(text, safe="%!$&'()*+,;=:@/?-._~[]")


stands_for(Uri, "Uri")
TEXTS[Uri] = Uri.text
URI = define("Uri", "System.Uri")


def _need(uri: Uri) -> Uri:
    if not uri.absolute:
        invalid_operation("This operation is not supported for a relative URI.")
    return uri


def _join(base: Uri, relative: Any) -> Uri:
    from urllib.parse import urljoin

    return Uri(urljoin(_need(base).absolute_uri(), relative.original if isinstance(relative, Uri) else relative))


def _left(uri: Uri, part: Any) -> str:
    head = f"{_need(uri).scheme}://"
    who = (f"{uri.user}@" if uri.user else "") + uri.authority()
    pieces = [
        head,
        head + who,
        head + who + uri.path,
        head + who + uri.path + uri.query,
    ]
    return pieces[int(part)]


def _segments(uri: Uri) -> Array:
    return Array(type_of_name("string"), re.findall(r"[^/]*/|[^/]+", _need(uri).path))


def escape(text: str | None) -> str:
    """Uri.EscapeDataString."""
    if text is None:
        argument_null("stringToEscape")
    allocate(len(text) * 3)
    return in_pieces(lambda part: quote(part, safe=_SAFE), text)


def unescape(text: str | None) -> str:
    if text is None:
        argument_null("stringToUnescape")
    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", lambda m: unquote(m[0]) if _utf8(m[0]) else m[0], text)


def _try_create(text: str | None, kind: int) -> tuple[bool, Uri | None]:
    try:
        made = Uri(text, relative=kind != 1)
    except DotNetError:
        return False, None
    if kind == 2 and made.absolute:
        return False, None
    return True, made


enums.enumeration("UriKind", "System.UriKind", {"RelativeOrAbsolute": 0, "Absolute": 1, "Relative": 2})
members(
    URI,
    {
        "new(string uriString)": Uri,
        "new(string uriString, UriKind kind)": lambda text, kind: Uri(text, relative=int(kind) != 1),
        "new(Uri baseUri, string relativeUri)": _join,
        "new(Uri baseUri, Uri relativeUri)": _join,
        "string Scheme": lambda uri: _need(uri).scheme,
        "string Host": lambda uri: _need(uri).host,
        "string DnsSafeHost": lambda uri: _need(uri).host,
        "int Port": lambda uri: _need(uri).port,
        "string Authority": lambda uri: _need(uri).authority(),
        "string AbsolutePath": lambda uri: _need(uri).path,
        "string LocalPath": lambda uri: unquote(_need(uri).path),
        "string Query": lambda uri: _need(uri).query,
        "string Fragment": lambda uri: _need(uri).fragment,
        "string UserInfo": lambda uri: _need(uri).user,
        "string PathAndQuery": lambda uri: _need(uri).path + uri.query,
        "string AbsoluteUri": Uri.absolute_uri,
        "string OriginalString": attribute("original"),
        "string[] Segments": _segments,
        "bool IsAbsoluteUri": attribute("absolute"),
        "bool IsDefaultPort": lambda uri: _need(uri).default_port(),
        "bool IsFile": lambda uri: _need(uri).scheme == "file",
        "bool IsLoopback": lambda uri: _need(uri).host in ("localhost", "127.0.0.1", "[::1]"),
        "string GetLeftPart(UriPartial part)": _left,
        "string ToString()": Uri.text,
        "static string EscapeDataString(string value)": escape,
        "static string UnescapeDataString(string value)": unescape,
        "static string EscapeUriString(string value)": lambda text: quote(text, safe="!#$&'()*+,/:;=?@[]-._~"),
        "static bool TryCreate(string uriString, UriKind kind, out Uri result)": lambda t, k: _try_create(t, int(k)),
        "static bool IsWellFormedUriString(string uriString, UriKind kind)": lambda t, k: _try_create(t, int(k))[0],
        "implicit JToken(Uri value)": lambda uri: _token(uri),
    },
)


def _token(uri: Uri) -> Any:
    from proxy.expressions.dotnet.json_tokens import JValue

    return JValue(uri)


def _optional(function: Any) -> Any:
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


WEB = define("WebUtility", "System.Net.WebUtility", kind="static")
members(
    WEB,
    {
        "static string? UrlEncode(string value)": _optional(_url_encode),
        "static string? UrlDecode(string value)": _optional(lambda text: unquote_plus(text)),
        "static string? HtmlEncode(string value)": _optional(_html_encode),
        "static string? HtmlDecode(string value)": _optional(html.unescape),
    },
)

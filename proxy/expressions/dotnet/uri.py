"""System.Uri."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

from proxy.expressions.dotnet import enums
from proxy.expressions.dotnet.text import TEXTS
from proxy.expressions.dotnet.values import Array, stands_for
from proxy.expressions.runtime import (
    DotNetError,
    allocate,
    argument,
    argument_null,
    in_pieces,
    invalid_operation,
    out_of_range,
)
from proxy.expressions.table import attribute, constant, define, members
from proxy.expressions.types import type_of_name

_PORTS = {
    "http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443, "gopher": 70, "nntp": 119, "telnet": 23, "ldap": 389,
    "net.tcp": 808, "mailto": 25, "net.pipe": -1,
}  # fmt: skip
# schemes that need //host
_HOSTED = ("http", "https", "ftp", "ws", "wss", "gopher", "telnet", "net.tcp", "net.pipe")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_PARTS = re.compile(r"(?://([^/?#\\]*))?([^?#]*)(\?[^#]*)?(#.*)?", re.S)
_NAME = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?")
_LITERAL = re.compile(r"\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]", re.ASCII)
_LEGAL = re.compile(r"(?:[\w\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_SAFE = "-_.~"
enums.enumeration("UriKind", "System.UriKind", {"RelativeOrAbsolute": 0, "Absolute": 1, "Relative": 2})
enums.enumeration(
    "UriHostNameType", "System.UriHostNameType", {"Unknown": 0, "Basic": 1, "Dns": 2, "IPv4": 3, "IPv6": 4}
)
_HOST_TYPE = type_of_name("UriHostNameType")


def _bad(why: str) -> DotNetError:
    return DotNetError("System.UriFormatException", f"Invalid URI: {why}")


_NO_HOST = "The hostname could not be parsed."
_RELATIVE = "A relative URI cannot be created because the 'uriString' parameter represents an absolute URI."


class Uri:
    """Absolute, or relative (most members then throw). `original` is the text it was made of; `kind` a UriKind."""

    __slots__ = ("absolute", "fragment", "host", "original", "path", "port", "query", "rooted", "scheme", "user")

    def __init__(self, text: str | None, kind: Any = 1) -> None:
        if text is None:
            argument_null("uriString")
        self.original = text
        trimmed = text.strip()
        scheme = _SCHEME.match(trimmed)
        self.scheme = self.host = self.path = self.query = self.fragment = self.user = ""
        self.port = -1
        # whether a host, or the place for one, stands before the path
        self.rooted = False
        self.absolute = scheme is not None and not (int(kind) == 2 and len(scheme[1]) == 1 and trimmed[2:3] == "\\")
        if scheme is not None and int(kind) != 1 and scheme[1].lower() in _HOSTED:
            self.absolute = trimmed[scheme.end() : scheme.end() + 2] in ("//", "\\\\", "/\\", "\\/")
        if self.absolute:
            assert scheme is not None
            self._read(trimmed, scheme)
            if int(kind) == 2:
                raise DotNetError("System.UriFormatException", _RELATIVE)
        elif int(kind) == 1:
            if not trimmed:
                raise _bad("The URI is empty.")
            odd = re.match(r"[^/?#:]+:", trimmed)
            raise _bad("The URI scheme is not valid." if odd else "The format of the URI could not be determined.")

    def _read(self, text: str, scheme: re.Match[str]) -> None:
        self.scheme = scheme[1].lower()
        rest = text[scheme.end() :]
        if len(self.scheme) == 1:
            if rest[:1] not in ("/", "\\"):
                raise _bad("A Dos path must be rooted, for example, 'c:\\\\'.")
            self.scheme, rest = "file", f"///{text}"
        if self.scheme in _PORTS or self.scheme == "file":
            head, mark, tail = rest.partition("?")
            rest = head.replace("\\", "/") + mark + tail
        parts = _PARTS.fullmatch(rest)
        assert parts is not None
        authority, path, query, fragment = parts.groups()
        self.rooted = authority is not None
        if self.scheme in _HOSTED and authority is None:
            raise _bad("The Authority/Host could not be parsed.")
        self.port = _PORTS.get(self.scheme, -1)
        if self.scheme == "mailto":
            self.user, _, self.host = path.rpartition("@")
            path = ""
        elif authority is not None:
            self._authority(authority)
        if self.scheme == "file":
            path = re.sub(r"^/([A-Za-z]:)", r"\1", path)
        self.path = _escaped(_dots(path) if self.rooted else path)
        if not self.path and self.rooted and self.scheme in _HOSTED:
            self.path = "/"
        self.query = _escaped(query or "")
        self.fragment = _escaped(fragment or "")

    def _authority(self, text: str) -> None:
        self.user, _, host = text.rpartition("@")
        found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", host)
        if found is None:
            raise _bad(_NO_HOST)
        name, port = found[1], found[2]
        if port:
            if not (port.isascii() and port.isdigit() and int(port) < 65536):
                raise _bad("Invalid port specified.")
            self.port = int(port)
        if not name:
            if self.scheme in _HOSTED:
                raise _bad(_NO_HOST)
        elif not (_LITERAL.fullmatch(name) if name[0] == "[" else _NAME.fullmatch(name)):
            raise _bad(_NO_HOST)
        self.host = name.lower()

    def authority(self) -> str:
        return self.host if self.default_port() else f"{self.host}:{self.port}"

    def default_port(self) -> bool:
        return self.port == _PORTS.get(self.scheme, -1)

    def absolute_uri(self) -> str:
        return self.front() + self.path + self.query + self.fragment

    def front(self) -> str:
        """All before the path."""
        if not self.absolute:
            invalid_operation("This operation is not supported for a relative URI.")
        user = f"{self.user}@" if self.user else ""
        if self.scheme == "mailto":
            return f"mailto:{user}{self.host}"
        if not self.rooted:
            return f"{self.scheme}:"
        slash = "/" if self.scheme == "file" and self.path[:1] != "/" else ""
        return f"{self.scheme}://{user}{self.authority()}{slash}"

    def text(self) -> str:
        """ToString(): as AbsoluteUri, with harmless escapes decoded."""
        if not self.absolute:
            return self.original
        return re.sub(r"(?:%[0-9A-Fa-f]{2})+", _soft, self.absolute_uri())

    def __eq__(self, other: object) -> bool:
        """User and fragment do not count."""
        if not isinstance(other, Uri) or self.absolute != other.absolute:
            return False
        if not self.absolute:
            return self.original == other.original
        mine = (self.scheme, self.host, self.port, self.path, self.query)
        return mine == (other.scheme, other.host, other.port, other.path, other.query)

    def __hash__(self) -> int:
        return hash((self.host, self.path) if self.absolute else self.original)


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


_UNRESERVED = re.compile(r"%(?:2[dDeE]|3\d|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")


_CLEAN = re.compile(r"[A-Za-z0-9!$&'()*+,;=:@/?#\-._~\[\]]*", re.ASCII)


def _escaped(text: str) -> str:
    """Escapes what may not stand in a URI, and plain letters no longer."""
    if _CLEAN.fullmatch(text):
        return text
    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    text = _UNRESERVED.sub(lambda match: chr(int(match[0][1:], 16)), text)
    return quote(text, safe="%!$&'()*+,;=:@/?#-._~[]")


stands_for(Uri, "Uri")
TEXTS[Uri] = Uri.text
URI = define("Uri", "System.Uri")


def _need(uri: Uri) -> Uri:
    if not uri.absolute:
        invalid_operation("This operation is not supported for a relative URI.")
    return uri


def _join(base: Uri, relative: Any) -> Uri:
    if base is None:
        argument_null("baseUri")
    if not base.absolute:
        out_of_range("Specified argument was out of the range of valid values.", "baseUri")
    text = (relative.original if isinstance(relative, Uri) else relative or "").strip()
    if _SCHEME.match(text) and (Uri(text, 0).absolute or not base.rooted):
        return Uri(text)
    front = base.front()
    if not text:
        return Uri(front + base.path + base.query)
    if text.startswith("//"):
        return Uri(f"{base.scheme}:{text}")
    if text[0] == "/":
        return Uri(front + text)
    if text[0] == "?":
        return Uri(front + base.path + text)
    if text[0] == "#":
        return Uri(front + base.path + base.query + text)
    return Uri(front + base.path[: base.path.rfind("/") + 1] + text)


def _left(uri: Uri, part: Any) -> str:
    front = _need(uri).front()
    number = int(part)
    if not 0 <= number <= 3:
        argument("The argument must be a valid enumeration value.", "part")
    if number == 0:
        return f"{uri.scheme}://" if uri.rooted else f"{uri.scheme}:"
    if number == 1:
        return front if uri.host and uri.rooted else ""
    return front + uri.path + (uri.query if number == 3 else "")


def _local(uri: Uri) -> str:
    path = unquote(_need(uri).path)
    return path.replace("/", "\\") if uri.scheme == "file" and re.match(r"[A-Za-z]:", path) else path


def _segments(uri: Uri) -> Array:
    path = _need(uri).path
    root = ["/"] if uri.scheme == "file" and path[:1] != "/" else []
    return Array(type_of_name("string"), [*root, *re.findall(r"[^/]*/|[^/]+", path)])


def _is_local(uri: Uri) -> bool:
    host = _need(uri).host
    return host in ("localhost", "loopback", "[::1]") or host.startswith("127.") or (uri.scheme == "file" and not host)


def _host_type(host: str) -> int:
    if not host:
        return 0
    if host[0] == "[" or ":" in host:
        return 4 if _LITERAL.fullmatch(host if host[0] == "[" else f"[{host}]") else 0
    numbers = host.split(".")
    if len(numbers) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in numbers):
        return 3
    return 2 if _NAME.fullmatch(host) else 0


def _ascii_host(uri: Uri) -> str:
    host = _need(uri).host
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _well_formed(uri: Uri) -> bool:
    text = uri.original.strip()
    return _LEGAL.fullmatch(text) is not None and not re.search(r"/\.\.?(?:[/?#]|$)", text)


def _is_base(base: Uri, other: Uri) -> bool:
    if other is None:
        argument_null("uri")
    if not other.absolute:
        return True
    same = (base.scheme, base.host, base.port) == (other.scheme, other.host, other.port)
    return same and other.path.startswith(base.path[: base.path.rfind("/") + 1])


def _relative_to(base: Uri, target: Uri) -> Uri:
    if target is None:
        argument_null("uri")
    if (_need(base).scheme, base.host, base.port) != (_need(target).scheme, target.host, target.port):
        return target
    one, two = base.path, target.path
    if one == two:
        made = ""
    else:
        common = 0
        for index, (a, b) in enumerate(zip(one, two, strict=False)):
            if a != b:
                break
            if a == "/":
                common = index + 1
        made = "../" * one[common:].count("/") + two[common:]
        made = made or "./"
    return Uri(made + target.query + target.fragment, 0)


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
        return True, Uri(text, kind)
    except DotNetError:
        return False, None


def _try_join(base: Uri, relative: Any) -> tuple[bool, Uri | None]:
    try:
        return (False, None) if relative is None else (True, _join(base, relative))
    except DotNetError:
        return False, None


def _is_well_formed(text: str | None, kind: int) -> bool:
    done, made = _try_create(text, kind)
    if not done or made is None or not _well_formed(made):
        return False
    return made.absolute or not re.match(r"[^/?#]*:", made.original)


def _digit(char: str) -> int:
    if char not in "0123456789abcdefABCDEF":
        argument("Specified argument was out of the range of valid values.", "digit")
    return int(char, 16)


def _hex_encoded(text: str, index: int) -> bool:
    return re.match(r"%[0-9A-Fa-f]{2}", text[index:]) is not None


_NAMES = {
    "Http": "http", "Https": "https", "Ftp": "ftp", "File": "file", "Gopher": "gopher", "Mailto": "mailto",
    "News": "news", "Nntp": "nntp", "NetTcp": "net.tcp", "NetPipe": "net.pipe",
}  # fmt: skip
members(
    URI,
    {
        "new(string uriString)": Uri,
        "new(string uriString, UriKind uriKind)": Uri,
        "new(Uri baseUri, string relativeUri)": _join,
        "new(Uri baseUri, Uri relativeUri)": _join,
        **{f"static string UriScheme{name}": constant(scheme) for name, scheme in _NAMES.items()},
        "static string SchemeDelimiter": constant("://"),
        "string Scheme": lambda uri: _need(uri).scheme,
        "string Host": lambda uri: _need(uri).host,
        "string DnsSafeHost": lambda uri: _need(uri).host.strip("[]"),
        "string IdnHost": lambda uri: _ascii_host(uri).strip("[]"),
        "UriHostNameType HostNameType": lambda uri: enums.enum_value(
            _HOST_TYPE, _host_type(_need(uri).host) or int(uri.scheme == "file")
        ),
        "int Port": lambda uri: _need(uri).port,
        "string Authority": lambda uri: _need(uri).authority(),
        "string AbsolutePath": lambda uri: _need(uri).path,
        "string LocalPath": _local,
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
        "bool IsLoopback": _is_local,
        "bool IsUnc": lambda uri: _need(uri).scheme == "file" and uri.host != "",
        "bool UserEscaped": lambda uri: False,
        "string GetLeftPart(UriPartial part)": _left,
        "string ToString()": Uri.text,
        "bool IsWellFormedOriginalString()": _well_formed,
        "bool IsBaseOf(Uri uri)": lambda uri, other: _is_base(_need(uri), other),
        "Uri MakeRelativeUri(Uri uri)": _relative_to,
        "string MakeRelative(Uri toUri)": lambda uri, other: _relative_to(uri, other).text(),
        "static bool op_Equality(Uri uri1, Uri uri2)": lambda a, b: a == b,
        "static bool op_Inequality(Uri uri1, Uri uri2)": lambda a, b: a != b,
        "static string EscapeDataString(string stringToEscape)": escape,
        "static string UnescapeDataString(string stringToUnescape)": unescape,
        "static string EscapeUriString(string stringToEscape)": lambda text: quote(text, safe="!#$&'()*+,/:;=?@[]-._~"),
        "static bool TryCreate(string uriString, UriKind uriKind, out Uri result)": lambda t, k: _try_create(t, int(k)),
        "static bool TryCreate(Uri baseUri, string relativeUri, out Uri result)": _try_join,
        "static bool TryCreate(Uri baseUri, Uri relativeUri, out Uri result)": _try_join,
        "static bool IsWellFormedUriString(string uriString, UriKind uriKind)": lambda t, k: _is_well_formed(t, int(k)),
        "static UriHostNameType CheckHostName(string name)": lambda name: enums.enum_value(
            _HOST_TYPE, _host_type(name or "")
        ),
        "static bool CheckSchemeName(string schemeName)": lambda name: _SCHEME.fullmatch(f"{name}:") is not None,
        "static string HexEscape(char character)": lambda char: f"%{ord(char):02X}",
        "static bool IsHexDigit(char character)": lambda char: char in "0123456789abcdefABCDEF",
        "static int FromHex(char digit)": _digit,
        "static bool IsHexEncoding(string pattern, int index)": _hex_encoded,
        "implicit JToken(Uri value)": lambda uri: _token(uri),
    },
)


def _token(uri: Uri) -> Any:
    from proxy.expressions.dotnet.json_tokens import JValue

    return JValue(uri)

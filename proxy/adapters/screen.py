"""What the parser lets through and a gateway must not: checked once per request, before anything else sees it.

Each rule closes a way in which two servers could read one request differently (RFC 9112 sections 3.2, 6 and 7).
"""

from __future__ import annotations

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_parser import RawRequestMessage

from proxy.errors import BadRequest
from proxy.target import valid_host

MAX_LINE = 8 * 1024
MAX_HEADERS = 64 * 1024
MAX_FIELDS = 100

_TRUSTED_TWINS = ("x-forwarded-", "ocp-apim-", "content-", "transfer-encoding", "host", "authorization")


def screen(message: RawRequestMessage) -> None:
    """Raises BadRequest, whose status says what is wrong; the connection closes behind it."""
    headers, version = message.headers, message.version
    if version not in (HttpVersion11, HttpVersion10):
        raise BadRequest("Only HTTP/1.1 and HTTP/1.0 are spoken here.", 505, "HTTP Version Not Supported")
    if message.method in ("CONNECT", "TRACE"):
        raise BadRequest(f"{message.method} is not served here.", 501, "Not Implemented")
    host = headers.get("Host")
    if (host is None and version == HttpVersion11) or (host is not None and not valid_host(host)):
        raise BadRequest("The Host header is missing or not valid.")
    if "Transfer-Encoding" in headers:
        codings = headers.getall("Transfer-Encoding")
        if version == HttpVersion10 or len(codings) != 1 or codings[0].strip().lower() != "chunked":
            raise BadRequest("The transfer encoding is not served here.", 501, "Not Implemented")
        if "Content-Length" in headers:
            raise BadRequest("A request has either Content-Length or Transfer-Encoding.")
    expect = headers.get("Expect")
    if expect is not None and expect.lower() != "100-continue":
        raise BadRequest("The expectation cannot be met.", 417, "Expectation Failed")


def is_twin(name: str) -> bool:
    """Whether a header name with underscores imitates one that somebody trusts ("X_Forwarded_For")."""
    return "_" in name and name.lower().replace("_", "-").startswith(_TRUSTED_TWINS)


def too_large(message: RawRequestMessage) -> bool:
    """Whether the header fields are larger than all of them may be."""
    return sum(len(name) + len(value) + 4 for name, value in message.raw_headers) > MAX_HEADERS

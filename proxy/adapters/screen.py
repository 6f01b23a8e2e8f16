"""What the parser lets through and a gateway must not: checked once per request, before anything else sees it.

Each rule closes a way in which two servers could read one request differently (RFC 9112 sections 3.2, 6 and 7).
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage

from proxy.adapters.limits import Limits
from proxy.errors import BadRequest, GatewayError
from proxy.messages import Headers
from proxy.target import valid_host

_STRANGE = re.compile(rb"[\r\n]*(?:[^\r\n]{0,32}  |[^\r\n]* (?:RTSP|ICE)/)")
_LARGEST = 2**63 - 1  # a length that everybody can count
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
    elif int(headers.get("Content-Length", 0)) > _LARGEST:
        raise BadRequest("The Content-Length is larger than a body can be.")
    if any(each.lower() != "100-continue" for each in headers.getall("Expect", ())):
        raise BadRequest("The expectation cannot be met.", 417, "Expectation Failed")


def is_http(head: bytes) -> bool:
    """Whether a head, or its begin, is none of another protocol that llhttp reads as well, and has no two spaces."""
    return _STRANGE.match(head) is None


def is_twin(name: str) -> bool:
    """Whether a header name with underscores imitates one that somebody trusts ("X_Forwarded_For")."""
    return "_" in name and name.lower().replace("_", "-").startswith(_TRUSTED_TWINS)


def too_large(head: int, message: RawRequestMessage, limits: Limits) -> bool:
    """Whether a head of so many bytes is larger than one may be, or its fields are."""
    if head <= limits.head:
        return False
    fields = sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
    return fields > limits.head or head > limits.line + limits.head


def ends_here(method: str, headers: Headers) -> bool:
    """Whether an OPTIONS may be forwarded no further (RFC 9110 section 7.6.2); one that may is counted down."""
    left = headers.get("Max-Forwards", "") if method == "OPTIONS" else ""
    if not left.isascii() or not left.isdigit() or len(left) > 9:
        return False
    if int(left):
        headers["Max-Forwards"] = str(int(left) - 1)
    return not int(left)


def malformed(message: Any) -> GatewayError:
    """What aiohttp's parser found wrong, as an answer; None for what it did not find."""
    if message is None:
        return BadRequest("The request body is malformed.")
    if isinstance(message.exc, LineTooLong):
        # aiohttp keeps the target in a bytearray, fields in bytes.
        if message.exc.args and isinstance(message.exc.args[0], bytearray):
            return BadRequest("The request line is too long.", 414, "URI Too Long")
        return BadRequest("A header field is too large.", 431, "Request Header Fields Too Large")
    if "Too many headers" in str(message.message):
        return BadRequest("There are too many header fields.", 431, "Request Header Fields Too Large")
    return BadRequest("The request is malformed.")

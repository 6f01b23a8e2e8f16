"""What a gRPC client is told of an answer that is not gRPC's: a code, and a message it can show. Pure.

Rules
1. gRPC says how HTTP statuses become codes; two are told apart better here: 429 is RESOURCE_EXHAUSTED, which clients do
   not try again at once, and 400 is INVALID_ARGUMENT.
2. A 500 that stands for a backend which could not be reached is UNAVAILABLE, and DEADLINE_EXCEEDED for one that was
   late.
Source: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md,
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import json
from urllib.parse import quote

from proxy.errors import GatewayError
from proxy.messages import Headers, Response

MEDIA_TYPE = "application/grpc"
LONGEST_MESSAGE = 1024  # characters

UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 2, 3, 4, 7, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 12, 13, 14, 16

_BY_STATUS = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    404: UNIMPLEMENTED,
    408: DEADLINE_EXCEEDED,
    413: RESOURCE_EXHAUSTED,
    429: RESOURCE_EXHAUSTED,
    431: RESOURCE_EXHAUSTED,
    500: INTERNAL,
    501: UNIMPLEMENTED,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
_BY_CAUSE = {"BackendConnectionFailure": UNAVAILABLE, "Timeout": DEADLINE_EXCEEDED}
# Of a body that is not sent.
_ENTITY = ("Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location", "ETag")


def is_grpc(headers: Headers) -> bool:
    """Whether a message is gRPC's own, not gRPC-Web's."""
    kind = headers.get("Content-Type", "").lower()
    return kind.startswith(MEDIA_TYPE) and kind[len(MEDIA_TYPE) : len(MEDIA_TYPE) + 1] in ("", "+", ";")


def refusal(response: Response) -> Headers:
    """The header fields of an answer that has nothing else, for a response that is not gRPC's."""
    headers = Headers(response.headers)
    for name in _ENTITY:
        headers.popall(name, None)
    headers["Content-Type"] = MEDIA_TYPE
    if "grpc-status" not in headers:  # else a policy has said it
        code = _BY_CAUSE.get(response.cause) if response.status == 500 else None
        headers["grpc-status"] = str(_BY_STATUS.get(response.status, UNKNOWN) if code is None else code)
        headers["grpc-message"] = encoded(_message(response))
    return headers


def trailers(error: GatewayError) -> Headers:
    """What ends a response that failed behind its head."""
    code = _BY_CAUSE.get(error.reason, _BY_STATUS.get(error.status, UNKNOWN))
    return Headers({"grpc-status": str(code), "grpc-message": encoded(error.public or "Internal server error")})


def encoded(message: str) -> str:
    """As grpc-message wants it: percent-encoded, except for printable ASCII."""
    return quote(message[:LONGEST_MESSAGE], safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").strip()


def deadline(text: str) -> float | None:
    """Seconds of a grpc-timeout; None when there is none, or it is not valid."""
    unit = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}.get(text[-1:])
    digits = text[:-1]
    if unit is None or not digits.isascii() or not digits.isdigit() or len(digits) > 8:
        return None
    return int(digits) * unit


def _message(response: Response) -> str:
    """What the body says, where it is as ours are; else the reason phrase."""
    if response.body.buffered:
        try:
            told = json.loads(response.body.content() or b"null")
        except ValueError:
            told = None
        if isinstance(told, dict) and isinstance(told.get("message"), str):
            return str(told["message"])
    return response.reason or f"HTTP status {response.status}"

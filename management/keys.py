"""Keys and tokens: drawn from the system's random source, compared in constant time.

A gateway token is `<gateway id>&<yyyyMMddHHmm>&<signature>`: base64 of HMAC-SHA512 with the UTF-8 bytes of a gateway
key over the id, a newline, and the expiry in .NET's round-trip form with zero seconds. That is the rule published for
APIM's sibling tokens, see "API Management REST API authentication" at https://learn.microsoft.com/rest/api/apimanagement.
"""

from __future__ import annotations

import base64
import datetime
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any

from management.errors import invalid

LONGEST_LIFE = datetime.timedelta(days=30)
EXPIRY = re.compile(r"\d{12}")
LONGEST_TOKEN = 1024


def life_of(value: Any) -> datetime.datetime:
    """When a token is to end that somebody asks for. Raises ArmError."""
    now = datetime.datetime.now(datetime.UTC)
    try:
        expiry = datetime.datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise invalid("expiry", "expiry must be a date and time such as 2026-01-02T03:04:05Z.") from None
    expiry = expiry if expiry.tzinfo else expiry.replace(tzinfo=datetime.UTC)
    if not now < expiry <= now + LONGEST_LIFE:
        raise invalid("expiry", "expiry must lie in the future, at most 30 days from now.")
    return expiry


def new_key() -> str:
    """A subscription or gateway key: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def new_gateway_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def same(left: str, right: str) -> bool:
    """In constant time; a header may hold bytes that are no text, which then is only unequal."""
    return hmac.compare_digest(left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape"))


@dataclass(slots=True, frozen=True)
class TokenRefused(Exception):
    """`code` is GatewayTokenExpired or GatewayTokenInvalid; `reason` tells the operator what to do."""

    code: str
    reason: str


def sign(gateway: str, expiry: datetime.datetime, key: str) -> str:
    """A token that ends with the minute of `expiry` (UTC)."""
    stamp = expiry.astimezone(datetime.UTC)
    return f"{gateway}&{stamp:%Y%m%d%H%M}&{_signature(gateway, stamp, key)}"


def verify(token: str, gateway: str, keys: list[str], now: datetime.datetime) -> datetime.datetime:
    """The expiry of a good token of `gateway`. Raises TokenRefused."""
    parts = token.strip().split("&")
    if len(token) > LONGEST_TOKEN or len(parts) != 3 or not EXPIRY.fullmatch(parts[1]):
        raise TokenRefused(
            "GatewayTokenInvalid", "The token is not of the form <gateway id>&<yyyyMMddHHmm>&<signature>."
        )
    id, stamp, signature = parts
    try:
        expiry = datetime.datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise TokenRefused("GatewayTokenInvalid", "The token's expiry is not a date.") from None
    good = False
    for key in keys:
        good |= same(signature, _signature(id, expiry, key))
    if not good or id.lower() != gateway.lower():
        raise TokenRefused(
            "GatewayTokenInvalid",
            f"The token was not made with a present key of gateway '{gateway}': generate a new one.",
        )
    if expiry <= now:
        raise TokenRefused("GatewayTokenExpired", f"The token expired at {expiry:%Y-%m-%dT%H:%MZ}: generate a new one.")
    return expiry


def _signature(gateway: str, expiry: datetime.datetime, key: str) -> str:
    return shared_access(f"{gateway}\n{expiry:%Y-%m-%dT%H:%M}:00.0000000Z", key)


def shared_access(text: str, key: str) -> str:
    """The signature of a token: of `<id>\\n<expiry>`."""
    return base64.b64encode(hmac.digest(key.encode(), text.encode("utf-8", "surrogateescape"), "sha512")).decode()


def sign_debug(api: str, expiry: datetime.datetime, key: str) -> str:
    """A debug token for requests to an API, until the second of `expiry` (UTC): see proxy/tracing/credentials.py."""
    signed = f"p=tracing&aid={api}&ex={expiry.astimezone(datetime.UTC):%Y%m%d%H%M%S}"
    signature = hmac.digest(key.encode(), signed.encode("utf-8", "surrogateescape"), "sha512")
    return f"{signed}&sn={base64.b64encode(signature).decode()}"

"""What a token must say: lifetime, audience, issuer, required claims. The signature is checked elsewhere.

Rules
1. `exp` and `nbf` are JSON numbers; anything else refuses the token. A token is expired from the second `exp` on.
2. Comparisons are exact. A claim of several values is a JSON array, or a text that the policy's separator splits.
3. An accepted issuer that holds `{tenantid}` stands for the issuer of the token's own `tid`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from proxy.tokens.compact import Json
from proxy.tokens.refusal import AUDIENCE, CLAIM_NOT_FOUND, CLAIM_VALUE, EXPIRED, INVALID, ISSUER, denied

_FAR = 1e15  # seconds; no moment is further from 1970, and NaN is not nearer
_TENANT = ("{tenantid}", "{tenantId}")


class Required(NamedTuple):
    """A required claim; without values its presence is enough."""

    name: str
    values: tuple[str, ...]
    match_all: bool
    separator: str


def check_lifetime(payload: Json, now: float, skew: float, expires: bool) -> None:
    """`now` in seconds since 1970; `expires`: there must be an `exp`."""
    end, begin = _moment(payload, "exp"), _moment(payload, "nbf")
    if end is None:
        if expires:
            raise denied(INVALID, "Lifetime validation failed. The token is missing an Expiration Time.")
    elif end + skew <= now:
        raise denied(EXPIRED, "Lifetime validation failed. The token is expired.")
    if begin is not None and begin - skew > now:
        raise denied(INVALID, "Lifetime validation failed. The token is not yet valid.")


def check_audience(payload: Json, allowed: Collection[str]) -> None:
    audience = payload.get("aud")
    if isinstance(audience, str) and audience in allowed:
        return
    found = texts(audience)
    if not any(each in allowed for each in found):
        raise denied(AUDIENCE, "Audience validation failed. Audiences did not match.", f"aud is {_shown(found)}")


def check_issuer(payload: Json, allowed: Iterable[str]) -> None:
    issuer = payload.get("iss")
    if isinstance(issuer, str) and issuer:
        tenant = payload.get("tid")
        for each in allowed:
            if each == issuer:
                return
            if isinstance(tenant, str) and tenant and any(each.replace(mark, tenant) == issuer for mark in _TENANT):
                return
    raise denied(ISSUER, "Issuer validation failed. Issuer did not match.", f"iss is {_shown(texts(issuer))}")


def check_required(payload: Json, required: Iterable[Required]) -> None:
    missing = [each.name for each in required if each.name not in payload]
    if missing:
        raise denied(CLAIM_NOT_FOUND, f"JWT is missing the following claims: {', '.join(missing)}.")
    for name, values, match_all, separator in required:
        if not values:
            continue
        found = texts(payload[name])
        if separator:
            found = [part for each in found for part in each.split(separator)]
        right = all(each in found for each in values) if match_all else any(each in found for each in values)
        if not right:
            raise denied(CLAIM_VALUE, f"Claim {name} value of {_shown(found)} is not allowed.")


def texts(value: Any) -> list[str]:
    """A claim as texts: the elements of an array, or the one value."""
    if isinstance(value, str):
        return [value]
    if value is None:
        return []
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [json.dumps(value, separators=(",", ":"), ensure_ascii=False)]


def _moment(payload: Json, name: str) -> float | None:
    value = payload.get(name)
    if value is None and name not in payload:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_FAR < value < _FAR:
        raise denied(INVALID, f"Lifetime validation failed. The claim {name} is not a number.")
    return value


def _shown(values: Iterable[str]) -> str:
    text = ", ".join(values)
    return text if len(text) <= 256 else text[:256] + "..."

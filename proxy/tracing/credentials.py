"""Debug tokens: who may have a request traced, of which API, and until when. Pure.

    p=tracing&aid=<API>&ex=<yyyyMMddHHmmss UTC>&sn=<signature>

The signature is base64 of HMAC-SHA512 with a debug key over everything before `&sn=`. The plane makes the keys and the
tokens (`listDebugCredentials`); a gateway has its own key and that of the service, whose tokens are good everywhere.
"""

from __future__ import annotations

import base64
import datetime
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.config.resources import Api

LONGEST = 1024
PURPOSE = "tracing"
EXPIRY = "%Y%m%d%H%M%S"


class TokenInvalid(Exception):
    """It is no token, or none of ours; the message may be shown to whoever sent it."""


class TokenExpired(Exception):
    def __init__(self, expiry: datetime.datetime) -> None:
        super().__init__(f"The debug token expired at {expiry:%Y-%m-%dT%H:%M:%SZ}.")


@dataclass(slots=True, frozen=True)
class Grant:
    """What a good token allows. `api` is a name; with ";rev=n" it means that revision only."""

    api: str

    def covers(self, api: Api) -> bool:
        return self.api.lower() in (api.id.lower(), api.key.lower(), f"{api.id};rev={api.revision}".lower())


def verify(token: str, keys: Iterable[str], now: datetime.datetime) -> Grant:
    """Raises TokenInvalid or TokenExpired."""
    signed, found, signature = token.strip().rpartition("&sn=")
    fields = dict(part.partition("=")[::2] for part in signed.split("&"))
    if not found or len(token) > LONGEST or fields.keys() != {"p", "aid", "ex"}:
        raise TokenInvalid("The debug token is not of the form p=...&aid=...&ex=...&sn=...")
    good = False
    for key in keys:
        good |= hmac.compare_digest(_signature(signed, key), signature.encode("utf-8", "surrogateescape"))
    if not good or fields["p"] != PURPOSE:
        raise TokenInvalid("The debug token was not made with a present key of this gateway: get a new one.")
    expiry = datetime.datetime.strptime(fields["ex"], EXPIRY).replace(tzinfo=datetime.UTC)
    if expiry <= now:
        raise TokenExpired(expiry)
    return Grant(fields["aid"])


def _signature(signed: str, key: str) -> bytes:
    return base64.b64encode(hmac.digest(key.encode(), signed.encode("utf-8", "surrogateescape"), "sha512"))

"""Sign-in, sign-up and subscribing handed over to another site, as the service's delegation settings say.

The browser is sent there with `operation`, what it wants, a `salt`, and `sig`: base64 of HMAC-SHA512 with the
validation key over the salt and the parameters, a line each. That site sends people back with a link of generateSsoUrl.
https://learn.microsoft.com/azure/api-management/api-management-howto-setup-delegation
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from portal.model import name_of, properties_of
from portal.page import PLANE
from portal.visits import visitor

PATH = "/portalsettings/delegation"


async def sign_in(request: web.Request, back: str) -> str:
    """Where to send the browser; "" for nowhere."""
    return await _target(request, "userRegistration", {"operation": "SignIn", "returnUrl": back}, ("returnUrl",))


async def sign_up(request: web.Request, back: str) -> str:
    return await _target(request, "userRegistration", {"operation": "SignUp", "returnUrl": back}, ("returnUrl",))


async def subscribe(request: web.Request, product: str) -> str:
    user = name_of(visitor(request))
    wanted = {"operation": "Subscribe", "productId": product, "userId": user}
    return await _target(request, "subscriptions", wanted, ("productId", "userId"))


async def unsubscribe(request: web.Request, subscription: str) -> str:
    wanted = {"operation": "Unsubscribe", "subscriptionId": subscription}
    return await _target(request, "subscriptions", wanted, ("subscriptionId",))


async def _target(request: web.Request, kind: str, wanted: dict[str, str], signed: tuple[str, ...]) -> str:
    plane = request.app[PLANE]
    settings = properties_of(await plane.get(PATH))
    asked, url = settings.get(kind), str(settings.get("url") or "")
    if (
        not isinstance(asked, Mapping)
        or asked.get("enabled") is not True
        or not url.startswith(("https://", "http://"))
    ):
        return ""
    key = str((await plane.post(f"{PATH}/listSecrets")).get("validationKey") or "")
    salt = base64.b64encode(secrets.token_bytes(24)).decode()
    query = {**wanted, "salt": salt, "sig": signature(key, [salt, *(wanted[name] for name in signed)])}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def signature(key: str, lines: list[str]) -> str:
    """The key is base64; one that is not is taken as it stands."""
    try:
        secret = base64.b64decode(key, validate=True)
    except binascii.Error:
        secret = key.encode()
    return base64.b64encode(hmac.digest(secret, "\n".join(lines).encode(), hashlib.sha512)).decode()

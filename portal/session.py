"""Operator sign-in without state: a signed cookie and, for each form, a token bound to it.

Rules
- Who shows the plane's admin token is the operator. The comparison takes the same time wherever the texts differ.
- The cookie says when it ends and carries a random id, signed by a key derived from the admin token: a new admin token
  ends all sessions, a restart of the portal ends none.
- HttpOnly, SameSite=Strict, only below /console; Secure when the visitor came by https.
- Every form that changes or reveals something carries `csrf`, the signature of the cookie's id for forms.
- Who follows a link that the plane signed for a user is that user, for a day: a second cookie, made the same way, which
  says the user's name. It is SameSite=Lax, because the link stands on another page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from aiohttp import web

COOKIE = "passerelle-console"
LIFETIME = 8 * 3600  # seconds
VISIT = "passerelle-visit"
VISIT_LIFETIME = 24 * 3600  # seconds


def same(given: str, expected: str) -> bool:
    """Equal and not empty."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _sign(token: str, purpose: str, text: str) -> str:
    key = hmac.digest(token.encode(), f"passerelle portal {purpose}".encode(), hashlib.sha256)
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Session:
    """`ends` in seconds since 1970."""

    id: str
    ends: int
    csrf: str


def begin(token: str, now: float | None = None) -> str:
    """The cookie of a new session of the operator who has shown `token`."""
    text = f"{int(time.time() if now is None else now) + LIFETIME}.{secrets.token_urlsafe(18)}"
    return f"{text}.{_sign(token, 'session', text)}"


def read(cookie: str, token: str, now: float | None = None) -> Session | None:
    """The session of a cookie, or None when it is not ours, has been changed, or is over."""
    text, _, signature = cookie.rpartition(".")
    if not token or not same(signature, _sign(token, "session", text)):
        return None
    ends, _, id = text.partition(".")
    if int(ends) <= (time.time() if now is None else now):
        return None
    return Session(id, int(ends), _sign(token, "form", id))


def set_cookie(response: web.StreamResponse, cookie: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE, cookie, max_age=LIFETIME, path="/console", httponly=True, samesite="Strict", secure=secure
    )


def clear_cookie(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/console")


def begin_visit(token: str, user: str, now: float | None = None) -> str:
    """The cookie of the user with this name."""
    name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
    text = f"{int(time.time() if now is None else now) + VISIT_LIFETIME}.{name}"
    return f"{text}.{_sign(token, 'visit', text)}"


def read_visit(cookie: str, token: str, now: float | None = None) -> str:
    """The name of the user whose cookie this is; "" when it is not ours, has been changed, or is over."""
    text, _, signature = cookie.rpartition(".")
    if not token or not same(signature, _sign(token, "visit", text)):
        return ""
    ends, _, name = text.partition(".")
    if int(ends) <= (time.time() if now is None else now):
        return ""
    return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()


def set_visit(response: web.StreamResponse, cookie: str, *, secure: bool) -> None:
    response.set_cookie(VISIT, cookie, max_age=VISIT_LIFETIME, path="/", httponly=True, samesite="Lax", secure=secure)


def clear_visit(response: web.StreamResponse) -> None:
    response.del_cookie(VISIT, path="/")

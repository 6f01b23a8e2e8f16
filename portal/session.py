"""Who is signed in, without state: signed cookies and, for each form, a token bound to them.

Rules
- Who shows the plane's admin token is the operator. The comparison takes the same time wherever the texts differ.
- A cookie says when it ends and carries a random id, signed by a key derived from the admin token: a new admin token
  ends all sessions, a restart of the portal ends none. Each sign-in makes a new id, whatever came before.
- The operator's: HttpOnly, SameSite=Strict, only below /console. A visitor's says the user's name too, lasts a day and
  is SameSite=Lax, because links that sign in stand on other pages. Secure when the portal is used by https.
- A visitor's also says the stamp that the plane had for the user then: it has another one when the password was changed
  or the user was blocked, and sessions of before are over.
- Who signs out is out: the id is remembered as ended, by this process, until the cookie would have ended by itself.
- Every form that changes or reveals something carries `csrf`, a signature of the cookie's id for forms. Who is not
  signed in gets a cookie for forms alone.
- What is said once on the next page ("flash") travels in a signed cookie too, so that nobody else can make us say it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

COOKIE = "passerelle-console"
LIFETIME = 8 * 3600  # seconds
VISIT = "passerelle-visit"
VISIT_LIFETIME = 24 * 3600  # seconds
FORM = "passerelle-form"
FLASH = "passerelle-flash"
FLASH_LIFETIME = 60  # seconds
LONGEST_FLASH = 600  # characters
MOST_ENDED = 20_000  # ids of sessions that were ended; the oldest go first

Kind = Literal["good", "bad", "info"]


def same(given: str, expected: str) -> bool:
    """Equal and not empty."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def sign(token: str, purpose: str, text: str) -> str:
    key = hmac.digest(token.encode(), f"passerelle portal {purpose}".encode(), hashlib.sha256)
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def seal(token: str, purpose: str, text: str, lifetime: int, now: float | None = None) -> str:
    """`text` in a cookie's alphabet, with its end and a signature. Anyone may read it, nobody change it."""
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    signed = f"{int(time.time() if now is None else now) + lifetime}.{body}"
    return f"{signed}.{sign(token, purpose, signed)}"


def unseal(token: str, purpose: str, cookie: str, now: float | None = None) -> str | None:
    """What was sealed; None when it is not ours, has been changed, or is over."""
    signed, _, signature = cookie.rpartition(".")
    if not token or not same(signature, sign(token, purpose, signed)):
        return None
    ends, _, body = signed.partition(".")
    if int(ends) <= (time.time() if now is None else now):
        return None
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


@dataclass(frozen=True)
class Session:
    """`ends` in seconds since 1970; `user` is a visitor's name at the plane, `stamp` what it said of it then; both
    "" for the operator."""

    id: str
    ends: int
    csrf: str
    user: str = ""
    stamp: str = ""


class Ended:
    """Ids of sessions that were ended before their time."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, int] = OrderedDict()

    def add(self, session: Session) -> None:
        self._ids[session.id] = session.ends
        while len(self._ids) > MOST_ENDED:
            self._ids.popitem(last=False)

    def __contains__(self, session: Session) -> bool:
        return session.id in self._ids


def begin(token: str, now: float | None = None) -> str:
    """The cookie of a new session of the operator who has shown `token`."""
    text = f"{int(time.time() if now is None else now) + LIFETIME}.{secrets.token_urlsafe(18)}"
    return f"{text}.{sign(token, 'session', text)}"


def read(cookie: str, token: str, now: float | None = None) -> Session | None:
    """The session of a cookie, or None when it is not ours, has been changed, or is over."""
    text, _, signature = cookie.rpartition(".")
    if not token or not same(signature, sign(token, "session", text)):
        return None
    ends, _, id = text.partition(".")
    if int(ends) <= (time.time() if now is None else now):
        return None
    return Session(id, int(ends), sign(token, "form", id))


def set_cookie(response: web.StreamResponse, cookie: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE, cookie, max_age=LIFETIME, path="/console", httponly=True, samesite="Strict", secure=secure
    )


def clear_cookie(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/console")


def begin_visit(token: str, user: str, stamp: str = "", now: float | None = None) -> str:
    """The cookie of a new session of the user with this name."""
    return seal(token, "visit", json.dumps([secrets.token_urlsafe(18), user, stamp]), VISIT_LIFETIME, now)


def read_visit(cookie: str, token: str, now: float | None = None) -> Session | None:
    """The session of a visitor's cookie, or None when it is not ours, has been changed, or is over."""
    text = unseal(token, "visit", cookie, now)
    if text is None:
        return None
    id, user, *stamp = json.loads(text)
    return Session(id, int(cookie.partition(".")[0]), sign(token, "visitor form", id), user, *stamp)


def set_visit(response: web.StreamResponse, cookie: str, *, secure: bool) -> None:
    response.set_cookie(VISIT, cookie, max_age=VISIT_LIFETIME, path="/", httponly=True, samesite="Lax", secure=secure)


def clear_visit(response: web.StreamResponse) -> None:
    response.del_cookie(VISIT, path="/")


def form_id(cookie: str) -> str:
    """The id of forms of somebody who is not signed in: that of the cookie, or a new one."""
    known = 20 <= len(cookie) <= 60 and cookie.isascii() and cookie.replace("-", "").replace("_", "").isalnum()
    return cookie if known else secrets.token_urlsafe(18)


def form_token(token: str, id: str) -> str:
    return sign(token, "guest form", id)


def set_form(response: web.StreamResponse, id: str, *, secure: bool) -> None:
    response.set_cookie(FORM, id, path="/", httponly=True, samesite="Lax", secure=secure)


def set_flash(response: web.StreamResponse, token: str, kind: Kind, words: str, *, secure: bool) -> None:
    """Say `words` on the next page that this browser is shown."""
    cookie = seal(token, "flash", json.dumps([kind, words[:LONGEST_FLASH]]), FLASH_LIFETIME)
    response.set_cookie(FLASH, cookie, max_age=FLASH_LIFETIME, path="/", httponly=True, samesite="Lax", secure=secure)


def read_flash(cookie: str, token: str) -> tuple[str, str] | None:
    """Kind and words."""
    text = unseal(token, "flash", cookie)
    if text is None:
        return None
    kind, words = json.loads(text)
    return kind, words

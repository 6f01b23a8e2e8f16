"""Tokens of users: `<user id>&<yyyyMMddHHmm>&<signature>`, signed with a key of the service's tenant access.

    access    `Authorization: SharedAccessSignature <token>`: the user reads what is its own, and nothing else
    sign-in   in a link to the portal, for minutes, and good once
    confirmation, password    in a mail, for a new account or a new password, and good once: see `accounts.py`

A signature is made as those of the direct management API, over the purpose, the user id and the expiry. So none stands
for another purpose, all end when their key is regenerated, and a blocked or deleted user's are worth nothing. Those for
a new password end with the password that they replace.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import delete, insert, select

from management.apply import Applier, type_of
from management.errors import ArmError, invalid, not_found
from management.keys import life_of, same, shared_access
from management.resources.users import session_stamp
from management.schema import redeemed
from management.store import Row
from management.transaction import Transaction

Purpose = Literal["access", "sign-in", "confirmation", "password"]
ACTIVE = ("active",)

KEYS = {"primary": "primaryKey", "secondary": "secondaryKey"}
SIGN_IN_LIFE = datetime.timedelta(minutes=6)  # expiries are whole minutes, cut off
MAILED_LIFE = datetime.timedelta(hours=1)
TOKEN = re.compile(r"(?P<user>[^&]{1,100})&(?P<stamp>\d{12})&(?P<sign>[A-Za-z0-9+/=]{1,200})")
QUOTED = re.compile(r'token="(?P<token>[^"]{1,400})"(?:,\s*refresh="?\w+"?)?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class User:
    """Who comes in with a token of its own; `id` is the name in its path, lower case."""

    id: str


def shared_access_token(tx: Transaction, user: str, body: dict[str, Any]) -> dict[str, str]:
    """`{"value"}`: a token for access. Raises ArmError."""
    row = _user(tx, user)
    given = body.get("properties")
    given = given if isinstance(given, dict) else body
    kind = given.get("keyType")
    if not isinstance(kind, str) or kind.lower() not in KEYS:
        raise invalid("keyType", "keyType must be primary or secondary.")
    expiry = life_of(given.get("expiry"))
    return {"value": _sign(tx, "access", row.name, expiry, KEYS[kind.lower()])}


def sign_in_link(tx: Transaction, user: str, portal: str, life: datetime.timedelta = SIGN_IN_LIFE) -> str:
    """An address of the portal that signs the user in. Raises ArmError."""
    row = _user(tx, user)
    expiry = datetime.datetime.now(datetime.UTC) + life
    return f"{portal}/signin-sso?token={quote(_sign(tx, 'sign-in', row.name, expiry, 'primaryKey'), safe='')}"


def token(tx: Transaction, purpose: Purpose, user: str, life: datetime.timedelta) -> str:
    """For the user with this name, whatever state it is in."""
    return _sign(tx, purpose, user, datetime.datetime.now(datetime.UTC) + life, "primaryKey")


def user_of(tx: Transaction, text: str, purpose: Purpose, states: Collection[str] = ACTIVE) -> User | None:
    """Whose token this is; None when it is nobody's any more, or the user is in none of `states`."""
    quoted = QUOTED.fullmatch(text) if purpose == "access" else None
    found = TOKEN.fullmatch(quoted["token"] if quoted else text)
    access = tx.get("/tenant/access")
    if found is None or access is None:
        return None
    try:
        expiry = datetime.datetime.strptime(found["stamp"], "%Y%m%d%H%M").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    clear, good = access.clear(), False
    row = tx.get(f"/users/{found['user']}")
    for name in KEYS.values():
        good |= name in clear and same(found["sign"], _signature(purpose, found["user"], row, expiry, clear[name]))
    if not good or expiry <= datetime.datetime.now(datetime.UTC) or row is None or row.body.get("state") not in states:
        return None
    return User(found["user"].lower())


def redeem(tx: Transaction, text: str, purpose: Purpose = "sign-in", states: Collection[str] = ACTIVE) -> User | None:
    """Whose link this is; None when it has been used, or is nobody's any more."""
    user = user_of(tx, text, purpose, states)
    if user is None:
        return None
    _, ends, signature = text.rsplit("&", 2)  # the user before it may be written in any case
    mine = redeemed.c.service == tx.service.number
    now = f"{datetime.datetime.now(datetime.UTC):%Y%m%d%H%M}"
    tx.connection.execute(delete(redeemed).where(mine, redeemed.c.ends < now))
    if tx.connection.scalar(select(redeemed.c.ends).where(mine, redeemed.c.signature == signature)) is not None:
        return None
    tx.connection.execute(insert(redeemed).values(service=tx.service.number, signature=signature, ends=ends))
    return user


def _user(tx: Transaction, name: str) -> Row:
    row = tx.get(f"/users/{name}")
    if row is None:
        raise not_found("User")
    if row.body.get("state") != "active":
        raise ArmError(400, "ValidationError", f"User '{row.name}' is not active and cannot sign in.")
    return row


def _sign(tx: Transaction, purpose: Purpose, user: str, expiry: datetime.datetime, key: str) -> str:
    access = tx.get("/tenant/access")
    if access is None or key not in access.clear():
        born = access or type_of("/tenant/access").born("/tenant/access")
        access = Applier(tx).put("/tenant/access", born.clear() if born else {})
    stamp, row = expiry.astimezone(datetime.UTC), tx.get(f"/users/{user}")
    return f"{user}&{stamp:%Y%m%d%H%M}&{_signature(purpose, user, row, stamp, access.clear()[key])}"


def _signature(purpose: Purpose, user: str, row: Row | None, expiry: datetime.datetime, key: str) -> str:
    bound = f"\n{session_stamp(row)}" if purpose == "password" and row is not None else ""
    return shared_access(f"user {purpose}\n{user.lower()}\n{expiry:%Y-%m-%dT%H:%M}:00.0000000Z{bound}", key)


def address_of(tx: Transaction, user: str) -> str:
    """Where a user's mail goes. Raises ArmError."""
    return str(_user(tx, user).body["email"])

"""Users. Every user is a developer, as in APIM.

`GET users/NAME?expandSessionStamp=true` tells `sessionStamp`, ours: a text that is another one whenever sessions of the
user must end, because the password was changed by whomever, the user was blocked, or is another user of the same name.
Nothing can be learnt from it.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from management import passwords
from management.declare import ALONE, ARRAY, Call, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.resources.groups import expanded, groups_of, rows_of_groups
from management.resources.products import list_subscriptions, subscriptions_of
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction

ADMINISTRATOR = "1"
HIDDEN = ("password", "passwordHash", "sessionEpoch")


def prepare(change: Change) -> None:
    properties, former = change.properties, change.former
    email = properties["email"]
    change.lookup = f"user:{email.lower()}"
    if any(row.key != change.key for row in change.tx.find(change.lookup)):
        raise invalid("email", f"A user with the e-mail address '{email}' exists already.")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    properties["registrationDate"] = former.get("registrationDate", now)
    properties.setdefault("identities", former.get("identities", [{"provider": "Basic", "id": email}]))
    _keep_password(properties, former)
    _end_sessions(properties, former)
    for name in ("confirmation", "appType"):
        properties.pop(name, None)


def _keep_password(properties: Properties, former: Properties) -> None:
    """As a hash; one that was kept in clear by an older plane becomes one, too."""
    password = properties.pop("password", None) or former.get("password")
    if password:
        properties["passwordHash"] = passwords.hashed(password)
    elif "passwordHash" in former:
        properties.setdefault("passwordHash", former["passwordHash"])


def _end_sessions(properties: Properties, former: Properties) -> None:
    """Who leaves the active users does not come back to the sessions of before."""
    properties.pop("sessionEpoch", None)
    if former.get("state") == "active" != properties.get("state"):
        properties["sessionEpoch"] = secrets.token_hex(8)
    elif "sessionEpoch" in former:
        properties["sessionEpoch"] = former["sessionEpoch"]


def session_stamp(row: Row) -> str:
    """The hash of a password is salted, so a digest of it tells nothing of either."""
    clear = row.clear()
    parts = (str(clear.get(name) or "") for name in ("passwordHash", "sessionEpoch", "registrationDate"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def after(change: Change) -> None:
    if change.old is None and change.tx.get("/groups/developers"):
        change.write.put(f"/groups/developers/users/{change.name}", {})


def leaving(call: Call) -> None:
    if call.row.name == ADMINISTRATOR:
        raise invalid("userId", "The administrator cannot be deleted.")
    subscriptions = subscriptions_of(call)
    if subscriptions and call.query.get("deleteSubscriptions", "").lower() != "true":
        raise invalid(
            "userId",
            f"User '{call.row.name}' has {len(subscriptions)} subscriptions: "
            "delete them first, or add deleteSubscriptions=true.",
        )
    for key in subscriptions:
        call.write.delete(key)


def identities_of(call: Call) -> list[dict[str, Any]]:
    """How the user may sign in."""
    return list(call.row.body.get("identities", []))


def shape(tx: Transaction, row: Row, properties: Properties, query: Mapping[str, str]) -> Properties:
    """With the groups, where they are asked for: of one user always, of a list on demand."""
    if ALONE in query or query.get("expandGroups", "").lower() == "true":
        properties["groups"] = expanded(tx, [group.key for group in rows_of_groups(tx, row)])
    if ALONE in query and query.get("expandSessionStamp", "").lower() == "true":
        properties["sessionStamp"] = session_stamp(row)
    return properties


def wire(row: Row, properties: Properties) -> Properties:
    """No gateway signs users in."""
    return {name: value for name, value in properties.items() if name not in HIDDEN}


TYPES = (
    ResourceType(
        path="users",
        title="User",
        fields=(
            Field("email", required=True, longest=254, pattern=r"[^@\s]+@[^@\s]+"),
            Field("firstName", required=True, longest=100),
            Field("lastName", required=True, longest=100),
            Field("state", choices=("active", "blocked", "pending", "deleted"), default="active"),
            Field("note"),
            Field("identities", ARRAY),
            Field("password", longest=256),
        ),
        readonly=frozenset({"registrationDate", "groups", "passwordHash", "sessionEpoch", "sessionStamp"}),
        secrets=tuple(map(Secret, HIDDEN)),
        prepare=prepare,
        after=after,
        leaving=leaving,
        shape=shape,
        wire=wire,
        views={"groups": groups_of, "subscriptions": list_subscriptions, "identities": identities_of},
    ),
)

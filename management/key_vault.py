"""Named values and certificates that stand in an Azure Key Vault.

The reference is stored and told back. Nobody here reads the vault: `lastStatus` says so, and what has no value of its
own is missing in the gateways, which report the policies that need it and fail their requests rather than go on with
nothing. A value sent beside the reference is used in its place: so a service that came from Azure is completed.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from management.declare import OBJECT, Answer, Call, Change, Field
from management.errors import invalid
from management.store import Row
from management.transaction import Transaction

FIELDS = (
    Field("keyVault", OBJECT),
    Field("keyVault.secretIdentifier"),
    Field("keyVault.identityClientId"),
)
IDENTIFIER = re.compile(r"https://[^/\s]+/(?:secrets|certificates|keys)/[^/\s]+(?:/[^/\s]*)?", re.IGNORECASE)
NOT_READ = "NotRead"
LAST = "lastStatus"


def place(change: Change, has_value: bool) -> bool:
    """Complete the reference of a document that has one; whether it has."""
    reference = change.properties.get("keyVault")
    if not reference:
        change.properties.pop("keyVault", None)
        return False
    identifier = reference.get("secretIdentifier")
    if not identifier or not IDENTIFIER.fullmatch(identifier):
        raise invalid(
            "keyVault.secretIdentifier",
            "secretIdentifier must be the address of a secret, such as https://name.vault.azure.net/secrets/key.",
        )
    told, former = status(has_value), (change.old.body.get("keyVault") or {}) if change.old else {}
    last = former.get(LAST) or {}
    if _named(former) == _named(reference) and last.get("message") == told["message"] and reference.get(LAST, last):
        told = last  # nothing has happened since
    change.properties["keyVault"] = reference | {LAST: told}
    return True


def _named(reference: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reference.items() if name != LAST}


def status(has_value: bool) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = (
        "Key Vault is not read here: the value that was sent with the reference is used."
        if has_value
        else "Key Vault is not read here, so that there is no value: send the value with the reference."
    )
    return {"code": NOT_READ, "message": message, "timeStampUtc": now}


def unread(tx: Transaction, row: Row, value: str) -> bool:
    """Of the list's `isKeyVaultRefreshFailed`: what stands in a vault, since none is read."""
    return value.lower() != "true" or bool(row.body.get("keyVault"))


def refresh(call: Call) -> Answer:
    """POST refreshSecret: what became of the last attempt, told anew; nothing, for what stands in no vault."""
    if not call.row.body.get("keyVault"):
        return Answer(200, call.show(call.row), etag=True)
    properties = call.row.clear()
    properties["keyVault"] = properties["keyVault"] | {LAST: None}
    row = call.write.put(call.row.id, properties, trusted=True)
    return Answer(200, call.show(row), etag=True)

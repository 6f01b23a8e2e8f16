"""Self-hosted gateways: their keys and tokens, and what their agents last told."""

from __future__ import annotations

from typing import Any

from management import debugging, heartbeats
from management.declare import OBJECT, Answer, Call, Change, Field, Properties, ResourceType
from management.errors import invalid
from management.keys import life_of, new_gateway_key, sign
from management.secret_fields import Secret
from management.store import Row
from management.transaction import Transaction

KEYS = ("primary", "secondary")
ACCEPTED = "acceptedDataset"


def prepare(change: Change) -> None:
    """The keys are no properties of ARM's: clients neither send nor see them."""
    debugging.complete(change.properties, change.former)
    if change.name.lower() == "managed":
        raise invalid("gatewayId", "'managed' is the name of the built-in gateway.")
    if ACCEPTED in change.former:
        change.properties.setdefault(ACCEPTED, change.former[ACCEPTED])
    for key in KEYS:
        change.properties[f"{key}Key"] = (
            change.properties.get(f"{key}Key") or change.former.get(f"{key}Key") or new_gateway_key()
        )


def wire(row: Row, properties: Properties) -> Properties:
    """A gateway does not need the keys that its own tokens are made with."""
    return {name: value for name, value in properties.items() if name not in ("primaryKey", "secondaryKey", ACCEPTED)}


def _which(call: Call) -> str:
    value = call.body.get("keyType")
    if not isinstance(value, str) or value.lower() not in KEYS:
        raise invalid("keyType", "keyType must be primary or secondary.")
    return value.lower()


def list_keys(call: Call) -> Answer:
    clear = call.row.clear()
    return Answer(200, {key: clear[f"{key}Key"] for key in KEYS}, etag=True)


def regenerate_key(call: Call) -> Answer:
    """Tokens made with the former key are worth nothing from now on."""
    call.write.put(call.row.id, {**call.row.clear(), f"{_which(call)}Key": new_gateway_key()}, trusted=True)
    return Answer(204)


def generate_token(call: Call) -> Answer:
    key = call.row.clear()[f"{_which(call)}Key"]
    expiry = life_of(call.body.get("expiry"))
    return Answer(200, {"value": sign(call.row.name, expiry, key)})


def accept_configuration(call: Call) -> Answer:
    """Ours, not ARM's: agents of this gateway that hold what another plane or store fed them may lose any of it.

    It is good for this dataset alone: a store that is lost and begun anew is another one, and asks again.
    """
    call.write.put(call.row.id, {**call.row.clear(), ACCEPTED: call.tx.service.dataset}, trusted=True)
    return Answer(204)


def accepted(tx: Transaction, gateway: str) -> bool:
    """Whether an operator accepted the present dataset of the service for this gateway."""
    row = tx.get(f"/gateways/{gateway}")
    return row is not None and row.clear().get(ACCEPTED) == tx.service.dataset


def list_instances(call: Call) -> list[dict[str, Any]]:
    """Ours, not ARM's: the last heartbeat of each agent."""
    return heartbeats.instances(call.tx, call.row.name)


TYPES = (
    ResourceType(
        path="gateways",
        title="Gateway",
        audience="gateway",
        fields=(
            Field("description", longest=1000),
            Field("locationData", OBJECT),
            Field("locationData.name", longest=256),
        ),
        readonly=frozenset({"primaryKey", "secondaryKey", debugging.KEY, ACCEPTED}),
        secrets=(Secret("primaryKey"), Secret("secondaryKey"), Secret(debugging.KEY), Secret(ACCEPTED)),
        prepare=prepare,
        wire=wire,
        actions={
            "listKeys": list_keys,
            "regenerateKey": regenerate_key,
            "generateToken": generate_token,
            "acceptConfiguration": accept_configuration,
            **debugging.ACTIONS,
        },
        of_service={debugging.MANAGED: frozenset(debugging.ACTIONS)},
        views={"instances": list_instances},
    ),
)

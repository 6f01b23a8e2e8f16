"""Debug credentials and traces: three actions of a gateway, and of "managed", which stands for every gateway here.

A token is signed with the debug key of its gateway, or with that of the service; gateways get both in their feed.
https://learn.microsoft.com/azure/api-management/api-management-howto-api-inspector
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from management import traces
from management.declare import Answer, Call, Properties
from management.errors import NotYet, invalid, not_found
from management.keys import new_gateway_key, sign_debug

LONGEST_LIFE = datetime.timedelta(hours=1)
PURPOSE = "tracing"
KEY = "debugKey"
MANAGED = "/gateways/managed"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)


def complete(properties: Properties, former: Properties) -> None:
    """A gateway or a service has a debug key from the beginning, so that a token is good as soon as it is made."""
    properties[KEY] = properties.get(KEY) or former.get(KEY) or new_gateway_key()


def list_debug_credentials(call: Call) -> Answer:
    purposes = call.body.get("purposes")
    if not isinstance(purposes, list) or not purposes or any(each != PURPOSE for each in purposes):
        raise invalid("purposes", f"purposes is required: a list whose only member is '{PURPOSE}'.")
    api = _api(call)
    now = datetime.datetime.now(datetime.UTC)
    expiry = now + _life(call.body.get("credentialsExpireAfter"))
    return Answer(200, {"token": sign_debug(api, expiry, _key(call))})


def invalidate_debug_credentials(call: Call) -> Answer:
    """Tokens made until now are worth nothing, as soon as the gateways have the new key."""
    call.write.put(call.row.id, {**call.row.clear(), KEY: new_gateway_key()}, trusted=True)
    return Answer(204)


def list_trace(call: Call) -> Answer:
    id = call.body.get("traceId")
    if not isinstance(id, str) or not id:
        raise invalid("traceId", "traceId is required: the value of the response header Apim-Trace-Id.")
    id = id.strip().replace("-", "").lower()
    if not traces.ID.fullmatch(id):
        raise not_found("Trace")
    found = traces.find(call.tx, id, None if call.row.key == "/" else call.row.name)
    if found is None:
        raise NotYet(
            "Trace not found. It comes when its request has ended; a gateway's last 100 traces are kept, for a day."
        )
    return Answer(200, found)


ACTIONS = {
    "listDebugCredentials": list_debug_credentials,
    "invalidateDebugCredentials": invalidate_debug_credentials,
    "listTrace": list_trace,
}


def _key(call: Call) -> str:
    """The debug key; a store that an older version wrote has none yet."""
    clear = call.row.clear()
    if KEY not in clear:
        clear = call.write.put(call.row.id, clear, trusted=True).clear()
    return str(clear[KEY])


def _api(call: Call) -> str:
    """The name of the API that `apiId` tells: a full ARM id, or the path below this service."""
    text = call.body.get("apiId")
    if not isinstance(text, str) or not text:
        raise invalid("apiId", "apiId is required: the full resource id of an API.")
    service = call.tx.service.id
    below = text[len(service) :] if text.lower().startswith(f"{service.lower()}/") else text
    parts = below.strip("/").split("/")
    if len(parts) != 2 or parts[0].lower() != "apis":
        raise invalid("apiId", f"apiId must be the resource id of an API of this service: {service}/apis/NAME.")
    row = call.tx.get(f"/apis/{parts[1]}") or call.tx.get(f"/apis/{parts[1].split(';', 1)[0]}")
    if row is None:
        raise invalid("apiId", f"There is no API '{parts[1][:80]}'.")
    root, _, revision = parts[1].partition(";")
    return f"{row.name.split(';', 1)[0]};{revision}" if revision else root and row.name.split(";", 1)[0]


def _life(value: Any) -> datetime.timedelta:
    if value is None:
        return LONGEST_LIFE
    found = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) < 40 else None
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups()) if found else (0, 0, 0, 0)
    if days > 1 or hours > 24 or minutes > 1440 or seconds > 86400:
        found = None
    life = datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds) if found else LONGEST_LIFE * 2
    if not datetime.timedelta() < life <= LONGEST_LIFE:
        raise invalid("credentialsExpireAfter", "credentialsExpireAfter must be an ISO 8601 duration of at most PT1H.")
    return life

"""An event hub as a logger's credentials describe it, and the key to it. Pure: the sidecar checks loggers with it.

Rules
1. A connection string has a key, with which calls are signed: a shared access signature of this hub, good for half an
   hour at most. Without a string, calls carry a token of the gateway's own identity.
2. The hub is the one that `name` names, else the string's EntityPath.

https://learn.microsoft.com/azure/api-management/api-management-howto-log-event-hubs
https://learn.microsoft.com/azure/event-hubs/authenticate-shared-access-signature
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, quote_plus

from telemetry.diagnostics import connection_string

SIGNED_FOR = 1800  # seconds a signature is good for; a new one is made in half that time
SYSTEM_ASSIGNED = "systemassigned"


@dataclass(slots=True, frozen=True)
class EventHub:
    """With `key`, calls are signed with it; without, they carry a token of the gateway's own identity (`client_id`,
    empty for the default one)."""

    url: str  # of the hub: https://NAMESPACE/HUB
    key_name: str = ""
    key: str = field(default="", repr=False)
    client_id: str = ""

    def signature(self, now: float) -> str:
        """The Authorization of a call at `now`, Unix seconds."""
        half = SIGNED_FOR // 2
        return _signature(self, int(now) // half * half + SIGNED_FOR)


def event_hub(credentials: Mapping[str, str]) -> EventHub:
    """Raises ValueError for credentials that cannot be used."""
    hub, address = credentials.get("name", ""), credentials.get("endpointAddress", "")
    key_name = key = ""
    if text := credentials.get("connectionString", ""):
        parts = connection_string(text)
        key_name, key = parts.get("sharedaccesskeyname", ""), parts.get("sharedaccesskey", "")
        hub, address = hub or parts.get("entitypath", ""), parts.get("endpoint", "")
        if not (key_name and key):
            raise ValueError("the connection string has no SharedAccessKeyName and SharedAccessKey")
    if not hub or not address:
        raise ValueError("the credentials need the name of the event hub and a connection string or an endpoint")
    scheme, found, host = address.rpartition("://")
    secure = not found or scheme.lower() not in ("http", "amqp")
    client = credentials.get("identityClientId", "")
    return EventHub(
        f"{'https' if secure else 'http'}://{host.strip('/')}/{quote(hub)}",
        key_name,
        key,
        "" if client.lower() == SYSTEM_ASSIGNED else client,
    )


@lru_cache(maxsize=256)
def _signature(hub: EventHub, expires: int) -> str:
    resource = quote_plus(hub.url.lower())
    digest = hmac.new(hub.key.encode(), f"{resource}\n{expires}".encode(), hashlib.sha256).digest()
    signed = quote_plus(base64.b64encode(digest))
    return f"SharedAccessSignature sr={resource}&sig={signed}&se={expires}&skn={hub.key_name}"

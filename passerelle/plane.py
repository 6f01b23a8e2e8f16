"""A small client of the management plane: ARM calls by plain http on loopback, or by https with the plane's own CA."""

from __future__ import annotations

import datetime
import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

API_VERSION = "2024-05-01"
TIMEOUT = 30.0  # seconds, one call
SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)


class PlaneError(Exception):
    """The plane refused a call, or could not be reached (`status` 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Plane:
    """`path` of every call is below the service, e.g. `/apis/shop`."""

    def __init__(self, url: str, token: str, service: str = SERVICE, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self._token = token
        self._service = service

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self.call("GET", path, query=query)

    def put(self, path: str, properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.call("PUT", path, None if properties is None else {"properties": properties})

    def patch(self, path: str, properties: Mapping[str, Any]) -> dict[str, Any]:
        return self.call("PATCH", path, {"properties": properties}, {"If-Match": "*"})

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except PlaneError as error:
            if error.status == 404:
                return False
            raise
        return True

    def put_policy(self, path: str, document: str) -> None:
        """`path` is that of the owner: "" for the service, `/apis/shop`, `/products/starter` ..."""
        self.put(f"{path}/policies/policy", {"format": "rawxml", "value": document})

    def gateway_token(self, gateway: str, days: int = 30) -> str:
        """A token for `gateway`, which is made when there is none. 30 days is the longest a token may live."""
        if not self.exists(f"/gateways/{gateway}"):
            self.put(
                f"/gateways/{gateway}",
                {"locationData": {"name": "local"}, "description": "Made by the passerelle command."},
            )
        # a minute less, since the clocks of two hosts differ
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, minutes=-1)
        answer = self.call(
            "POST",
            f"/gateways/{gateway}/generateToken",
            {"keyType": "primary", "expiry": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")},
        )
        value = str(answer["value"])
        return value if value.startswith("GatewayKey ") else f"GatewayKey {value}"

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One call; the JSON object of the answer, or {} when it has none. Raises `PlaneError`."""
        target = f"{self._service}{path}?{urlencode({'api-version': API_VERSION, **(query or {})})}"
        head = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **(headers or {})}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            head["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, target, payload, head)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise PlaneError(0, f"{method} {target}: the management plane does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise PlaneError(answer.status, f"{method} {target}: {answer.status} {_reason(text)}")
        found = json.loads(text) if text.strip() else {}
        return found if isinstance(found, dict) else {}

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT, context=self._tls)


def _reason(text: str) -> str:
    """What an ARM error body says, with its details; the start of the text when it is something else."""
    try:
        error = json.loads(text)["error"]
        details = [str(each.get("message", "")) for each in error.get("details") or []]
        return " ".join([f"{error['code']}: {error['message']}", *details])
    except (ValueError, KeyError, TypeError, AttributeError):
        return text[:300]

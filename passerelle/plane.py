"""A small client of the management plane: ARM calls by plain http on loopback, or by https with the plane's own CA."""

from __future__ import annotations

import copy
import datetime
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

API_VERSION = "2024-05-01"
AGENT = "passerelle"
PLAIN = "/;=,@:~"  # in a path; names may have anything else, as in "apis/my api"
TIMEOUT = 30.0  # seconds, one call
SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)


class Target(NamedTuple):
    """Names in the id of a service."""

    subscription: str
    group: str
    service: str


class PlaneError(Exception):
    """The plane refused a call, or could not be reached (`status` 0). `details` are (target, message)."""

    def __init__(self, status: int, message: str, details: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class Plane:
    """`path` of every call is below the service, e.g. `/apis/shop`."""

    def __init__(self, url: str, token: str, service: str = SERVICE, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        self._url = url.rstrip("/")
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port
        self._tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self._token = token
        self.ca = ca
        self._service = service

    @property
    def id(self) -> str:
        """The ARM id of the service."""
        return self._service

    def target(self) -> Target:
        """The parts of the id of the service."""
        parts = self._service.strip("/").split("/")
        return Target(parts[1], parts[3], parts[7])

    def within(self, workspace: str) -> Plane:
        """The same plane, with the paths of its calls below a workspace."""
        inner = copy.copy(self)
        inner._service = f"{self._service}/workspaces/{workspace}"
        return inner

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
        timeout: float = TIMEOUT,
    ) -> dict[str, Any]:
        """One call; the JSON object of the answer, or {} when it has none. Raises `PlaneError`."""
        target = f"{quote(self._service + path, safe=PLAIN)}?{urlencode({'api-version': API_VERSION, **(query or {})})}"
        head = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", "User-Agent": AGENT}
        head |= headers or {}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            head["Content-Type"] = "application/json"
        connection = self._connection(timeout)
        try:
            connection.request(method, target, payload, head)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise PlaneError(0, self._away(error)) from error
        finally:
            connection.close()
        if answer.status == 401:
            raise PlaneError(
                401,
                f"The management plane at {self._url} does not take this token. Give that of its admin.token: "
                "--token @FILE, or PASSERELLE_TOKEN.",
            )
        if answer.status >= 300:
            message = f"{method} {path or 'the service'}: {answer.status} {_reason(text)}"
            raise PlaneError(answer.status, message, _details(text))
        found = json.loads(text) if text.strip() else {}
        return found if isinstance(found, dict) else {}

    def all(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a collection, page by page."""
        skip, page = 0, 1000
        while True:
            items = self.get(path, {**(query or {}), "$top": str(page), "$skip": str(skip)})["value"]
            yield from items
            skip += len(items)
            if len(items) < page:
                return

    def relative(self, value: Any) -> Any:
        """`value` with the id of the service cut off from every id in it."""
        if isinstance(value, str) and value.lower().startswith(f"{self._service.lower()}/"):
            return value[len(self._service) :]
        if isinstance(value, dict):
            return {key: self.relative(each) for key, each in value.items()}
        return [self.relative(each) for each in value] if isinstance(value, list) else value

    def open(self, link: str) -> str:
        """What is behind a link of the plane's, which needs no credentials."""
        parts = urlsplit(link)
        connection = self._connection(TIMEOUT)
        try:
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PlaneError(0, f"GET {link}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise PlaneError(answer.status, f"GET {link}: {answer.status}")
        return text

    def _away(self, error: Exception) -> str:
        """What to do about a plane that could not be asked."""
        known = isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror
        problem = known or str(error) or type(error).__name__
        if isinstance(error, ssl.SSLError):
            problem = (error.reason or problem).replace("_", " ").lower()
        if isinstance(error, ssl.SSLCertVerificationError):
            remedy = "Name the authority that signed its certificate: --ca FILE, or PASSERELLE_CA."
        elif isinstance(error, ssl.SSLError):
            remedy = "Perhaps it speaks plain http there."
        else:
            remedy = "Start it, or name another one: --management URL, or PASSERELLE_MANAGEMENT."
        return f"The management plane at {self._url} does not answer: {problem}. {remedy}"

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)


def _reason(text: str) -> str:
    """What an ARM error body says, with its details; the start of the text when it is something else."""
    try:
        error = json.loads(text)["error"]
        details = [str(each.get("message", "")) for each in error.get("details") or []]
        return " ".join([f"{error['code']}: {error['message']}", *details])
    except (ValueError, KeyError, TypeError, AttributeError):
        return text[:300]


def _details(text: str) -> tuple[tuple[str, str], ...]:
    try:
        details = json.loads(text)["error"].get("details") or []
        return tuple((str(each["target"]), str(each["message"])) for each in details)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()

"""The way to the ingestion service of Application Insights.

    POST {IngestionEndpoint}/v2.1/track    a JSON array of envelopes, gzip

Rules
1. 206 means that some items were taken: those that may be tried again are, the others are counted as refused.
2. What is busy or not permitted is tried again (401, 403, 408, 429, 5xx; 402 and 439, an exhausted quota, only when the
   service says when); anything else is refused for good.
3. A permanent redirection, such as from the global endpoint to that of a region, is followed and remembered, for as
   long as there are answers from there.
4. A logger with an identity sends a token; without one the key in the connection string is what authenticates.

https://learn.microsoft.com/azure/azure-monitor/app/connection-strings
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson

from telemetry.diagnostics import connection_string
from telemetry.https import LOOPBACK, Answer, Closed, Origin, open_to_all
from telemetry.lane import Later, Partly, Refused

GLOBAL_ENDPOINT = "https://dc.services.visualstudio.com"
AUDIENCE = "https://monitor.azure.com/"
PATH = "/v2.1/track"
RETRYABLE = frozenset({401, 403, 408, 429, 500, 502, 503, 504})
QUOTA = frozenset({402, 439})
REDIRECTIONS = 3


@dataclass(slots=True, frozen=True)
class Insights:
    """One Application Insights resource. `identity` is whose token is sent: None for nobody's, "" for that of the
    gateway itself, else a client id."""

    key: str = field(repr=False)
    endpoint: str = GLOBAL_ENDPOINT
    audience: str = AUDIENCE
    identity: str | None = None

    @classmethod
    def read(cls, credentials: Mapping[str, str], plain: bool = False) -> Insights:
        """Of a logger's credentials; `plain`: unencrypted endpoints may be anywhere, not only on this machine. Raises
        ValueError."""
        parts = connection_string(credentials.get("connectionString", ""))
        key = parts.get("instrumentationkey") or credentials.get("instrumentationKey", "").strip()
        if not key or "{{" in key:
            raise ValueError(
                "there is no instrumentation key; it must be InstrumentationKey=...;IngestionEndpoint=https://..."
            )
        if parts.get("authorization", "ikey").lower() != "ikey":
            raise ValueError("the connection string's Authorization must be ikey")
        endpoint, identity = _endpoint(parts, plain), credentials.get("identityClientId")
        if identity is not None:
            identity = "" if identity.lower() in ("", "systemassigned") else identity
            if endpoint.startswith("http:") and urlsplit(endpoint).hostname not in LOOPBACK:
                raise ValueError("a token may only be sent to an https IngestionEndpoint")
        return cls(key, endpoint, parts.get("aadaudience") or AUDIENCE, identity)


def _endpoint(parts: Mapping[str, str], plain: bool) -> str:
    text = parts.get("ingestionendpoint", "")
    if not text:
        suffix, location = parts.get("endpointsuffix", ""), parts.get("location", "")
        text = f"https://{f'{location}.' if location else ''}dc.{suffix}" if suffix else GLOBAL_ENDPOINT
    try:
        found = urlsplit(text)
        usable = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable or found.query or found.fragment:
        raise ValueError("the IngestionEndpoint of the connection string is not a URL such as https://host.example")
    if found.scheme == "http" and found.hostname not in LOOPBACK and not plain:
        raise ValueError("the IngestionEndpoint must be https, unless net.client.http.allowed is true")
    return text.rstrip("/")


Token = Callable[[str, str], str]  # audience and client id to a token; raises Later


class Ingestion:
    """`send` is a lane's; it runs on that lane's thread."""

    def __init__(self, insights: Insights, token: Token | None = None, closed: Closed = open_to_all) -> None:
        self._insights = insights
        self._token = token
        self._closed = closed
        self._origin = Origin(insights.endpoint, closed)
        self._at_home = True

    def send(self, data: bytes, timeout: float) -> None:
        """`data` is a JSON array of envelopes. Raises Later, Partly or Refused."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "User-Agent": "passerelle"}
        if self._token is not None and self._insights.identity is not None:
            headers["Authorization"] = f"Bearer {self._token(self._insights.audience, self._insights.identity)}"
        body = gzip.compress(data, 1)
        try:
            answer = self._origin.post(PATH, body, headers, timeout)
            for _ in range(REDIRECTIONS):
                if answer.status not in (307, 308) or not self._moved(answer.location):
                    break
                answer = self._origin.post(PATH, body, headers, timeout)
        except (Later, Refused):
            self._back()
            raise
        judge(answer, data)

    def close(self) -> None:
        """After the lane has ended."""
        self._origin.close()

    def _back(self) -> None:
        """Ask at the endpoint itself again, next time."""
        if self._at_home:
            return
        self._origin.close()
        self._origin, self._at_home = Origin(self._insights.endpoint, self._closed), True

    def _moved(self, location: str) -> bool:
        """Go where the service says from now on; False when that is no place to go to."""
        now = urlsplit(self._insights.endpoint)
        try:
            target = urlsplit(urljoin(self._insights.endpoint, location))
            usable = bool(target.hostname) and not target.username and target.port != 0
        except ValueError:
            return False
        if not usable or target.scheme != now.scheme:
            return False
        if now.scheme == "http" and now.hostname in LOOPBACK and target.hostname not in LOOPBACK:
            return False  # what may go unencrypted on this machine may not leave it so
        self._origin.close()
        self._origin = Origin(f"{target.scheme}://{target.netloc}{target.path.removesuffix(PATH)}", self._closed)
        self._at_home = False
        return True


def judge(answer: Answer, data: bytes) -> None:
    """Return for a success; raises Later, Partly or Refused (rules 1 and 2)."""
    status = answer.status
    if status == 206:
        _partly(answer, data)
    elif status in RETRYABLE or (status in QUOTA and answer.after):
        raise Later(f"HTTP {status}", answer.after)
    elif not 200 <= status < 300:
        raise Refused(f"HTTP {status}{_reason(_document(answer.body))}")


def _partly(answer: Answer, data: bytes) -> None:
    told = _document(answer.body)
    errors = [each for each in told.get("errors") or () if isinstance(each, dict)]
    if not errors:
        return
    items = orjson.loads(data)
    rest: dict[int, Any] = {}
    refused: set[int] = set()
    for each in errors:
        index, status = each.get("index"), each.get("statusCode")
        if isinstance(index, int) and 0 <= index < len(items):
            if status in RETRYABLE:
                rest[index] = items[index]
            else:
                refused.add(index)
    refused -= rest.keys()
    if rest or refused:
        again = orjson.dumps([rest[index] for index in sorted(rest)]) if rest else b""
        raise Partly(f"HTTP 206{_reason(told)}", len(refused), again, len(rest), answer.after)


def _document(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _reason(told: Mapping[str, Any]) -> str:
    """The first thing that the service complains of."""
    errors = told.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    message = str(first.get("message") or "")[:200]
    return f": {message}" if message else ""

"""Access tokens of this gateway's own identity, for the destinations of the telemetry child.

Rules
1. A token is kept until `MARGIN` seconds before its end, or for half of its life where that is later; when a new one
   cannot be had the old one serves until it ends.
2. After a failure nobody asks again for `RETRY` seconds. Whoever needs a token then gets Later: what it would have
   carried waits in its lane.
3. No token and no secret is logged, nor told in a reason.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from telemetry.https import Origin
from telemetry.identity import IdentitySettings
from telemetry.lane import Later

MARGIN = 300.0  # seconds
RETRY = 5.0
TIMEOUT = 10.0
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(slots=True)
class _Held:
    """Times are monotonic seconds."""

    token: str = ""
    renew: float = 0.0
    end: float = 0.0
    tried: float = float("-inf")
    problem: str = ""


class Tokens:
    """Safe from any thread: lanes share it. `token` may wait for the endpoint, so the child's own thread never asks."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._settings = settings
        self._held: dict[tuple[str, str], _Held] = {}
        self._lock = threading.Lock()

    def token(self, resource: str, client_id: str = "") -> str:
        """For `resource`, such as https://monitor.azure.com. Raises Later."""
        with self._lock:
            held = self._held.setdefault((resource, client_id), _Held())
            now = time.monotonic()
            if now < held.renew:
                return held.token
            if now - held.tried >= RETRY:
                held.tried = now
                try:
                    held.token, life = self._fetch(resource, client_id)
                except (ValueError, OSError, Later) as problem:
                    held.problem = problem.reason if isinstance(problem, Later) else str(problem)
                else:
                    held.end, held.problem = now + life, ""
                    held.renew = now + max(life - MARGIN, life / 2)
            if now < held.end:
                return held.token
            raise Later(f"no token for {resource}: {held.problem}", max(0.1, held.tried + RETRY - now))

    def forget(self, resource: str, client_id: str = "") -> None:
        """The token was not accepted: fetch another for the next try."""
        with self._lock:
            if held := self._held.get((resource, client_id)):
                held.renew = held.end = 0.0
                held.tried = float("-inf")

    def _fetch(self, resource: str, client_id: str) -> tuple[str, float]:
        method, url, headers, body = _request(self._settings, resource, client_id)
        parts = urlsplit(url)
        origin = Origin(f"{parts.scheme}://{parts.netloc}")
        try:
            answer = origin.ask(method, url.removeprefix(f"{parts.scheme}://{parts.netloc}"), body, headers, TIMEOUT)
        finally:
            origin.close()
        try:
            content = json.loads(answer.body)
        except ValueError:
            content = None
        if answer.status != 200 or not isinstance(content, dict):
            code = content.get("error") if isinstance(content, dict) else None
            told = f", {code}" if isinstance(code, str) and len(code) < 100 else ""
            raise ValueError(f"{parts.netloc.rpartition('@')[2]} answered {answer.status}{told}")
        return _read(content)


def _request(settings: IdentitySettings, resource: str, client_id: str) -> tuple[str, str, dict[str, str], bytes]:
    """Method, URL, headers and body. Raises ValueError without an identity, OSError for a file that is not there."""
    client = client_id or settings.client
    headers = {"Accept": "application/json"}
    if settings.source in ("workload", "secret"):
        form = {"grant_type": "client_credentials", "client_id": client, "scope": f"{resource}/.default"}
        if settings.source == "secret":
            form["client_id"] = settings.client  # the secret is of this one
            form["client_secret"] = settings.client_secret()
        else:
            form["client_assertion_type"] = _ASSERTION
            form["client_assertion"] = Path(settings.token_file).read_text("utf-8").strip()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{settings.authority.rstrip('/')}/{quote(settings.tenant)}/oauth2/v2.0/token"
        return "POST", url, headers, urlencode(form).encode()
    query = {"resource": resource, **({"client_id": client} if client else {})}
    if settings.source == "imds":
        headers["Metadata"] = "true"
        version = "2018-02-01"
    elif settings.source == "appservice":
        headers["X-IDENTITY-HEADER"] = settings.header
        version = "2019-08-01"
    else:
        raise ValueError("this gateway has no identity. Set policy.identity.source")
    mark = "&" if "?" in settings.endpoint else "?"
    return "GET", f"{settings.endpoint}{mark}{urlencode({'api-version': version, **query})}", headers, b""


def _read(answer: dict[str, Any]) -> tuple[str, float]:
    """Token and seconds of life; `expires_in` is seconds, `expires_on` seconds since 1970, both also as texts."""
    token = answer.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise ValueError("the answer holds no access_token")
    for name, begin in (("expires_in", 0.0), ("expires_on", time.time())):
        try:
            return token, max(float(answer[name]) - begin, 0.0)
        except (KeyError, TypeError, ValueError):
            continue
    raise ValueError("the answer does not say when the token ends")


def identity(settings: IdentitySettings, wanted_by: str) -> Tokens:
    """Tokens for a destination. Raises ValueError where this gateway has no identity."""
    if settings.source == "none":
        raise ValueError(
            f"setting {wanted_by} needs an identity: set policy.identity.source to imds, appservice, workload or "
            "secret, or run where the platform gives one"
        )
    return Tokens(settings)

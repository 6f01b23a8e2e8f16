"""Who may come in on the ARM side, and how clients of Azure get their tokens.

    Authorization: Bearer <admin token>                    contributor
    Authorization: Bearer <token of the endpoint below>    contributor or reader, for an hour
    Authorization: SharedAccessSignature <...>             contributor of the service whose tenant access made it, or
                                                           a user, who reads what is its own (`user_tokens.py`)

The token endpoint speaks OAuth 2.0's client credentials as AD FS does, which is what `az login` and azure-identity know
for clouds that are not Azure's. The client secret is the admin token; the client id `reader` asks for a token that may
only read. Gateway tokens are another matter: they open the configuration feed and nothing here.

Who guesses at the token endpoint is kept waiting after a few failures, and everybody else is not.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import json
import re
import time
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from aiohttp import web

from management.guesses import Guesses
from management.keys import same, shared_access
from management.store import Store
from management.transaction import reading
from management.user_tokens import User, user_of

Role = Literal["contributor", "reader"]
ROLE: web.RequestKey[object] = web.RequestKey("role", object)  # in a request: who asks
LIFE = 3600
LONGEST = 4096
BEARER, SIGNED = "bearer ", "sharedaccesssignature "
READING = frozenset({"GET", "HEAD"})
SHORT = re.compile(r"(?P<uid>[^&]{1,100})&(?P<expiry>\d{12})&(?P<sign>.{1,200})")
TENANT = "adfs"


class Access:
    def __init__(self, store: Store, admin_token: str) -> None:
        self.guesses = Guesses()
        self._store = store
        self._admin = admin_token
        # tokens end with the admin token that they were made from
        self._key = hmac.digest(admin_token.encode(), b"access tokens of the management plane", "sha256")

    def role(self, header: str, service: str) -> Role | User | None:
        """Of a caller who sends `header` and asks for the service with the ARM id `service`; None: stays outside."""
        if len(header) > LONGEST:
            return None
        if header[: len(BEARER)].lower() == BEARER:
            token = header[len(BEARER) :].strip()
            return "contributor" if same(token, self._admin) else self._of_token(token)
        if header[: len(SIGNED)].lower() == SIGNED:
            text = header[len(SIGNED) :].strip()
            return "contributor" if self._signed(text, service) else self._user(text, service)
        return None

    def credential(self, header: str, role: Role | User) -> str:
        """What to call somebody who was let in as `role` and makes a change."""
        if isinstance(role, User):
            return role.id
        token = header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else ""
        if not token:
            return "tenant access"
        return "admin" if same(token, self._admin) else str(_claims(token).get("appid") or "token endpoint")

    def _user(self, text: str, service: str) -> User | None:
        with reading(self._store, service) as tx:
            return user_of(tx, text, "access") if tx else None

    def issue(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint; PermissionError with OAuth's error code."""
        if form.get("grant_type") != "client_credentials":
            raise PermissionError("unsupported_grant_type")
        if not same(form.get("client_secret", ""), self._admin):
            raise PermissionError("invalid_client")
        role: Role = "reader" if form.get("client_id") == "reader" else "contributor"
        now = int(time.time())
        claims = {
            "aud": form.get("resource") or form.get("scope") or "",
            "iss": TENANT,
            "tid": TENANT,
            "appid": form.get("client_id", ""),
            "oid": form.get("client_id", ""),
            "sub": form.get("client_id", ""),
            "role": role,
            "iat": now,
            "nbf": now,
            "exp": now + LIFE,
        }
        head = f"{_encode({'typ': 'JWT', 'alg': 'HS256'})}.{_encode(claims)}"
        token = f"{head}.{self._signature(head)}"
        times = {"expires_in": LIFE, "expires_on": now + LIFE, "not_before": now}
        return {"token_type": "Bearer", "access_token": token, "resource": claims["aud"], **times}

    def _of_token(self, token: str) -> Role | None:
        head, _, signature = token.rpartition(".")
        if not same(signature, self._signature(head)):
            return None
        claims = _claims(token)
        if claims["exp"] <= time.time():
            return None
        return "reader" if claims["role"] == "reader" else "contributor"

    def _signature(self, head: str) -> str:
        digest = hmac.digest(self._key, head.encode("utf-8", "surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _signed(self, text: str, service: str) -> bool:
        """A signature of the direct management API, made with a key of the service's tenant access."""
        expiry, sign, form = _signed_parts(text)
        if expiry is None or expiry <= datetime.datetime.now(datetime.UTC):
            return False
        with reading(self._store, service) as tx:
            row = tx.get("/tenant/access") if tx else None
            if row is None or not row.body.get("enabled"):
                return False
            clear = row.clear()
        good = False
        for name in ("primaryKey", "secondaryKey"):
            good |= same(sign, shared_access(f"integration\n{form}", clear[name]))
        return good


def _signed_parts(text: str) -> tuple[datetime.datetime | None, str, str]:
    """(expiry, signature, the expiry as it was signed) of both spellings; no expiry when it is neither."""
    short = SHORT.fullmatch(text)
    if short and short["uid"] == "integration":
        try:
            expiry = datetime.datetime.strptime(short["expiry"], "%Y%m%d%H%M").replace(tzinfo=datetime.UTC)
        except ValueError:
            return None, "", ""
        return expiry, short["sign"], f"{expiry:%Y-%m-%dT%H:%M}:00.0000000Z"
    fields = {name: values[0] for name, values in parse_qs(text.replace("+", "%2B")).items()}
    if fields.get("uid") != "integration" or "sn" not in fields:
        return None, "", ""
    form = unquote(fields.get("ex", ""))
    try:
        expiry = datetime.datetime.fromisoformat(form)
    except ValueError:
        return None, "", ""
    expiry = expiry if expiry.tzinfo else expiry.replace(tzinfo=datetime.UTC)
    return expiry, fields["sn"], form


def metadata(base: str) -> dict[str, Any]:
    """What `az cloud register` reads about a cloud."""
    return {
        "name": "Passerelle",
        "portal": base,
        "authentication": {
            "loginEndpoint": f"{base}/{TENANT}",
            "audiences": [base],
            "tenant": TENANT,
            "identityProvider": "ADFS",
        },
        "graphAudience": base,
        "graph": base,
        "resourceManager": f"{base}/",
        "media": base,
        "batch": base,
        "galleryEndpoint": base,
        "activeDirectoryDataLake": base,
        "suffixes": {"acrLoginServer": "", "keyVaultDns": "", "sqlServerHostname": "", "storage": "local"},
    }


def openid_configuration(base: str) -> dict[str, Any]:
    return {
        "issuer": f"{base}/{TENANT}",
        "authorization_endpoint": f"{base}/{TENANT}/oauth2/authorize",
        "token_endpoint": f"{base}/{TENANT}/oauth2/token",
        "device_authorization_endpoint": f"{base}/{TENANT}/oauth2/devicecode",
        "jwks_uri": f"{base}/{TENANT}/discovery/keys",
        "response_types_supported": ["token"],
        "grant_types_supported": ["client_credentials"],
    }


def _encode(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _claims(token: str) -> dict[str, Any]:
    """What a token of the endpoint says; its signature has been checked."""
    claims: dict[str, Any] = json.loads(_decode(token.rpartition(".")[0].partition(".")[2]))
    return claims


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b"{}"

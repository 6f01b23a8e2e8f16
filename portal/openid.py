"""Signing in with OpenID Connect: which providers there are, what they publish, and whether an id token is right.

Providers are the service's `identityProviders` of the kinds aad, aadB2C, microsoft and google, and the one that the
settings name. (`facebook` and `twitter` speak no OpenID Connect; they are not offered.)

Rules
1. The code flow with PKCE, always; state, nonce and verifier lie in a sealed cookie of ten minutes, which is good once.
2. An id token is believed when a key that the issuer publishes has signed it (never HMAC, never none), and issuer,
   audience, azp, lifetime and nonce are right.
3. What is fetched is bounded in size and time, comes by https (loopback excepted), and redirects are not followed.
Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from portal.model import Resource, name_of, properties_of
from portal.plane import Plane, PlaneError
from portal.settings import LOOPBACK, Settings
from proxy.tokens import claims, compact
from proxy.tokens.keys import KeySet
from proxy.tokens.refusal import TokenRefused

TIMEOUT = aiohttp.ClientTimeout(total=10.0)
LARGEST = 512 * 1024  # bytes of one document
KEPT = 600.0  # seconds
AGAIN = 30.0  # seconds between two readings of keys because of an unknown one
OFFERED = 60.0  # seconds for which the list of providers is kept
SKEW = 120.0  # seconds
ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
SCOPES = "openid email profile"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the tenant of private Microsoft accounts
NAMES = {"aad": "Microsoft Entra ID", "aadB2C": "Azure AD B2C", "microsoft": "Microsoft", "google": "Google"}


class SignInFailed(Exception):
    """The provider, or what it sent, is not to be believed; the text may be shown."""


@dataclass(frozen=True)
class Provider:
    """`issuer` is where its metadata are found; `tenants` those that may sign in, any when there are none."""

    id: str
    name: str
    issuer: str
    client: str
    secret: str = field(repr=False, default="")
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """Who signed in. `verified`: the issuer has seen that the address is this person's."""

    provider: str
    subject: str
    email: str
    verified: bool
    first_name: str
    last_name: str


@dataclass
class _Published:
    metadata: dict[str, Any]
    keys: KeySet
    at: float


class Providers:
    def __init__(self, settings: Settings, plane: Plane) -> None:
        self._settings, self._plane = settings, plane
        self._offered: tuple[float, tuple[Provider, ...]] = (-OFFERED, ())
        self._published: dict[str, _Published] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=8, ssl=ssl.create_default_context()),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def offered(self) -> tuple[Provider, ...]:
        """Those of the last time, while the plane is away."""
        asked, known = self._offered
        if time.monotonic() - asked >= OFFERED:
            try:
                known = (*self._of_settings(), *await self._of_service())
                self._offered = time.monotonic(), known
            except PlaneError:
                known = known or tuple(self._of_settings())
        return known

    async def find(self, id: str) -> Provider | None:
        return next((one for one in await self.offered() if one.id == id), None)

    def _of_settings(self) -> list[Provider]:
        own = self._settings.openid
        if own is None:
            return []
        secret = own.secret_file.read_text(encoding="utf-8").strip() if own.secret_file else ""
        return [Provider("openid", own.name, own.issuer, own.client, secret)]

    async def _of_service(self) -> list[Provider]:
        found = []
        for each in await self._plane.every("/identityProviders"):
            if issuer := issuer_of(each):
                path = f"/identityProviders/{quote(name_of(each), safe='')}"
                secret = str((await self._plane.post(f"{path}/listSecrets")).get("clientSecret") or "")
                properties = properties_of(each)
                kind = str(properties.get("type") or name_of(each))
                tenants = properties.get("allowedTenants")
                allowed = tuple(map(str, tenants)) if isinstance(tenants, list) and kind == "aad" else ()
                client = str(properties.get("clientId") or "")
                found.append(Provider(kind, NAMES[kind], issuer, client, secret, allowed))
        return found

    async def address(self, provider: Provider, back: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in. Raises SignInFailed."""
        published = await self._metadata(provider)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": provider.client,
            "redirect_uri": back,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        target = str(published.metadata["authorization_endpoint"])
        return f"{target}{'&' if '?' in target else '?'}{urlencode(query)}"

    async def redeem(
        self, provider: Provider, back: str, code: str, nonce: str, verifier: str, issuer: str = ""
    ) -> Person:
        """Who signed in; `issuer` is what came back beside the code. Raises SignInFailed."""
        published = await self._metadata(provider)
        if issuer and issuer != published.metadata["issuer"] and "{tenantid}" not in published.metadata["issuer"]:
            raise SignInFailed("The answer came from another issuer.")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        headers = {"Accept": "application/json"}
        ways = published.metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if provider.secret and "client_secret_basic" in ways:
            pair = f"{quote(provider.client, safe='')}:{quote(provider.secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = provider.client
            if provider.secret:
                form["client_secret"] = provider.secret
        answer = await self._fetch("POST", str(published.metadata["token_endpoint"]), data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInFailed("The provider sent no id token.")
        return await self._person(provider, published, token, nonce)

    async def _person(self, provider: Provider, published: _Published, token: str, nonce: str) -> Person:
        try:
            signed = compact.read(token)
            if not isinstance(signed, compact.Signed) or signed.header["alg"] not in ALGORITHMS:
                raise SignInFailed("The id token is not signed as it should be.")
            if not _verified(signed, published.keys):
                published = await self._metadata(provider, anew=True)
                if not _verified(signed, published.keys):
                    raise SignInFailed("No key of the issuer has signed the id token.")
            payload = signed.payload
            claims.check_issuer(payload, [str(published.metadata["issuer"])])
            claims.check_audience(payload, [provider.client])
            claims.check_lifetime(payload, time.time(), SKEW, True)
        except TokenRefused as refused:
            raise SignInFailed(f"The id token is refused: {refused}") from None
        if payload.get("nonce") != nonce:
            raise SignInFailed("The id token belongs to another sign-in.")
        several = isinstance(payload.get("aud"), list) and len(payload["aud"]) > 1
        if (several or "azp" in payload) and payload.get("azp") != provider.client:
            raise SignInFailed("The id token was made for another client.")
        if provider.tenants and payload.get("tid") not in provider.tenants:
            raise SignInFailed("People of this tenant may not sign in here.")
        subject = payload.get("sub")
        if not isinstance(subject, str) or not subject:
            raise SignInFailed("The id token does not say who it is about.")
        return _person(f"{payload['iss']}", subject, payload)

    async def _metadata(self, provider: Provider, anew: bool = False) -> _Published:
        known = self._published.get(provider.issuer)
        if known is not None and time.monotonic() - known.at < (AGAIN if anew else KEPT):
            return known
        document = await self._fetch("GET", f"{provider.issuer}/.well-known/openid-configuration")
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document.get(name), str) or not _allowed(document[name]):
                raise SignInFailed(f"The metadata of {provider.name} have no {name} that can be used.")
        if document["issuer"].rstrip("/") != provider.issuer and not _of_microsoft(provider, document["issuer"]):
            raise SignInFailed(f"The metadata of {provider.name} are those of another issuer.")
        try:
            keys = KeySet.read(document["issuer"], await self._fetch("GET", document["jwks_uri"]))
        except ValueError as error:
            raise SignInFailed(f"The keys of {provider.name} cannot be read.") from error
        found = self._published[provider.issuer] = _Published(document, keys, time.monotonic())
        return found

    async def _fetch(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        assert self._session is not None, "open() comes first"
        if not _allowed(url):
            raise SignInFailed("An address of the provider does not start with https://.")
        try:
            async with self._session.request(method, url, allow_redirects=False, **more) as response:
                content = await response.content.read(LARGEST + 1)
                while len(content) <= LARGEST and (piece := await response.content.read(LARGEST + 1 - len(content))):
                    content += piece
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SignInFailed(f"The provider does not answer ({type(error).__name__}).") from None
        if response.status != 200 or len(content) > LARGEST:
            raise SignInFailed(f"The provider answers {response.status}, which is no result.")
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise SignInFailed("The provider's answer is no JSON object.")
        return document


PROVIDERS: web.AppKey[Providers] = web.AppKey("providers", Providers)


def issuer_of(resource: Resource) -> str:
    """Of an identity provider of the service; "" for one that speaks no OpenID Connect."""
    properties = properties_of(resource)
    kind = str(properties.get("type") or name_of(resource))
    authority = str(properties.get("authority") or "login.microsoftonline.com").strip("/")
    authority = authority if authority.startswith(("https://", *LOOPBACK)) else f"https://{authority}"
    tenant = str(properties.get("signinTenant") or "organizations")
    if kind == "aad":
        return f"{authority}/{quote(tenant, safe='')}/v2.0"
    if kind == "aadB2C":
        policy = str(properties.get("signinPolicyName") or "")
        return f"{authority}/{quote(tenant, safe='')}/{quote(policy, safe='')}/v2.0" if policy else ""
    return {
        "google": "https://accounts.google.com",
        "microsoft": f"https://login.microsoftonline.com/{CONSUMERS}/v2.0",
    }.get(kind, "")


def _allowed(url: str) -> bool:
    return url.startswith("https://") or any(
        url == each or url.startswith((f"{each}:", f"{each}/")) for each in LOOPBACK
    )


def _of_microsoft(provider: Provider, issuer: str) -> bool:
    """Its metadata name a tenant by its id, whatever it was asked by, or say `{tenantid}`."""
    return provider.id in ("aad", "aadB2C") and issuer.split("/")[2] == provider.issuer.split("/")[2]


def _verified(signed: compact.Signed, keys: KeySet) -> bool:
    name = str(signed.header.get("kid") or "")
    return any(
        key.verifies(str(signed.header["alg"]), signed.covered, signed.signature)
        for key in keys.keys
        if not name or not key.name or key.name == name
    )


def _person(issuer: str, subject: str, payload: dict[str, Any]) -> Person:
    def text(name: str) -> str:
        value = payload.get(name)
        return value.strip()[:100] if isinstance(value, str) and value.isprintable() else ""

    emails = payload.get("emails")  # of Azure AD B2C
    email = text("email") or (str(emails[0])[:254] if isinstance(emails, list) and emails else "")
    first, _, last = text("name").partition(" ")
    return Person(
        issuer,
        subject,
        email or (text("preferred_username") if "@" in text("preferred_username") else ""),
        payload.get("email_verified") in (True, "true"),
        text("given_name") or first or email.partition("@")[0] or "-",
        text("family_name") or last or "-",
    )

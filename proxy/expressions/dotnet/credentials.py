"""Jwt and BasicAuthCredentials: what AsJwt, AsBasic and their Try forms read out of an Authorization header."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from proxy.expressions.dotnet import context_headers as maps
from proxy.expressions.dotnet.collections import Dictionary
from proxy.expressions.dotnet.datetime import EPOCH, SECOND, UTC, DateTime
from proxy.expressions.dotnet.text import double_text
from proxy.expressions.dotnet.values import Array, List, stands_for
from proxy.expressions.table import attribute, define, members
from proxy.expressions.types import Native, generic, type_of_name

_STRING = type_of_name("string")
_OBJECTS = generic("IReadOnlyDictionary", _STRING, type_of_name("object"))
MAX_TOKEN = 64 * 1024


class Jwt:
    """A parsed token; its signature is not checked. `claims` maps names, ignoring case, to string[]."""

    __slots__ = ("claims", "header", "payload")

    def __init__(self, header: dict[str, Any], payload: dict[str, Any]) -> None:
        self.header = header
        self.payload = payload
        self.claims = Dictionary(
            maps.VALUES, {name: Array(_STRING, _texts(v)) for name, v in payload.items()}, str.lower
        )


class Claims(Dictionary):
    """Claims: an absent name is an empty array, not an exception."""


class Basic:
    __slots__ = ("password", "user")

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password


class Authorization:
    """The result of get-authorization-context."""

    __slots__ = ("access_token", "claims")

    def __init__(self, access_token: str, claims: dict[str, Any] | None = None) -> None:
        self.access_token = access_token
        self.claims = Dictionary(_OBJECTS, claims)


stands_for(Jwt, "Jwt")
stands_for(Basic, "BasicAuthCredentials")
stands_for(Authorization, "Authorization")


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float):
        return [double_text(value)]
    if value is None:
        return [""]
    return [str(value)] if isinstance(value, int) else [orjson.dumps(value).decode()]


def read_jwt(text: str | None) -> Jwt | None:
    """The token in `text`, with or without "Bearer "; None when it is none."""
    if not text or len(text) > MAX_TOKEN:
        return None
    token = text[7:].strip() if text[:7].lower() == "bearer " else text.strip()
    parts = token.split(".")
    if len(parts) < 2:
        return None
    try:
        header, payload = (orjson.loads(_decode(part)) for part in parts[:2])
    except (ValueError, binascii.Error):
        return None
    return Jwt(header, payload) if isinstance(header, dict) and isinstance(payload, dict) else None


def _decode(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def read_basic(text: str | None) -> Basic | None:
    """Scheme "Basic", ISO-8859-1, split at the last colon, with a user part."""
    if not text or not text.startswith("Basic "):
        return None
    try:
        pair = base64.b64decode(text[6:].strip(), validate=True).decode("latin-1")
    except (ValueError, binascii.Error):
        return None
    user, colon, password = pair.rpartition(":")
    return Basic(user, password) if colon and user else None


def _moment(name: str) -> Any:
    def read(jwt: Jwt) -> DateTime | None:
        value = jwt.payload.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2.5e11:
            return None
        return DateTime(EPOCH + int(value) * SECOND, UTC)

    return read


def _claim(name: str) -> Any:
    def read(jwt: Jwt) -> str | None:
        found = jwt.claims.find(name)
        return found[1][0] if found is not None and found[1] else None

    return read


def _head(name: str) -> Any:
    return lambda jwt: str(jwt.header[name]) if name in jwt.header else None


def _claims_get(claims: Dictionary, name: str) -> Any:
    found = claims.find(name)
    return Array(_STRING) if found is None else found[1]


JWT = define("Jwt", "Microsoft.Azure.ApiManagement.Jwt")
CLAIMS = define(
    "ClaimDictionary",
    "System.Collections.Generic.IReadOnlyDictionary",
    bases=("IReadOnlyDictionary<string, string[]>",),
)
members(CLAIMS, {"string[] this[string name]": _claims_get})
members(
    JWT,
    {
        "string? Algorithm": _head("alg"),
        "string? Type": _head("typ"),
        "string? Id": _claim("jti"),
        "string? Issuer": _claim("iss"),
        "string? Subject": _claim("sub"),
        "IEnumerable<string> Audiences": lambda jwt: List(_STRING, _claims_get(jwt.claims, "aud")),
        "ClaimDictionary Claims": attribute("claims"),
        "DateTime? ExpirationTime": _moment("exp"),
        "DateTime? NotBefore": _moment("nbf"),
        "DateTime? IssuedAt": _moment("iat"),
    },
)
BASIC = define("BasicAuthCredentials", "Microsoft.Azure.ApiManagement.BasicAuthCredentials")
members(BASIC, {"string UserId": attribute("user"), "string Password": attribute("password")})
AUTHORIZATION = define("Authorization", "Microsoft.Azure.ApiManagement.Authorization")
members(
    AUTHORIZATION,
    {
        "string AccessToken": attribute("access_token"),
        "IReadOnlyDictionary<string, object> Claims": attribute("claims"),
    },
)


def _attempt(read: Any) -> Any:
    def run(text: str | None) -> tuple[bool, Any]:
        found = read(text)
        return found is not None, found

    return run


HELPERS = define("CredentialExtensions", "Microsoft.Azure.ApiManagement.CredentialExtensions", kind="static")
members(
    HELPERS,
    {
        "static Jwt? AsJwt(this string input)": Native(read_jwt, null_safe=True),
        "static bool TryParseJwt(this string input, out Jwt result)": _attempt(read_jwt),
        "static BasicAuthCredentials? AsBasic(this string input)": read_basic,
        "static bool TryParseBasic(this string input, out BasicAuthCredentials result)": _attempt(read_basic),
    },
)

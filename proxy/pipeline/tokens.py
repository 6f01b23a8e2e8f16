"""What validate-jwt and validate-azure-ad-token share: where the token is, what it must say, and how it is refused.

Rules
1. What stands in the document as constants is made ready when configuration is applied.
2. A refusal has the documented reason and message; the client reads the same, unless the document has its own words.
3. A key that a provider publishes vouches for that provider's issuer and for those of the document, for no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from proxy.errors import PolicyRefused
from proxy.expressions.dotnet.credentials import Jwt
from proxy.pipeline.edits import phrase
from proxy.pipeline.element import Element
from proxy.pipeline.values import Value
from proxy.tokens import claims
from proxy.tokens.compact import Encrypted, Signed, read
from proxy.tokens.decrypt import DecryptionKey, decrypt
from proxy.tokens.keys import Key, KeySet
from proxy.tokens.memory import MEMORY, Verified, digest_of
from proxy.tokens.refusal import KEY_NOT_FOUND, NOT_PRESENT, SIGNATURE_INVALID, TokenRefused, denied

if TYPE_CHECKING:
    from proxy.exchange import Exchange

_SPAN = re.compile(r"(?:(\d{1,5})\.)?(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,7})?))?")
MAX_TRIED = 20  # keys of a provider for a token that names none
Texts = Callable[["Exchange"], Sequence[str]]


@dataclass(slots=True, frozen=True)
class Place:
    """Where the token is read, and what becomes of it."""

    header: Value[str] | None
    query: Value[str] | None
    value: Value[str] | None
    scheme: Value[str] | None
    status: Value[int]
    message: Value[str] | None
    variable: str

    @classmethod
    def of(cls, element: Element, default_header: str = "", scheme: bool = False) -> Place:
        header = element.string("header-name", None)
        query = element.string("query-parameter-name", None)
        value = element.string("token-value", None)
        if header is None and query is None and value is None:
            if default_header:
                header = Value.of(default_header)
            else:
                message = "One of 'header-name', 'query-parameter-name' and 'token-value' is needed."
                element.issue(message, "missing-attribute")
        return cls(
            header,
            query,
            value,
            element.string("require-scheme", None) if scheme else None,
            element.integer("failed-validation-httpcode", 401, 100, 999),
            element.string("failed-validation-error-message", None),
            element.literal("output-token-variable-name", ""),
        )

    def token(self, exchange: Exchange) -> str:
        """The token; raises TokenRefused when there is none. Several are joined, which makes them none: the backend
        would see them all, and could take another one than we."""
        found = ""
        request = exchange.request
        if self.header is not None:
            name = self.header.get(exchange)
            found = self._without_scheme(exchange, name, ",".join(request.headers.getall(name, ())).strip())
        if not found and self.query is not None and request.query:
            wanted = self.query.get(exchange).lower()
            given = parse_qsl(request.query, keep_blank_values=True)
            found = ",".join(value for name, value in given if name.lower() == wanted)
        if not found and self.value is not None:
            found = self.value.get(exchange).strip()
        if not found:
            raise TokenRefused(NOT_PRESENT, "JWT not present.")
        return found

    def _without_scheme(self, exchange: Exchange, name: str, line: str) -> str:
        scheme, space, rest = line.partition(" ")
        wanted = self.scheme.get(exchange) if self.scheme is not None and name.lower() == "authorization" else ""
        if wanted:
            return rest.strip() if scheme.lower() == wanted.lower() else ""
        return rest.strip() if space else line

    def refusal(self, exchange: Exchange, refused: TokenRefused) -> PolicyRefused:
        status = self.status.get(exchange)
        public = self.message.get(exchange) if self.message is not None else None
        error = PolicyRefused(status, phrase(status), refused.reason, refused.message, public=public)
        error.detail = refused.detail
        return error

    def accept(self, exchange: Exchange, verified: Verified) -> None:
        if self.variable:
            exchange.variables[self.variable] = Jwt(verified.header, verified.payload)


def texts_of(elements: Sequence[Element]) -> Texts | None:
    """The texts of elements, per request only where one is an expression; None when there are no elements."""
    if not elements:
        return None
    values = [element.content(required=True) for element in elements]
    if all(value.constant for value in values):
        constant = tuple(value.value for value in values)
        return lambda exchange: constant
    return lambda exchange: [value.get(exchange) for value in values]


def listed(element: Element, container: str, name: str) -> Texts | None:
    """The texts of `<container><name>...</name></container>`."""
    parent = element.child(container)
    return texts_of(parent.children(name, required=True)) if parent is not None else None


def required_claims(element: Element) -> Callable[[Exchange], Sequence[claims.Required]]:
    """`<required-claims>` of a policy; an empty sequence without it."""
    parent = element.child("required-claims")
    made = []
    constant = True
    for child in parent.children("claim", required=True) if parent is not None else ():
        name = child.string("name")
        match = child.choice("match", "all", "any", default="all")
        separator = child.string("separator", "")
        values = [each.content() for each in child.children("value")]
        constant = constant and all(each.constant for each in (name, match, separator, *values))
        made.append((name, values, match, separator))

    def compute(exchange: Exchange) -> Sequence[claims.Required]:
        return [
            claims.Required(
                name.get(exchange),
                tuple(each.get(exchange) for each in values),
                match.get(exchange) == "all",
                separator.get(exchange),
            )
            for name, values, match, separator in made
        ]

    if not constant:
        return compute
    fixed = tuple(
        claims.Required(name.value, tuple(each.value for each in values), match.value == "all", separator.value)
        for name, values, match, separator in made
    )
    return lambda exchange: fixed


def seconds_of(text: str) -> float:
    """Seconds, or a time span `[d.]hh:mm[:ss]`. Raises ValueError."""
    plain = text.strip()
    if plain.isascii() and plain.isdigit() and len(plain) <= 9:
        return float(plain)
    found = _SPAN.fullmatch(plain)
    if found is None:
        raise ValueError(f"must be seconds or a time span hh:mm:ss, and {text!r} is neither.")
    days, hours, minutes, seconds = found.groups()
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds or 0)


@dataclass(slots=True, frozen=True)
class Trust:
    """What may vouch for a token at this moment: the document's own keys, and those of its providers."""

    keys: Sequence[Key]
    providers: Sequence[KeySet]
    openers: tuple[DecryptionKey, ...] = ()
    unsigned: bool = False  # whether a token may go without a signature

    def verified(self, token: str) -> Verified:
        """The token, once its signature is known to be right. Raises TokenRefused."""
        digest = digest_of(token)
        known = MEMORY.find(digest)
        if known is not None and self._still(known):
            return known
        outer = read(token)
        opened_by = b""
        if isinstance(outer, Encrypted):
            inside, opener = decrypt(outer, self.openers)
            opened_by = opener.fingerprint
            outer = read(inside)
        if not isinstance(outer, Signed):
            raise TokenRefused("JwtInvalid", "JWT is not well formed.", "an encrypted token inside an encrypted one")
        found = Verified(outer.header, outer.payload, self._signer(outer), opened_by, len(token))
        MEMORY.keep(digest, found)
        return found

    def issuers(self, verified: Verified) -> tuple[str, ...]:
        """The issuers that the provider of the token's key stands for; empty for a key of the document."""
        if not self.providers or any(key.fingerprint == verified.key for key in self.keys):
            return ()
        return tuple(each.issuer for each in self.providers if verified.key in each.fingerprints)

    def _still(self, known: Verified) -> bool:
        if known.opened_by and all(known.opened_by != each.fingerprint for each in self.openers):
            return False
        if not known.key:
            return self.unsigned
        for key in self.keys:
            if known.key == key.fingerprint:
                return True
        return any(known.key in each.fingerprints for each in self.providers)

    def _signer(self, token: Signed) -> bytes:
        algorithm = token.header["alg"]
        if algorithm == "none" or not token.signature:
            if self.unsigned and algorithm == "none" and not token.signature:
                return b""
            raise denied(SIGNATURE_INVALID, "Unable to validate signature, token does not have a signature.")
        candidates = self.candidates(token)
        for key in candidates:
            if key.verifies(algorithm, token.covered, token.signature):
                return key.fingerprint
        name = str(token.header.get("kid") or token.header.get("x5t") or "")
        if not candidates:
            message = "Signature validation failed. Unable to match key."
            raise denied(KEY_NOT_FOUND, message, f"the token names {name!r:.80}", name)
        tried = f"{len(candidates)} keys tried for {algorithm!r:.20}"
        raise denied(SIGNATURE_INVALID, "Signature validation failed.", tried, name)

    def candidates(self, token: Signed) -> list[Key]:
        """The keys that the token names, or else all that it may be signed with."""
        names: set[str] = {token.header.get(each, "") for each in ("kid", "x5t")} - {""}
        found = [key for key in self.keys if key.name in names] or list(self.keys)
        for provider in self.providers:
            if names:
                for name in names:
                    found += provider.by_name.get(name, ())
            else:
                found += provider.keys[:MAX_TRIED]
        return found

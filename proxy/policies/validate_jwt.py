"""`validate-jwt`: lets a request through only with a JSON Web Token that is signed, current, and says what it must.

https://learn.microsoft.com/azure/api-management/validate-jwt-policy
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.token_keys import Providers, decryption_keys, signing_keys
from proxy.pipeline.tokens import Place, Trust, listed, required_claims, seconds_of, texts_of
from proxy.pipeline.values import Value
from proxy.tokens import claims
from proxy.tokens.memory import Verified
from proxy.tokens.refusal import TokenRefused

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("validate-jwt", sections={INBOUND})
def validate_jwt(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request without a valid JSON Web Token."""
    place = Place.of(element, scheme=True)
    require_signed = element.boolean("require-signed-tokens", True)
    providers = Providers.of(element, compiler)
    keys = signing_keys(element, compiler)
    openers = decryption_keys(element, compiler)
    check = _checks(element)
    if not keys.any and not providers.any and require_signed.constant and require_signed.value:
        message = "There is neither <openid-config> nor a key in <issuer-signing-keys>, so no token is valid."
        element.issue(message, "missing-element", severity="warning")

    settled: Trust | None = None
    if keys.fixed is not None and openers.fixed is not None and require_signed.constant:
        settled = Trust(keys.fixed, (), openers.fixed, not require_signed.value)

    def trust(exchange: Exchange) -> Trust:
        return settled or Trust(keys.get(exchange), (), openers.get(exchange), not require_signed.get(exchange))

    def handle(exchange: Exchange) -> None:
        try:
            allowed = trust(exchange)
            verified = allowed.verified(place.token(exchange))
            check(exchange, verified, allowed)
        except TokenRefused as refused:
            raise place.refusal(exchange, refused) from refused
        place.accept(exchange, verified)

    async def handle_with_providers(exchange: Exchange) -> None:
        try:
            token = place.token(exchange)
            allowed, verified = await providers.verified(exchange, trust(exchange), token)
            check(exchange, verified, allowed)
        except TokenRefused as refused:
            raise place.refusal(exchange, refused) from refused
        place.accept(exchange, verified)

    return handle_with_providers if providers.any else handle


def _checks(element: Element) -> Callable[[Exchange, Verified, Trust], None]:
    """What the claims must be."""
    expires = element.boolean("require-expiration-time", True)
    skew = _skew(element)
    audiences = listed(element, "audiences", "audience")
    issuers_parent = element.child("issuers")
    issuers = texts_of(issuers_parent.children("issuer", required=True)) if issuers_parent else None
    required = required_claims(element)

    def check(exchange: Exchange, verified: Verified, trust: Trust) -> None:
        payload = verified.payload
        now = exchange.ports.clock.utcnow().timestamp()
        claims.check_lifetime(payload, now, skew.get(exchange), expires.get(exchange))
        if audiences is not None:
            claims.check_audience(payload, audiences(exchange))
        published = trust.issuers(verified)
        if published:
            claims.check_issuer(payload, (*(issuers(exchange) if issuers is not None else ()), *published))
        elif issuers is not None:
            claims.check_issuer(payload, issuers(exchange))
        if wanted := required(exchange):
            claims.check_required(payload, wanted)

    return check


def _skew(element: Element) -> Value[float]:
    """clock-skew in seconds; a text that is no time span is an issue."""
    text = element.string("clock-skew", "0")
    if not text.constant:
        return Value.computed(text.get, seconds_of, text.reads)
    try:
        return Value.of(seconds_of(text.value))
    except ValueError as problem:
        element.issue(f"Attribute 'clock-skew' {problem}", "invalid-attribute")
        return Value.of(0.0)

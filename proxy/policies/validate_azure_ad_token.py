"""`validate-azure-ad-token`: lets a request through only with a valid token of a Microsoft Entra tenant.

Keys and issuers come from the tenant's metadata, that of version 2.0 and that of version 1.0: a tenant issues tokens of
both, with one set of keys and two issuers.
https://learn.microsoft.com/azure/api-management/validate-azure-ad-token-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.source import unresolved
from proxy.pipeline.token_keys import Providers, decryption_keys, is_provider
from proxy.pipeline.tokens import Place, Trust, listed, required_claims
from proxy.pipeline.values import Value
from proxy.tokens import claims
from proxy.tokens.refusal import CLAIM_NOT_FOUND, CLAIM_VALUE, TokenRefused, denied

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

PUBLIC_CLOUD = "https://login.microsoftonline.com"
METADATA = ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration")


@policy("validate-azure-ad-token", sections={INBOUND})
def validate_azure_ad_token(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request without a valid token of a Microsoft Entra tenant."""
    place = Place.of(element, default_header="Authorization")
    providers = _tenant(element, compiler)
    openers = decryption_keys(element, compiler)
    clients = listed(element, "client-application-ids", "application-id")
    backends = listed(element, "backend-application-ids", "application-id")
    audiences = listed(element, "audiences", "audience")
    required = required_claims(element)

    def check(exchange: Exchange, payload: dict[str, object], issuers: tuple[str, ...]) -> None:
        claims.check_lifetime(payload, exchange.ports.clock.utcnow().timestamp(), 0, True)
        if audiences is not None or backends is not None:
            allowed = set(audiences(exchange)) if audiences is not None else set()
            for each in backends(exchange) if backends is not None else ():
                allowed |= {each, f"api://{each}"}
            claims.check_audience(payload, allowed)
        claims.check_issuer(payload, issuers)
        if clients is not None:
            _check_client(payload, clients(exchange))
        claims.check_required(payload, required(exchange))

    async def handle(exchange: Exchange) -> None:
        try:
            own = Trust((), (), openers.get(exchange))
            trust, verified = await providers.verified(exchange, own, place.token(exchange))
            check(exchange, verified.payload, trust.issuers(verified))
        except TokenRefused as refused:
            raise place.refusal(exchange, refused) from refused
        place.accept(exchange, verified)

    return handle


def _check_client(payload: dict[str, object], allowed: object) -> None:
    """The calling application: `azp` in tokens of version 2.0, `appid` in those of 1.0."""
    name = "azp" if "azp" in payload else "appid"
    if name not in payload:
        raise denied(CLAIM_NOT_FOUND, "JWT is missing the following claims: azp.")
    client = payload[name]
    if not isinstance(client, str) or client not in allowed:  # type: ignore[operator]
        raise denied(CLAIM_VALUE, f"Claim {name} value of {client!s:.256} is not allowed.")


def _tenant(element: Element, compiler: Compiler) -> Providers:
    """The two providers that a tenant is."""
    tenant = element.string("tenant-id")
    authority = element.string("authentication-endpoint", PUBLIC_CLOUD)
    if not tenant.constant or not authority.constant:
        reads = tenant.reads | authority.reads

        def computed(which: int) -> Value[str]:
            return Value.computed(
                lambda exchange: _urls(authority.get(exchange), tenant.get(exchange))[which], str, reads
            )

        return Providers((computed(0), computed(1)))
    if not tenant.value:
        if element.has("tenant-id") and not unresolved(tenant.value):
            element.issue("Attribute 'tenant-id' must name a tenant.", "invalid-attribute")
        return Providers(())
    urls = _urls(authority.value, tenant.value)
    if not (unresolved(tenant.value) or unresolved(authority.value)):
        if not is_provider(urls[0]):
            message = (
                f"Attribute 'authentication-endpoint' must be an absolute https URL, and {authority.value!r} is none."
            )
            element.issue(message, "invalid-attribute")
            return Providers(())
        for url in urls:
            compiler.provider(url)
    return Providers(tuple(Value.of(url) for url in urls))


def _urls(authority: str, tenant: str) -> tuple[str, str]:
    """Metadata of version 2.0 and 1.0; the tenant may also be given as a URL at its authority."""
    tenant = tenant.strip().rstrip("/")
    if tenant.startswith("https://"):
        base = tenant.removesuffix("/v2.0")
    else:
        base = f"{authority.strip().rstrip('/')}/{quote(tenant, safe='')}"
    return f"{base}/{METADATA[0]}", f"{base}/{METADATA[1]}"

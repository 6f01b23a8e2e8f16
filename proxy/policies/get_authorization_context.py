"""`get-authorization-context`: gets the access token of a connection to a credential provider into a variable.

Rules
1. With identity-type `managed` the gateway itself asks. With `jwt` somebody else does: the token must be one of a
   tenant and an object that an access policy of the connection names, for the audience AUDIENCE, and valid.
2. Whatever fails, a connection that is not there included, is a 500, or null where errors are to be ignored.

Documented for inbound; the public policy toolkit writes it in backend and outbound too.
https://learn.microsoft.com/azure/api-management/get-authorization-context-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from proxy.errors import GatewayError
from proxy.expressions.dotnet.credentials import Authorization
from proxy.expressions.dotnet.json_reader import wrap
from proxy.pipeline.registry import BACKEND, INBOUND, OUTBOUND, Handler, policy
from proxy.pipeline.source import unresolved
from proxy.pipeline.token_keys import Providers
from proxy.pipeline.tokens import Trust
from proxy.pipeline.values import Value
from proxy.tokens import claims
from proxy.tokens.compact import Signed, read
from proxy.tokens.refusal import TokenRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config.resources import Connection
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.ports import Grant

AUDIENCE = "https://azure-api.net/authorization-manager"
METADATA = (
    "https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration",
    "https://login.microsoftonline.com/{}/.well-known/openid-configuration",
)
REASON = "AuthorizationFailure"
SCOPES = frozenset({"global", "product", "api", "operation"})


@policy("get-authorization-context", sections={INBOUND, BACKEND, OUTBOUND}, scopes=SCOPES)
def get_authorization_context(element: Element, compiler: Compiler) -> Handler:
    """Get the access token of a connection to a credential provider, fetched by client credentials, into a variable."""
    provider, name = element.string("provider-id"), element.string("authorization-id")
    variable = element.string("context-variable-name")
    kind = element.choice("identity-type", "managed", "jwt", default="managed")
    identity = element.string("identity", "")
    ignore_error = element.boolean("ignore-error", False)
    if kind.constant and kind.value == "jwt" and not element.has("identity"):
        element.issue("With identity-type 'jwt' the attribute 'identity' is needed.", "missing-attribute")
    connections = compiler.connections()
    if connections is not None:
        _warn(element, provider, name, connections)

    async def handle(exchange: Exchange) -> None:
        wanted = f"{provider.get(exchange)}/{name.get(exchange)}"
        known = kind.get(exchange)
        token = identity.get(exchange) if known == "jwt" else ""
        found: Authorization | None = None
        try:
            connection = (connections or {}).get(wanted.lower())
            if connection is None:
                raise GatewayError(f"Connection '{wanted}' could not be found.", reason=REASON)
            if known == "jwt":
                await _admit(exchange, connection, token)
            found = _authorization(await exchange.ports.grants.grant(connection))
        except GatewayError as problem:
            if not ignore_error.get(exchange):
                raise
            exchange.traces.append((element.name, "information", f"Ignored: {problem.message}", {}))
        exchange.variables[variable.get(exchange)] = found

    return handle


def _warn(element: Element, provider: Value[str], name: Value[str], known: Mapping[str, Connection]) -> None:
    if not (provider.constant and name.constant) or unresolved(provider.value) or unresolved(name.value):
        return
    wanted = f"{provider.value}/{name.value}"
    found = known.get(wanted.lower())
    if found is None and provider.value and name.value:
        message = f"Connection '{wanted}' could not be found: its requests fail until there is one."
        element.issue(message, "unknown-connection", severity="warning")
    elif found is not None and found.problem:
        element.issue(
            f"Connection '{wanted}' cannot be used: {found.problem}.", "unknown-connection", severity="warning"
        )


def _authorization(grant: Grant) -> Authorization:
    told = {name: wrap(value) if isinstance(value, dict | list) else value for name, value in grant.claims.items()}
    return Authorization(grant.token, told)


async def _admit(exchange: Exchange, connection: Connection, token: str) -> None:
    """Raises GatewayError unless an access policy lets the owner of the token in."""
    try:
        outer = read(token.strip())
        payload = outer.payload if isinstance(outer, Signed) else {}
        owner = tuple(str(payload.get(each) or "").lower() for each in ("tid", "oid"))
        if owner not in connection.allowed or not all(owner):
            raise _refused(connection, f"no access policy names tenant {owner[0]!r} and object {owner[1]!r}")
        urls = tuple(Value.of(each.format(quote(owner[0], safe=""))) for each in METADATA)
        trust, verified = await Providers(urls).verified(exchange, Trust((), ()), token.strip())
        claims.check_lifetime(verified.payload, exchange.ports.clock.utcnow().timestamp(), 0, True)
        claims.check_audience(verified.payload, {AUDIENCE})
        claims.check_issuer(verified.payload, trust.issuers(verified))
    except TokenRefused as refused:
        raise _refused(connection, refused.message) from refused


def _refused(connection: Connection, detail: str) -> GatewayError:
    message = f"Connection '{connection.id}' may not be used with this identity."
    return GatewayError(message, reason=REASON, detail=detail)

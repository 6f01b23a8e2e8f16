"""How the gateway shows who it is: `<authentication-managed-identity>` and `<authentication-certificate>`, as policies
of their own and as children of send-request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from proxy.config.certificates import identity_of, open_pfx
from proxy.config.resources import Certificate
from proxy.errors import GatewayError
from proxy.pipeline.element import Element
from proxy.ports import ClientIdentity

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler

WAYS = ("thumbprint", "certificate-id", "body")


class ManagedIdentity(NamedTuple):
    """`token` raises GatewayError, or gives "" where the document ignores errors; `variable` is where it goes, or ""
    for the Authorization header."""

    token: Callable[[Exchange], Awaitable[str]]
    variable: str


def managed_identity(element: Element) -> ManagedIdentity:
    """What an <authentication-managed-identity> element describes."""
    resource = element.string("resource")
    client = element.string("client-id", "")
    variable = element.literal("output-token-variable-name", "")
    ignore = element.literal_boolean("ignore-error", False)

    async def token(exchange: Exchange) -> str:
        wanted = resource.get(exchange)
        try:
            return await exchange.ports.tokens.token(wanted, client.get(exchange))
        except GatewayError:
            if not ignore:
                raise
            return ""

    return ManagedIdentity(token, variable)


def client_identity(element: Element, compiler: Compiler) -> Callable[[Exchange], ClientIdentity]:
    """The client certificate that an <authentication-certificate> element describes; raises GatewayError."""
    given = [name for name in WAYS if element.has(name)]
    if len(given) != 1:
        element.issue("Exactly one of 'thumbprint', 'certificate-id' and 'body' is needed.", "missing-attribute")
    if element.has("password") and "body" not in given:
        element.issue("Attribute 'password' goes with 'body'.", "invalid-attribute")
    if "body" in given:
        return _of_body(element)
    if "certificate-id" in given:
        return _of_id(element, compiler)
    return _of_thumbprint(element, compiler)


def _of_id(element: Element, compiler: Compiler) -> Callable[[Exchange], ClientIdentity]:
    name = element.string("certificate-id")
    if name.constant:
        found = compiler.certificate(element, name.value)
        return lambda exchange: _identity(found, name.value)
    certificates = compiler.any_certificate()
    return lambda exchange: _identity(certificates.get(wanted := name.get(exchange)), wanted)


def _of_thumbprint(element: Element, compiler: Compiler) -> Callable[[Exchange], ClientIdentity]:
    thumbprint = element.string("thumbprint", "")
    by_thumbprint = {each.thumbprint: each for each in compiler.any_certificate().values()}

    def find(exchange: Exchange) -> ClientIdentity:
        wanted = thumbprint.get(exchange)
        return _identity(by_thumbprint.get(plain(wanted)), wanted)

    return find


def _of_body(element: Element) -> Callable[[Exchange], ClientIdentity]:
    body = element.binary("body")
    password = element.string("password", "")

    def open_body(exchange: Exchange) -> ClientIdentity:
        try:
            return _identity(_opened(body.get(exchange), password.get(exchange)), "body")
        except ValueError as problem:
            raise GatewayError(f"The client certificate cannot be used: {problem}.", reason=REASON) from problem

    return open_body


REASON = "CertificateNotFound"


@lru_cache(maxsize=64)
def _opened(content: bytes, password: str) -> Certificate:
    return open_pfx("", content, password)


def _identity(certificate: Certificate | None, name: str) -> ClientIdentity:
    if certificate is None:
        raise GatewayError(f"Certificate '{name}' could not be found.", reason=REASON)
    if not certificate.has_private_key:
        raise GatewayError(f"Certificate '{name}' has no private key.", reason=REASON)
    return identity_of(certificate)


def plain(thumbprint: str) -> str:
    """A thumbprint as tools show it, to upper-case hex alone."""
    return "".join(character for character in thumbprint.upper() if character in "0123456789ABCDEF")

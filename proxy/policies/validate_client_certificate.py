"""`validate-client-certificate`: lets a request through only with a certificate that keeps the rules.

The certificate is the one of the TLS connection. Where TLS ends before this gateway there is none, and the log says so.
https://learn.microsoft.com/azure/api-management/validate-client-certificate-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.x509 import load_der_x509_certificate

from proxy.errors import PolicyRefused
from proxy.pipeline.client_certificates import Identity, Rules, parts_of, problem_of
from proxy.pipeline.registry import INBOUND, Handler, policy
from proxy.pipeline.source import unresolved

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

PUBLIC = "Invalid client certificate"


@policy("validate-client-certificate", sections={INBOUND})
def validate_client_certificate(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request without a client certificate that keeps the rules."""
    element.literal_boolean("validate-revocation", True)  # as in the gateway we replace, lists are not asked for
    trust = element.literal_boolean("validate-trust", True)
    not_before = element.literal_boolean("validate-not-before", True)
    not_after = element.literal_boolean("validate-not-after", True)
    ignore = element.literal_boolean("ignore-error", False)
    parent = element.child("identities")
    children = parent.children("identity", required=True) if parent is not None else []
    rules = Rules(not_before, not_after, trust, tuple(_identity(child, compiler) for child in children))
    known = [load_der_x509_certificate(each.der) for each in compiler.any_certificate().values()]

    def problem(exchange: Exchange) -> tuple[str, str, str] | None:
        """Reason, message and detail; None when all is well."""
        request = exchange.request
        if not request.client_certificate:
            where = "" if request.tls_version else "TLS ends before this gateway, which so sees no client certificate"
            return "ClientCertificateNotFound", "Client certificate is not present.", where
        try:
            certificate = load_der_x509_certificate(request.client_certificate)
        except ValueError as wrong:
            return "ClientCertificateInvalid", "The client certificate cannot be read.", str(wrong)
        found = problem_of(certificate, rules, known, exchange.ports.clock.utcnow())
        return None if found is None else ("ClientCertificateInvalid", found, certificate.subject.rfc4514_string())

    def handle(exchange: Exchange) -> None:
        found = problem(exchange)
        if found is not None and not ignore:
            reason, message, detail = found
            refused = PolicyRefused(403, "Forbidden", reason, message, public=PUBLIC)
            refused.detail = detail
            raise refused

    return handle


def _identity(element: Element, compiler: Compiler) -> Identity:
    issuer = None
    if element.has("issuer-certificate-id"):
        if element.has("issuer-subject") or element.has("issuer-thumbprint"):
            message = "Attribute 'issuer-certificate-id' goes without 'issuer-subject' and 'issuer-thumbprint'."
            element.issue(message, "invalid-attribute")
        certificate = compiler.certificate(element, element.literal("issuer-certificate-id"))
        issuer = load_der_x509_certificate(certificate.der) if certificate is not None else None
    identity = Identity(
        thumbprint=element.literal("thumbprint", ""),
        serial_number=element.literal("serial-number", ""),
        common_name=element.literal("common-name", ""),
        subject=_name(element, "subject"),
        dns_name=element.literal("dns-name", ""),
        issuer_subject=_name(element, "issuer-subject"),
        issuer_thumbprint=element.literal("issuer-thumbprint", ""),
        issuer=issuer,
        nobody=issuer is None and element.has("issuer-certificate-id"),
    )
    if identity.says_nothing:
        element.issue("<identity> says nothing of the certificate. Add an attribute.", "missing-attribute")
    return identity


def _name(element: Element, attribute: str) -> str:
    text = element.literal(attribute, "")
    if text and not unresolved(text) and parts_of(text) is None:
        element.issue(f"Attribute '{attribute}' must be a distinguished name such as CN=a, O=b.", "invalid-attribute")
    return text

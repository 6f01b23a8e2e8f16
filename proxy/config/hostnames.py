"""Host names that the plane gave this gateway, each with the certificate that clients see. Pure.

A host name configuration whose certificate is not there, or has no private key, is an issue, and so is what it asks for
beyond that and does not get. It is listed all the same: what was served before goes on, and whether clients are asked
for certificates does not depend on it.
https://learn.microsoft.com/azure/api-management/api-management-howto-configure-custom-domain-gateway
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.config.read import name_of
from proxy.config.resources import Certificate, Resource, ResourceIssue

_MARK = "/hostnameConfigurations/"


@dataclass(slots=True, frozen=True)
class Hostname:
    """`name` in lower case, with a wildcard as its first label or none; `pem` holds certificate, chain and key, or
    nothing where they are not there. `asks`: clients are asked for a certificate, which those of the plane, in
    `authorities` (DER, one behind the other), must know."""

    name: str
    pem: bytes = field(repr=False)
    http2: bool = True
    asks: bool = False
    authorities: bytes = field(default=b"", repr=False)


def hostnames_of(
    shelf: Mapping[str, Resource], certificates: Mapping[str, Certificate], unread: dict[str, ResourceIssue]
) -> tuple[Hostname, ...]:
    """In the order of their ids; `unread` takes the issues."""
    by_name = {each.id.lower(): each for each in certificates.values()}
    known = b"".join(sorted({each.der for each in certificates.values()}))
    found = []
    for resource in sorted(shelf.values(), key=lambda each: each.id):
        if _MARK not in resource.id:
            continue
        unread.pop(resource.id, None)
        body = resource.body
        host, wanted = str(body.get("hostname") or "").lower(), name_of(str(body.get("certificateId") or ""))
        certificate = by_name.get(wanted.lower())
        told = []
        pem = certificate.pem if certificate is not None and certificate.has_private_key else b""
        if not pem:
            told.append(
                f"there is no certificate '{wanted}' with a private key, so '{host}' is not served over TLS, "
                "but where an earlier one goes on"
            )
        asks = body.get("negotiateClientCertificate") is True
        found.append(Hostname(host, pem, body.get("http2Enabled") is not False, asks, known if asks else b""))
        if body.get("tls10Enabled") is True or body.get("tls11Enabled") is True:
            told.append("TLS 1.0 and 1.1 are not spoken")
        if told:
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", f"Host name configuration: {'; '.join(told)}.")
    return tuple(found)

"""Host names that the plane gave this gateway, each with the certificate that clients see. Pure.

A host name configuration whose certificate is not there, or has no private key, serves nobody and is an issue; so is
what it asks for beyond that and does not get.
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
    """`name` in lower case, with a wildcard as its first label or none; `pem` holds certificate, chain and key."""

    name: str
    pem: bytes = field(repr=False)
    http2: bool = True


def hostnames_of(
    shelf: Mapping[str, Resource], certificates: Mapping[str, Certificate], unread: dict[str, ResourceIssue]
) -> tuple[Hostname, ...]:
    """In the order of their ids; `unread` takes the issues."""
    by_name = {each.id.lower(): each for each in certificates.values()}
    found = []
    for resource in sorted(shelf.values(), key=lambda each: each.id):
        if _MARK not in resource.id:
            continue
        unread.pop(resource.id, None)
        body = resource.body
        host, wanted = str(body.get("hostname") or "").lower(), name_of(str(body.get("certificateId") or ""))
        certificate = by_name.get(wanted.lower())
        told = []
        if certificate is None or not certificate.has_private_key:
            told.append(f"there is no certificate '{wanted}' with a private key, so '{host}' is not served over TLS")
        else:
            found.append(Hostname(host, certificate.pem, body.get("http2Enabled") is not False))
        if body.get("negotiateClientCertificate") is True:
            told.append("clients are asked for certificates by net.server.https.client.certificate.ca.file only")
        if body.get("tls10Enabled") is True or body.get("tls11Enabled") is True:
            told.append("TLS 1.0 and 1.1 are not spoken")
        if told:
            unread[resource.id] = ResourceIssue(resource.id, 0, 0, "", f"Host name configuration: {'; '.join(told)}.")
    return tuple(found)

"""Host names that a self-hosted gateway listens on, and the certificate authorities it trusts."""

from __future__ import annotations

from management.declare import BOOLEAN, Change, Field, Reference, ResourceType
from management.errors import invalid


def prepare_authority(change: Change) -> None:
    if change.tx.get(f"/certificates/{change.name}") is None:
        raise invalid("certificateId", f"Certificate '{change.name[:80]}' could not be found.")
    change.refer(f"/certificates/{change.name.lower()}")


TYPES = (
    ResourceType(
        path="gateways/hostnameConfigurations",
        title="Hostname configuration",
        audience="gateway",
        fields=(
            Field("hostname", required=True),
            Field("certificateId", required=True),
            Field("negotiateClientCertificate", BOOLEAN, default=False),
            Field("tls10Enabled", BOOLEAN, default=False),
            Field("tls11Enabled", BOOLEAN, default=False),
            Field("http2Enabled", BOOLEAN, default=True),
        ),
        references=(Reference("certificateId", "certificates"),),
        can_patch=False,
    ),
    ResourceType(
        path="gateways/certificateAuthorities",
        title="Certificate authority",
        audience="gateway",
        fields=(Field("isTrusted", BOOLEAN, default=False),),
        can_patch=False,
        prepare=prepare_authority,
    ),
)

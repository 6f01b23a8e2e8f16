"""Certificates with their private keys (PKCS #12); only what is public of them is ever shown."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from management import key_vault
from management.declare import Change, Field, ResourceType
from management.errors import invalid
from management.secret_fields import Secret

# of a certificate that only a Key Vault has; ARM's documents always have them
UNKNOWN = {"subject": "", "thumbprint": "", "expirationDate": "0001-01-01T00:00:00Z"}


def prepare(change: Change) -> None:
    properties = change.properties
    if key_vault.place(change, bool(properties.get("data"))) and not properties.get("data"):
        properties.update(UNKNOWN)
        return
    if not isinstance(properties.get("data"), str):
        raise invalid("data", "data or keyVault is required.")
    password = properties.get("password")
    try:
        content = base64.b64decode(properties["data"], validate=True)
        bundle = load_pkcs12(content, password.encode() if isinstance(password, str) else None)
    except (binascii.Error, ValueError):
        raise invalid("data", "data must be base64 of a PKCS #12 file, and password its password.") from None
    if bundle.cert is None:
        raise invalid("data", "The PKCS #12 file holds no certificate.")
    certificate = bundle.cert.certificate
    properties["subject"] = certificate.subject.rfc4514_string()
    properties["thumbprint"] = certificate.fingerprint(SHA1()).hex().upper()  # noqa: S303 - APIM's thumbprint
    properties["expirationDate"] = certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z")


TYPES = (
    ResourceType(
        path="certificates",
        title="Certificate",
        fields=(Field("data"), Field("password"), *key_vault.FIELDS),
        readonly=frozenset({"subject", "thumbprint", "expirationDate"}),
        secrets=(Secret("data"), Secret("password")),
        can_patch=False,
        narrows={"isKeyVaultRefreshFailed": key_vault.unread},
        prepare=prepare,
        actions={"refreshSecret": key_vault.refresh},
    ),
)

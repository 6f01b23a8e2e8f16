"""Who this gateway is to Azure: where access tokens of its own identity come from.

Read by the sidecar, for `authentication-managed-identity` and its like, and by the telemetry child, for destinations
that want a token (`tokens.py`): a gateway has one identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.log import choice

IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
SOURCES = ("auto", "none", "imds", "appservice", "workload", "secret")


@dataclass(slots=True, frozen=True)
class IdentitySettings:
    """Empty texts are not given. What the platforms put into the environment (IDENTITY_ENDPOINT,
    AZURE_FEDERATED_TOKEN_FILE ...) is the default."""

    source: str = "none"
    endpoint: str = ""
    header: str = field(default="", repr=False)
    tenant: str = ""
    client: str = ""
    token_file: str = ""
    authority: str = ""
    secret: str = field(default="", repr=False)
    secret_file: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> IdentitySettings:
        """Raises ValueError naming the setting."""

        def setting(name: str, platform: str, default: str = "") -> str:
            return values.get(name) or values.get(platform) or default

        token_file = setting("policy.identity.token.file", "AZURE_FEDERATED_TOKEN_FILE")
        endpoint = setting("policy.identity.endpoint", "IDENTITY_ENDPOINT")
        secret_file, secret = values.get("policy.identity.secret.file", ""), values.get("AZURE_CLIENT_SECRET", "")
        source = choice(values, "policy.identity.source", SOURCES, "auto")
        if source == "auto":
            given = (("workload", token_file), ("appservice", endpoint), ("secret", secret_file or secret))
            source = next((name for name, text in given if text), "none")
        if source == "imds":
            endpoint = values.get("policy.identity.endpoint") or IMDS
        made = cls(
            source,
            endpoint,
            setting("policy.identity.header", "IDENTITY_HEADER"),
            setting("policy.identity.tenant", "AZURE_TENANT_ID"),
            setting("policy.identity.client", "AZURE_CLIENT_ID"),
            token_file,
            setting("policy.identity.authority", "AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com"),
            "" if secret_file else secret,
            secret_file,
        )
        if source == "secret" and not (made.tenant and made.client and (secret_file or secret)):
            raise ValueError(
                "setting policy.identity.source is 'secret'; it needs policy.identity.tenant, policy.identity.client "
                "and policy.identity.secret.file (or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET)"
            )
        return made

    def client_secret(self) -> str:
        """The secret as it is now; its file may be renewed while we run. Raises OSError."""
        return Path(self.secret_file).read_text("utf-8").strip() if self.secret_file else self.secret

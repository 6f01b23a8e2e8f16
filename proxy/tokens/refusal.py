"""Why a token is refused, in the documented words of `LastError`.

https://learn.microsoft.com/azure/api-management/api-management-error-handling-policies#predefined-errors-for-policies
"""

from __future__ import annotations

NOT_PRESENT = "TokenNotPresent"
SIGNATURE_INVALID = "TokenSignatureInvalid"
KEY_NOT_FOUND = "TokenSignatureKeyNotFound"
AUDIENCE = "TokenAudienceNotAllowed"
ISSUER = "TokenIssuerNotAllowed"
EXPIRED = "TokenExpired"
CLAIM_NOT_FOUND = "TokenClaimNotFound"
CLAIM_VALUE = "TokenClaimValueNotAllowed"
INVALID = "JwtInvalid"


class TokenRefused(Exception):
    """`reason` is one of the names above, `detail` is for the log and the trace only; `key_name` is the
    key that the token names, when it is about that key."""

    def __init__(self, reason: str, message: str, detail: str = "", key_name: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail
        self.key_name = key_name


def denied(reason: str, message: str, detail: str = "", key_name: str = "") -> TokenRefused:
    """A refusal whose message ends as the documented ones do."""
    return TokenRefused(reason, f"{message} Access denied.", detail, key_name)

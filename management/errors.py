"""How an ARM call fails. One class; the functions below are the only ways to make one.

    ArmError
    ├── invalid            400  ValidationError        the document says something that cannot be
    ├── in_use             400  ValidationError        something else refers to what should go
    ├── bad_request        400  any code               the call itself is malformed
    ├── unauthorized       401  AuthenticationFailed
    ├── forbidden          403  AuthorizationFailed
    ├── not_found          404  ResourceNotFound
    ├── NotYet             404  ResourceNotFound       it may come within seconds
    ├── not_allowed        405  MethodNotAllowed
    ├── conflict           409  Conflict
    └── stale              412  PreconditionFailed     If-Match names another version

The body is ARM's: `{"error": {"code", "message", "details": [{"code", "target", "message"}] | null}}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FIELDS_MESSAGE = "One or more fields contain incorrect values:"


@dataclass(slots=True, frozen=True)
class Detail:
    """One finding. `target` is the property, or the policy element, that it is about."""

    target: str
    message: str
    code: str = "ValidationError"


class ArmError(Exception):
    """An answer other than the one hoped for; `str()` is what the caller reads."""

    def __init__(self, status: int, code: str, message: str, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        details = [{"code": each.code, "target": each.target, "message": each.message} for each in self.details]
        return {"error": {"code": self.code, "message": self.message, "details": details or None}}


class NotYet(ArmError):
    """404 for what may come within seconds: the caller is kept waiting for it a little."""

    def __init__(self, message: str) -> None:
        super().__init__(404, "ResourceNotFound", message)


def invalid(target: str, message: str) -> ArmError:
    return ArmError(400, "ValidationError", FIELDS_MESSAGE, (Detail(target, message),))


def invalid_all(details: list[Detail]) -> ArmError:
    return ArmError(400, "ValidationError", FIELDS_MESSAGE, tuple(details))


def in_use(title: str, name: str, users: list[str]) -> ArmError:
    """`users` are relative ids of what refers to it; the first three are named."""
    shown = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    return ArmError(
        400,
        "ValidationError",
        f"{title} '{name}' cannot be deleted because it is in use.",
        (Detail("id", f"It is used by {shown}. Remove that use first."),),
    )


def bad_request(code: str, message: str) -> ArmError:
    return ArmError(400, code, message)


def unauthorized(message: str, code: str = "AuthenticationFailed") -> ArmError:
    return ArmError(401, code, message)


def forbidden(message: str) -> ArmError:
    return ArmError(403, "AuthorizationFailed", message)


def not_found(title: str, missing: str = "") -> ArmError:
    """In ARM's spelling: "Api not found."; `missing` is the id that a document needs and that is not there."""
    message = f"{title.capitalize()} not found."
    remedy = f"{message} There is no {missing[:200]}: add it, or correct the name."
    details = (Detail("id", remedy, "ResourceNotFound"),) if missing else ()
    return ArmError(404, "ResourceNotFound", message, details)


def not_allowed(message: str) -> ArmError:
    return ArmError(405, "MethodNotAllowed", message)


def stale(message: str = "Resource was modified since last retrieval.") -> ArmError:
    return ArmError(412, "PreconditionFailed", message)

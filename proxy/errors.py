"""How a request fails. One tree; every leaf knows its status, its `LastError.Reason` and what the client may read.

    GatewayError
    ├── NotReady                     503  no configuration yet
    ├── Overloaded                   503  too little memory, or too few descriptors
    ├── BadRequest                   400  the request itself is malformed
    ├── OperationNotFound            404  no API, no operation, or the wrong method
    ├── SubscriptionKeyMissing       401
    ├── SubscriptionKeyInvalid       401
    ├── PolicyRefused                any  a policy says no: rate limit, header check, IP filter ...
    ├── ExpressionFailed             500  an expression threw
    ├── ConfigurationBroken          500  the policy document of this operation did not compile
    ├── BodyTooLarge                 413  a policy had to buffer more than the limit
    ├── BackendConnectionFailure     500  the backend could not be reached or broke off
    ├── BackendTimeout               500  the backend was too slow
    ├── BackendErrorStatus           any  the backend answered 400-599 and forward-request was told to fail then
    └── ClientConnectionFailure      -    the client went away; nobody is left to answer

The bodies are APIM's, to the byte: see `body()`.
Source: https://learn.microsoft.com/azure/api-management/api-management-error-handling-policies
"""

from __future__ import annotations

import json
from dataclasses import dataclass

ACCESS_DENIED_MISSING_KEY = (
    "Access denied due to missing subscription key. "
    "Make sure to include subscription key when making requests to an API."
)
ACCESS_DENIED_INVALID_KEY = (
    "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
)


@dataclass(slots=True, frozen=True)
class LastError:
    """What `context.LastError` shows. `elapsed` is milliseconds since the request was accepted."""

    source: str
    reason: str
    message: str
    scope: str = ""
    section: str = ""
    path: str = ""
    policy_id: str = ""
    elapsed: int = 0
    detail: str = ""  # for the log and the trace only; no expression sees it


@dataclass(slots=True, frozen=True)
class Origin:
    """Where in the effective policy a step stands; known since compile time."""

    source: str  # element name
    scope: str  # global | workspace | product | api | operation
    section: str  # inbound | backend | outbound | on-error
    path: str  # e.g. choose[3]/when[2]/set-header[1]
    policy_id: str = ""
    # of the element, 1-based, in the text as its author wrote it; 0 for what stands in no document
    line: int = 0
    column: int = 0
    document: str = ""  # "the policy of /apis/shop", "fragment 'x' in the policy of /apis/shop"


@dataclass(slots=True, frozen=True)
class Site:
    """One expression in a document: `code` as its author wrote it, `line` and `column` of its `@`, 1-based."""

    code: str
    line: int
    column: int
    path: str  # e.g. set-header[1]/value[1]
    document: str

    def place(self, line: int, column: int) -> str:
        """Where in the document a line and column of the expression are."""
        if line > 1:
            return f"line {self.line + line - 1}, column {column}"
        return f"line {self.line}, column {self.column + max(column, 1) - 1}"


@dataclass(eq=False)
class GatewayError(Exception):
    """Ends the pipeline. `public` is what the client reads; None hides the cause behind "Internal server error"."""

    message: str
    status: int = 500
    phrase: str = "Internal Server Error"
    reason: str = ""
    public: str | None = None
    source: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    origin: Origin | None = None
    detail: str = ""  # for the log and the trace only: why, and what to do

    def __str__(self) -> str:
        return self.message

    def last_error(self, elapsed_ms: int) -> LastError:
        at = self.origin
        return LastError(
            source=self.source or (at.source if at else "unknown"),
            reason=self.reason,
            message=self.message,
            scope=at.scope if at else "",
            section=at.section if at else "",
            path=at.path if at else "",
            policy_id=at.policy_id if at else "",
            elapsed=elapsed_ms,
            detail=self._why(),
        )

    def _why(self) -> str:
        """The detail, and where the policy stands that failed."""
        at = self.origin
        place = f"line {at.line} of {at.document}" if at is not None and at.line else ""
        if place and at is not None and at.document in self.detail:  # an expression knows better where it stands
            return self.detail
        return f"{self.detail} ({place})" if self.detail and place else self.detail or place

    def body(self, activity_id: str) -> bytes:
        """The JSON a client gets: APIM writes a space after `{` and before `}`."""
        if self.public is None:
            return (
                f'{{ "statusCode": {self.status}, "message": "Internal server error", "activityId": "{activity_id}" }}'
            ).encode()
        return f'{{ "statusCode": {self.status}, "message": {_json_string(self.public)} }}'.encode()


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class NotReady(GatewayError):
    def __init__(self) -> None:
        super().__init__(
            "No configuration has been received yet.",
            status=503,
            phrase="Service Unavailable",
            reason="ConfigurationNotLoaded",
            public="Service unavailable. The gateway has no configuration yet.",
            source="configuration",
        )


class Overloaded(GatewayError):
    """`detail` says of what there is not enough."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "The gateway is overloaded.",
            status=503,
            phrase="Service Unavailable",
            reason="GatewayOverloaded",
            public="Service unavailable. The gateway is overloaded; try again later.",
            source="configuration",
            headers=(("Retry-After", "5"),),
            detail=detail,
        )


class BadRequest(GatewayError):
    def __init__(self, message: str, status: int = 400, phrase: str = "Bad Request") -> None:
        super().__init__(message, status=status, phrase=phrase, reason="BadRequest", public=message, source="request")


class OperationNotFound(GatewayError):
    def __init__(self, detail: str = "") -> None:
        super().__init__(
            "Unable to match incoming request to an operation.",
            status=404,
            phrase="Resource Not Found",
            reason="OperationNotFound",
            public="Resource not found",
            source="configuration",
            detail=detail,
        )


class SubscriptionKeyMissing(GatewayError):
    def __init__(self, challenge: str, detail: str = "") -> None:
        super().__init__(
            ACCESS_DENIED_MISSING_KEY,
            status=401,
            phrase="Access Denied",
            reason="SubscriptionKeyNotFound",
            public=ACCESS_DENIED_MISSING_KEY,
            source="authorization",
            headers=(("WWW-Authenticate", challenge),),
            detail=detail,
        )


class SubscriptionKeyInvalid(GatewayError):
    def __init__(self, challenge: str, detail: str = "") -> None:
        super().__init__(
            ACCESS_DENIED_INVALID_KEY,
            status=401,
            phrase="Access Denied",
            reason="SubscriptionKeyInvalid",
            public=ACCESS_DENIED_INVALID_KEY,
            source="authorization",
            headers=(("WWW-Authenticate", challenge),),
            detail=detail,
        )


class PolicyRefused(GatewayError):
    """A policy refuses the request; `message` is also what the client reads."""

    def __init__(
        self,
        status: int,
        phrase: str,
        reason: str,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
        public: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(
            message,
            status=status,
            phrase=phrase,
            reason=reason,
            public=message if public is None else public,
            headers=headers,
            detail=detail,
        )


class ExpressionFailed(GatewayError):
    """An expression threw, or its value could not become what the attribute needs.

    `line` and `column` are those in the expression that was executed; `site` is where it stands, once it is known.
    """

    LONGEST_CODE = 160  # characters

    def __init__(self, message: str, detail: str = "", line: int = 1, column: int = 1) -> None:
        super().__init__(
            f"Expression evaluation failed. {message}", reason="ExpressionValueEvaluationFailure", detail=detail
        )
        self.line, self.column = line, column
        self.site: Site | None = None

    def found_at(self, site: Site) -> ExpressionFailed:
        """This error, whose detail says which expression of which document it was."""
        if self.site is None:
            self.site = site
            code = " ".join(site.code.split())
            code = code if len(code) <= self.LONGEST_CODE else f"{code[: self.LONGEST_CODE - 1]}…"
            place = site.place(self.line, self.column)
            self.detail = f"{self.detail} at {place} of {site.document}, in {site.path}: {code}"
        return self


class ConfigurationBroken(GatewayError):
    def __init__(self, detail: str) -> None:
        super().__init__(
            "The policy of this operation could not be compiled.",
            reason="PolicyCompilationFailure",
            source="configuration",
            detail=detail,
        )


class BodyTooLarge(GatewayError):
    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A policy needs the whole body, and it is larger than {limit} bytes.",
            status=413,
            phrase="Content Too Large",
            reason="BodyTooLarge",
            public=f"The body is larger than the {limit} bytes that a policy may buffer.",
        )


class BackendConnectionFailure(GatewayError):
    def __init__(self, message: str) -> None:
        super().__init__(message, reason="BackendConnectionFailure")


class BackendTimeout(GatewayError):
    def __init__(self, message: str) -> None:
        super().__init__(message, reason="Timeout")


class BackendErrorStatus(GatewayError):
    """Unlike other errors it keeps the response: on-error and the client see what the backend said."""

    def __init__(self, status: int, phrase: str) -> None:
        super().__init__(
            f"The backend answered with status {status}.", status=status, phrase=phrase, reason="BackendErrorStatusCode"
        )


class ClientConnectionFailure(GatewayError):
    def __init__(self, message: str) -> None:
        super().__init__(message, reason="ClientConnectionFailure", source="client")

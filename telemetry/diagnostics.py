"""What the configuration says of telemetry: loggers, and the diagnostics of the service and of single APIs.

The sidecar makes it of the resources (proxy/config/diagnostics.py) and tells its telemetry child whenever it changes;
there it is a `Directory`. Exporters whose destinations the configuration names ask that.

Rules
1. Plain named tuples, so that they cross the pipe as they are.
2. Credentials are in clear, with named values filled in. They are in no log and no environment, and no `repr` shows
   them.

https://learn.microsoft.com/rest/api/apimanagement/diagnostic/create-or-update
https://learn.microsoft.com/rest/api/apimanagement/logger/create-or-update
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from telemetry.frames import LOGGERS, pack, plain
from telemetry.records import RequestRecord

MASK, HIDE = "Mask", "Hide"


class Logger(NamedTuple):
    """`type` is applicationInsights, azureEventHub or azureMonitor; `credentials` are (name, value) pairs."""

    id: str
    type: str
    credentials: tuple[tuple[str, str], ...] = ()
    buffered: bool = True
    resource: str = ""  # the ARM id of what stands behind it

    def __repr__(self) -> str:
        return f"Logger({self.id!r}, {self.type!r})"


class Capture(NamedTuple):
    """What is written down of one message. `body` is bytes, 0 to 8192. Masks are (name in lower case or "*", mode)."""

    headers: tuple[str, ...] = ()
    body: int = 0
    masked_headers: tuple[tuple[str, str], ...] = ()
    masked_query: tuple[tuple[str, str], ...] = ()


class Diagnostic(NamedTuple):
    """What telemetry a logger gets of a request. `id` is applicationinsights, azuremonitor and the like, in lower case;
    `percentage` 0 to 100 of the requests; `correlation` None, Legacy or W3C; `verbosity` verbose, information or error;
    `operation_name` Name or Url; `metrics`: also what emit-metric says."""

    id: str
    logger: str
    percentage: float = 100.0
    always_log_errors: bool = False
    log_client_ip: bool = False
    correlation: str = "Legacy"
    verbosity: str = "information"
    operation_name: str = "Name"
    metrics: bool = False
    request: Capture = Capture()
    response: Capture = Capture()
    backend_request: Capture = Capture()
    backend_response: Capture = Capture()


class Applied(NamedTuple):
    """A diagnostic and its logger."""

    diagnostic: Diagnostic
    logger: Logger


def frame(
    loggers: Iterable[Logger],
    diagnostics: Iterable[Diagnostic],
    of_service: Sequence[int],
    of_apis: Iterable[tuple[tuple[str, str], Sequence[int]]],
    service: str = "",
) -> bytes:
    """What crosses the pipe: loggers, the different diagnostics, the indices of those of the service,
    ((api, revision), indices) of each API that has its own, and the service's name. Raises ValueError when it is too
    long for a frame."""
    return pack(LOGGERS, plain((tuple(loggers), tuple(diagnostics), tuple(of_service), tuple(of_apis), service)))


class Directory:
    """All loggers, and the diagnostics that a record falls under."""

    def __init__(self, content: Any = ((), (), (), (), "")) -> None:
        """`content` is that of a frame."""
        loggers, diagnostics, of_service, of_apis, self.service = content
        self.loggers: Mapping[str, Logger] = {each[0].lower(): Logger._make(each) for each in loggers}
        applied = [self._applied(each) for each in diagnostics]
        self._of_service = tuple(found for index in of_service if (found := applied[index]) is not None)
        self._of_apis = {
            tuple(api): tuple(found for index in indices if (found := applied[index]) is not None)
            for api, indices in of_apis
        }

    def of(self, record: RequestRecord) -> tuple[Applied, ...]:
        """Those of its API, else of the service; at most one of each id."""
        return self._of_apis.get((record.api_id, record.api_revision), self._of_service)

    def named(self, kind: str) -> list[Logger]:
        """The loggers of a type."""
        return [each for each in self.loggers.values() if each.type == kind]

    def _applied(self, values: Any) -> Applied | None:
        """None when its logger is not there."""
        made = Diagnostic._make(values)
        logger = self.loggers.get(made.logger.lower())
        if logger is None:
            return None
        captures = (made.request, made.response, made.backend_request, made.backend_response)
        request, response, backend_request, backend_response = map(Capture._make, captures)
        made = made._replace(
            request=request, response=response, backend_request=backend_request, backend_response=backend_response
        )
        return Applied(made, logger)


def connection_string(text: str) -> dict[str, str]:
    """`Key=Value;...` by key in lower case; of a key that stands there twice the last counts."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs if key.strip()}

"""Loggers and diagnostics: what is told to the telemetry child, and what of it the request path has to do.

Rules
1. A diagnostic of an API takes the place of the service's of the same name; all of it, not field by field.
2. Sampling, verbosity, masking and the like are the child's work. The request path has a `Plan` for what only it can
   do: correlation headers, and headers and bodies that are to be written down. Where it has nothing to do, it is None.
3. A diagnostic whose logger is not there or cannot be used tells nobody anything; that is an issue of one of the two.

https://learn.microsoft.com/azure/api-management/diagnostic-logs-reference
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.config.read import name_of
from proxy.config.resources import Api
from proxy.pipeline.source import substitute
from telemetry.diagnostics import HIDE, MASK, Capture, Diagnostic, Logger, connection_string, frame

APPLICATION_INSIGHTS = "applicationInsights"
MOST_BYTES = 8192  # of a body
CORRELATIONS = {"none": "None", "legacy": "Legacy", "w3c": "W3C"}

Body = Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Sight:
    """What is kept of one message: the values of these headers, the first `body` bytes."""

    headers: tuple[str, ...] = ()
    body: int = 0


UNSEEN = Sight()


@dataclass(slots=True, frozen=True)
class Plan:
    """What the request path does for telemetry, of all the diagnostics of an operation together.

    `correlation` is W3C, Legacy or None; `calls`: each call of a backend or a service is written down; `context` is the
    value of Request-Context, which tells the others who speaks.
    """

    correlation: str = "W3C"
    calls: bool = False
    context: str = ""
    request: Sight = UNSEEN
    response: Sight = UNSEEN
    backend_request: Sight = UNSEEN
    backend_response: Sight = UNSEEN


@dataclass(slots=True, frozen=True)
class Telling:
    """`frame` is for the telemetry child; `plans` by the key of an API that has its own, `plan` of all the others;
    `sends`: some diagnostic has a logger."""

    frame: bytes = field(default=frame((), (), (), ()), repr=False)
    plan: Plan | None = None
    plans: Mapping[str, Plan | None] = field(default_factory=dict)
    sends: bool = False

    def plan_of(self, api: Api | None) -> Plan | None:
        return self.plans.get(api.key, self.plan) if api is not None else self.plan


def logger(name: str, body: Body, named_values: Mapping[str, str]) -> Logger:
    """Raises ValueError for credentials that name an unknown named value, or cannot be used."""
    kind, credentials = str(body.get("loggerType") or ""), []
    for key, text in (body.get("credentials") or {}).items():
        filled = substitute(str(text or ""), named_values)
        if filled.unknown:
            raise ValueError(f"its {key} is the named value '{filled.unknown[0][1]}', which has no value here")
        credentials.append((key, filled.text))
    given = dict(credentials)
    if kind == APPLICATION_INSIGHTS and not (given.get("instrumentationKey") or _key(given)):
        raise ValueError("the credentials need an instrumentationKey, or a connectionString with an InstrumentationKey")
    resource = str(body.get("resourceId") or "")
    return Logger(name, kind, tuple(credentials), body.get("isBuffered") is not False, resource)


def _key(credentials: Mapping[str, str]) -> str:
    return connection_string(credentials.get("connectionString", "")).get("instrumentationkey", "")


def diagnostic(name: str, body: Body) -> Diagnostic:
    """Raises ValueError for what is not as the resource is documented."""
    sampling = body.get("sampling") or {}
    percentage = sampling.get("percentage")
    frontend, backend = body.get("frontend") or {}, body.get("backend") or {}
    return Diagnostic(
        id=name.lower(),
        logger=name_of(body.get("loggerId")),
        percentage=100.0 if percentage is None else min(max(float(percentage), 0.0), 100.0),
        always_log_errors=str(body.get("alwaysLog") or "").lower() == "allerrors",
        log_client_ip=bool(body.get("logClientIp")),
        correlation=CORRELATIONS.get(str(body.get("httpCorrelationProtocol") or "Legacy").lower(), "Legacy"),
        verbosity=str(body.get("verbosity") or "information").lower(),
        operation_name=str(body.get("operationNameFormat") or "Name").capitalize(),
        metrics=bool(body.get("metrics")),
        request=_capture(frontend.get("request")),
        response=_capture(frontend.get("response")),
        backend_request=_capture(backend.get("request")),
        backend_response=_capture(backend.get("response")),
    )


def _capture(body: Body | None) -> Capture:
    body = body or {}
    masking = body.get("dataMasking") or {}
    return Capture(
        headers=tuple(str(each) for each in body.get("headers") or ()),
        body=min(max(int((body.get("body") or {}).get("bytes") or 0), 0), MOST_BYTES),
        masked_headers=_masks(masking.get("headers")),
        masked_query=_masks(masking.get("queryParams")),
    )


def _masks(entries: Iterable[Body] | None) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(each["value"]).lower(), HIDE if str(each.get("mode") or MASK).lower() == "hide" else MASK)
        for each in entries or ()
        if each.get("value")
    )


def telling(
    diagnostics: Mapping[str, Diagnostic], loggers: Mapping[str, Logger], apis: Mapping[str, Api], name: str
) -> Telling:
    """`diagnostics` by resource id, `loggers` by name in lower case, `apis` by key, the service's name. Raises
    ValueError for too many."""
    of_service: dict[str, Diagnostic] = {}
    of_apis: dict[str, dict[str, Diagnostic]] = {}
    for resource_id, each in diagnostics.items():
        parts = resource_id.split("/")
        if len(parts) == 3:
            of_service[each.id] = each
        elif parts[2] in apis:
            of_apis.setdefault(parts[2], {})[each.id] = each
    indices: dict[Diagnostic, int] = {}

    def listed(found: Mapping[str, Diagnostic]) -> tuple[int, ...]:
        return tuple(indices.setdefault(each, len(indices)) for each in found.values())

    merged = {key: {**of_service, **own} for key, own in of_apis.items()}
    service = listed(of_service)
    with_own = [((apis[key].id, apis[key].revision), listed(found)) for key, found in merged.items()]
    return Telling(
        frame(loggers.values(), indices, service, with_own, name),
        plan(of_service.values(), loggers, name),
        {key: plan(found.values(), loggers, name) for key, found in merged.items()},
        any(each.logger.lower() in loggers for each in indices),
    )


def plan(diagnostics: Iterable[Diagnostic], loggers: Mapping[str, Logger], service: str) -> Plan | None:
    """What these ask of the request path; None for nothing."""
    used = [(each, found) for each in diagnostics if (found := loggers.get(each.logger.lower())) is not None]
    insights = [(each, found) for each, found in used if found.type == APPLICATION_INSIGHTS]
    seen = [each for each, _ in used]
    made = Plan(
        correlation=insights[0][0].correlation if insights else "W3C",
        calls=bool(insights),
        context=_context(insights[0][1], service) if insights else "",
        request=_sight(each.request for each in seen),
        response=_sight(each.response for each in seen),
        backend_request=_sight(each.backend_request for each in seen),
        backend_response=_sight(each.backend_response for each in seen),
    )
    return made if made != Plan() else None


def _context(found: Logger, service: str) -> str:
    """The id of the Application Insights resource where the connection string has it, else the service's name."""
    application = connection_string(dict(found.credentials).get("connectionString", "")).get("applicationid", "")
    text = f"appId=cid-v1:{application}" if application else f"roleName={service or 'passerelle'}"
    return text if text.isascii() and text.isprintable() else ""


def _sight(captures: Iterable[Capture]) -> Sight:
    every = list(captures)
    headers = {name.lower(): name for each in every for name in each.headers}
    made = Sight(tuple(headers.values()), max((each.body for each in every), default=0))
    return made if made != UNSEEN else UNSEEN

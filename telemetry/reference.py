"""docs/telemetry.md, made from what telemetry does: instruments say their names, units and dimensions, an encoded
request says its attributes, exporters say what they are; `words.py` has what fields mean and how to wire things.

    passerelle telemetry docs --out docs/telemetry.md
"""

from __future__ import annotations

import inspect
import os
import pkgutil
import re
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import orjson

from telemetry import exporters, gateway_logs, words
from telemetry.batch import Kinds
from telemetry.custom_metrics import CustomMetrics
from telemetry.diagnostics import Diagnostic
from telemetry.encode import sdk
from telemetry.encode.insights import InsightsEncoder
from telemetry.encode.rows import COLUMNS
from telemetry.exporters.prometheus import name as scraped
from telemetry.lane import Lane
from telemetry.metrics import Counter, Histogram, Metric, RequestMetrics
from telemetry.records import Captured, ErrorRecord, MetricRecord, RequestRecord, TraceRecord
from telemetry.settings import Resource
from telemetry.settings import metrics as metric_settings
from telemetry.state import GatewayMetrics, Limits, Standing
from telemetry.vitals import JournalCounts, process_metrics, telemetry_metrics

RESOURCE = Resource("sidecar-1", "edge", "west", 1)
SETTINGS = ("telemetry.", "observability.", "instance.id", "portal.traces.")  # rows of docs/settings.md
ERROR = ErrorRecord(1, "source", "reason", "message", "api", "inbound", "path", "id", "detail")
# A request of which everything is told: a method that nobody registered, an error, a trace, a metric, a backend.
SAMPLE = RequestRecord(
    1, 3.0, 2.0, 1.0, 1.0, "id", "0" * 31 + "1", "0" * 15 + "1", "0" * 15 + "2", "0" * 15 + "3", True, "BREW",
    "https://gateway/pot?size=1", "/pot", "gateway", "HTTP/1.1", "1.3", "10.0.0.1", 1, 500, 1, "GET",
    "https://backend/pot?size=1", "backend", 500, "HTTP/1.1", "hit", "api", "API", "1", "operation", "Operation",
    "product", "subscription", "user", ERROR, (ERROR,), (TraceRecord("source", "error", "said", ()),),
    (MetricRecord("namespace", "name", 1.0, ()),), Captured(api_type="http"),
)  # fmt: skip

HEAD = """# Telemetry

Made from the code by `make docs`; do not edit it. Settings are in [settings.md](settings.md#proxy-sidecar).

A sidecar hands each finished request to a process of its own, the telemetry child, and forgets it. The child adds up
metrics, writes records out once for each destination, and waits for destinations so that no request does. What cannot
be delivered is kept as far as its bounds go and counted when it is lost (`apim.telemetry.dropped`).

To look at it: [dashboards/](../dashboards) has Grafana dashboards, an Azure workbook and alert rules, and
[compose/compose.yaml](../compose/compose.yaml) brings a collector, a metrics store and Grafana up with them. Without
any of that, the portal's console shows the last hour by API, gateway and error, and single requests down to their
trace, from what sidecars tell the management plane ([reports.md](reports.md)).
"""
METRICS = """## Metrics

`telemetry.metrics.naming` chooses the sets: `azure`, `otel` or `both`; those named `apim.*` always come, those named
`process.*` with `observability.opentelemetry.system-metrics.enabled`. *Scraped as* is the name at
`telemetry.metrics.local.prometheus.endpoint`; receivers of OTLP that write names the Prometheus way make the same of
all but the Azure set, which they call `Requests_total`, `DurationInMs_milliseconds` and so on. All are cumulative since
the child started. An instrument has at most 2,000 series; what comes later is counted in one that is marked
`otel.metric.overflow`.
"""
LOGS = """## Request log

One entry per finished request, in the order below, on standard output (`telemetry.logs.std`), to local logs
(`telemetry.logs.local`), and as OTLP log records with the event name `GatewayLogs`, tied to the request's span. What
does not apply is left out. Times are whole milliseconds. In OTLP `lastError` is told as `lastError.reason` and the
like.
"""
ROWS = """## Rows of Log Analytics

The same in the columns of the table ApiManagementGatewayLogs ([azure-monitor.md](azure-monitor.md)).
"""
INSIGHTS = """## Application Insights

Custom dimensions and measurements of its items ([application-insights.md](application-insights.md)); beside them
`Request-<header>`, `Response-<header>`, `Request-Body` and `Response-Body` where a diagnostic asks for them, the
metadata of a `trace` policy, and the dimensions of custom metrics.
"""
SPANS = """## Spans

One of kind SERVER per request, and one of kind CLIENT below it where a backend was called; errors and `trace` policies
are events of the first. Ids are those of the W3C header `traceparent`, which the backend gets; a request whose client
says that it is not sampled has no span.
"""


@dataclass(slots=True, frozen=True)
class Declared:
    """One metric. `dimensions` are names of attributes, beside those of the resource."""

    metric: Metric
    dimensions: tuple[str, ...]


@dataclass(slots=True)
class Attributes:
    """Names of attributes, and where each is used."""

    used: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, names: Iterable[str]) -> None:
        for name in names:
            places = self.used.setdefault(name, [])
            if where not in places:
                places.append(where)


def declared() -> list[Declared]:
    """Every metric that a child may tell, in order."""
    settings = metric_settings({"telemetry.metrics.naming": "both"})
    requests, gateway, custom = RequestMetrics(settings), GatewayMetrics(1), CustomMetrics(1)
    gateway.standing = Standing(1, 1, 1.0)
    gateway.limits = Limits(True, 1, 0, 0, 0.001)
    batch = Kinds().batch([SAMPLE])
    for each in (requests, gateway, custom):
        each.add(batch, RESOURCE)
    lane = Lane("destination", lambda data, timeout: None)
    lane.dropped = Tally({"reason": 1})
    lane.finish(0.0)

    class One:
        lanes = (lane,)

    known = {each.name: each.dimensions for each in _instruments(requests, gateway)}
    metrics = [
        *requests.read(),
        *gateway.read(),
        *telemetry_metrics([One()], JournalCounts()),
        *process_metrics(os.getpid()),
    ]
    found = [Declared(metric, known.get(metric.name) or _labels(metric)) for metric in metrics]
    (emitted,) = custom.read()
    return [*found, Declared(emitted, _labels(emitted))]


def attributes() -> Attributes:
    """Of metrics, spans and the resource."""
    found = Attributes()
    for each in declared():
        found.add("metrics", each.dimensions)
    for span in sdk.spans(Kinds().batch([SAMPLE]), RESOURCE):
        found.add(f"{span.kind.name.lower()} span", span.attributes or ())
        for event in span.events:
            found.add("span event", event.attributes or ())
    found.add("resource", sdk.resource(RESOURCE).attributes)
    return found


def insights() -> dict[str, list[str]]:
    """Custom dimensions and measurements of Application Insights, each with the items that have it."""
    everything = Diagnostic("applicationinsights", "logger", verbosity="verbose")
    found: dict[str, list[str]] = {}
    for data in InsightsEncoder("key", "service").envelopes(SAMPLE, everything, RESOURCE):
        item = orjson.loads(data)
        held = item["data"]["baseData"]
        for name in (*held.get("properties", {}), *held.get("measurements", {})):
            found.setdefault(name, []).append(item["name"].rsplit(".", 1)[-1])
    return found


def column(name: str) -> tuple[str, str]:
    """Unit and meaning of a column of Log Analytics."""
    if name in words.COLUMN:
        return "", words.COLUMN[name]
    error = name.removeprefix("LastError")
    return words.ERROR[error.lower()] if error != name else words.LOG[name[0].lower() + name[1:]]


def destinations() -> list[ModuleType]:
    """The exporters' modules, in the order of their words."""
    found = {each.name for each in pkgutil.iter_modules(exporters.__path__)}
    order = [*(name for name in words.WIRING if name in found), *sorted(found - words.WIRING.keys())]
    return [import_module(f"{exporters.__name__}.{name}") for name in order]


def page(settings: str = "") -> str:
    """The page; `settings` is the text of docs/settings.md, whose rows about telemetry are shown."""
    lines = [HEAD, "## Destinations", ""]
    for module in destinations():
        name = module.__name__.rsplit(".", 1)[-1]
        lines += [f"### {name.replace('_', ' ').capitalize()}", "", _described(module), "", words.WIRING[name], ""]
    lines += [METRICS, "| metric | scraped as | kind | unit | dimensions | meaning |", "|---|---|---|---|---|---|"]
    lines += map(_metric_row, declared())
    lines += ["", "### Attributes", "", "| name | of | meaning |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {', '.join(places)} | {words.ATTRIBUTES[name]} |"
        for name, places in sorted(attributes().used.items())
    ]
    lines += ["", LOGS, "| field | unit | meaning |", "|---|---|---|"]
    lines += [_row(name, *words.LOG[name]) for name in gateway_logs.ORDER]
    lines += ["", "### Errors", "", "| field | unit | meaning |", "|---|---|---|"]
    lines += [_row(name, *words.ERROR[name]) for name in gateway_logs.error(ERROR)]
    lines += ["", ROWS, "| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {' | '.join(column(name))} |" for name, kind in COLUMNS.items()]
    lines += ["", INSIGHTS, "| name | of | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {', '.join(of)} | {words.INSIGHTS[name]} |" for name, of in sorted(insights().items())]
    lines += ["", SPANS]
    rows = [row for row in settings.splitlines() if row.startswith("| `") and _about(row)]
    if rows:
        lines += ["## Settings", "", "| setting | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _about(row: str) -> bool:
    """Whether a row of settings is about telemetry."""
    return row.removeprefix("| `").startswith(SETTINGS)


def _metric_row(declared: Declared) -> str:
    metric = declared.metric
    dimensions = ", ".join(f"`{name}`" for name in declared.dimensions)
    if metric.name == "name":  # of a policy
        return f"| *a policy's* | the same | {metric.kind} | | {dimensions}, the policy's own | {metric.description} |"
    cells = (f"`{metric.name}`", f"`{scraped(metric)}`", metric.kind, metric.unit, dimensions, metric.description)
    return f"| {' | '.join(cells)} |"


def _row(name: str, unit: str, meaning: str) -> str:
    return f"| `{name}` | {unit} | {meaning} |"


def _described(module: Any) -> str:
    """What the module says of itself, with the values of its constants in place of their names."""

    def value(found: re.Match[str]) -> str:
        held = getattr(module, found[1], None)
        return f"{held:,}" if isinstance(held, int | float) else found[0]

    return re.sub(r"`([A-Z][A-Z_]+)`", value, inspect.cleandoc(module.__doc__ or ""))


def _instruments(*several: object) -> Iterator[Counter | Histogram]:
    for each in several:
        yield from (value for value in vars(each).values() if isinstance(value, Counter | Histogram))


def _labels(metric: Metric) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for point in metric.points:
        names |= dict.fromkeys(name for name, _ in point.labels)
    return tuple(names)

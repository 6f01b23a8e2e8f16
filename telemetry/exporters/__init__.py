"""Where telemetry goes: one file per destination, and this index of them.

To add one: write a file with a function `from_settings(settings, resource) -> Exporter | None` (None when the settings
do not ask for it), add it to `FACTORIES`, describe its settings in docs/settings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Protocol, runtime_checkable

from telemetry.batch import Batch
from telemetry.diagnostics import Directory
from telemetry.exporters import (
    application_insights,
    datagram,
    event_hubs,
    local,
    monitor_logs,
    monitor_metrics,
    otlp,
    prometheus,
    statsd,
)
from telemetry.lane import Lane
from telemetry.metrics import Metric
from telemetry.records import EventRecord
from telemetry.settings import Resource


class Exporter(Protocol):
    """Called by the child's one thread; no method may wait for the destination (that is what a `Lane` is for).

    One that collects records before it puts them into its lanes has `waiting`, how many of the last ones it holds:
    until they are in a lane they stay on the trail (`recovery.py`).

    There is no `close`: the child drains the lanes and then leaves all at once.
    """

    @property
    def lanes(self) -> Sequence[Lane]:
        """Its queues, for the counters and for the end."""

    def records(self, batch: Batch, resource: Resource) -> None:
        """A batch of finished requests, at most 512: a list of RequestRecord, without secrets in URLs; who writes much
        per record can keep what its `kinds` decide. To see them as a Sequence[RequestRecord] is enough for most."""

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Called once per metrics interval with everything there is, and a last time at the end."""

    def tick(self, resource: Resource) -> None:
        """Called at least every second: send what was collected."""


@runtime_checkable
class Directed(Protocol):
    """An exporter whose destinations the configuration names: it is told them when there are any, and when they change.

    Lanes of destinations that are gone stay until they are empty.
    """

    def direct(self, directory: Directory) -> None: ...


@runtime_checkable
class Eventful(Protocol):
    """An exporter that takes what policies want said, beside what is recorded of requests."""

    @property
    def holds(self) -> bool:
        """Is some of it in no lane yet?"""

    def events(self, events: Iterable[EventRecord]) -> None: ...

    def flush(self) -> None: ...


@runtime_checkable
class Holding(Protocol):
    """An exporter that holds something back for longer than a metrics interval: told to let go of it at the end."""

    def flush(self) -> None: ...


@runtime_checkable
class Drafting(Protocol):
    """An exporter whose metrics are cumulative and kept on disk."""

    def draft(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Called about every second: keep what a child that is killed before the next `metrics` would have said."""


Factory = Callable[[Mapping[str, str], Callable[[], list[Metric]]], Exporter | None]


def _loaded_for(setting: str, module: str) -> Factory:
    """A factory whose module, and the SDK with it, is only loaded where the setting is there."""

    def factory(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> Exporter | None:
        if not settings.get(setting, "").strip():
            return None
        made: Exporter | None = import_module(f"telemetry.exporters.{module}").from_settings(settings, read)
        return made

    factory.__module__ = f"{__name__}.{module}"
    return factory


FACTORIES: tuple[Factory, ...] = (
    local.from_settings,
    datagram.from_settings,
    otlp.from_settings,
    prometheus.from_settings,
    statsd.from_settings,
    monitor_logs.from_settings,
    monitor_metrics.from_settings,
    event_hubs.from_settings,
    application_insights.from_settings,
    _loaded_for("observability.opentelemetry.exporter", "official"),
    _loaded_for("telemetry.metrics.sdk", "sdk_metrics"),
)

"""A request's log line from a template of its kind: what `lines.py` makes of `gateway_logs.py`, for less work.

The fields of a kind are written once; the others are put into their places. Whatever is out of the ordinary (errors,
traces, characters that must be escaped) goes the long way, so that there is one way only to write it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from telemetry import gateway_logs
from telemetry.batch import Batch, Kind
from telemetry.lines import json_line, text_line, timestamp
from telemetry.records import RequestRecord, places

# The fields that each request has for itself, in the order of a line; the values below are in this order.
OWN = tuple(name for name in gateway_logs.ORDER if name in {
    "totalTime", "callerIpAddress", "timeGenerated", "correlationId", "url", "responseSize", "backendTime", "cacheTime",
    "requestSize", "userId", "apimSubscriptionId", "clientTime", "backendUrl",
})  # fmt: skip
NUMBERS = frozenset({"totalTime", "responseSize", "backendTime", "cacheTime", "requestSize", "clientTime"})
HOLE = "\ue000"  # a character of private use: around a name, where a value goes

_own = itemgetter(
    *places(
        "start_ns",
        "total_ms",
        "backend_ms",
        "cache_ms",
        "client_ms",
        "client_ip",
        "correlation_id",
        "url",
        "response_size",
        "request_size",
        "user_id",
        "subscription_id",
        "backend_method",
        "backend_url",
        "last_error",
        "errors",
        "traces",
    )
)


class RequestLines:
    """Lines of one shape. One thread uses it."""

    def __init__(self, shape: str, color: bool = False) -> None:
        self._json = shape == "json"
        self._color = color
        self._region = ""
        self._made = object()  # the key of templates that have this region

    def lines(self, batch: Batch, region: str) -> list[str]:
        """One of each record, without the line break."""
        if region != self._region:
            self._region, self._made = region, object()
        made = self._made
        found: list[str] = []
        for record, kind in zip(batch, batch.kinds, strict=True):
            (
                start, total, backend, cache, client, address, correlation, url, sent, received, user, subscription,
                backend_method, backend_url, error, errors, traces,
            ) = _own(record)  # fmt: skip
            said = f"{address}{correlation}{url}{user}{subscription}{backend_url}"
            if error or errors or traces or not said.isprintable() or (self._json and ('"' in said or "\\" in said)):
                found.append(self.line(record, region))
                continue
            when = timestamp((start + int(total * 1e6)) // 1_000_000 / 1000)
            values: tuple[Any, ...] = (
                round(total),
                address,
                when,
                correlation,
                url,
                sent,
                round(backend) if backend_method or backend_url else "",
                round(cache) or "",
                received,
                user,
                subscription,
                round(client),
                backend_url,
            )
            present = [value != "" for value in values]
            templates = kind.made.get(made)
            if templates is None:
                templates = kind.made[made] = {}
            key = tuple(present)
            template = templates.get(key)
            if template is None:
                names = {name for name, there in zip(OWN, present, strict=True) if there}
                template = templates[key] = self._template(kind, names, region)
            found.append(template % (when, *[value for value in values if value != ""]))
        return found

    def line(self, record: RequestRecord, region: str) -> str:
        """The long way."""
        when = timestamp(gateway_logs.finished(record))
        fields = gateway_logs.fields(record, region)
        if self._json:
            return json_line("Info", when, gateway_logs.EVENT, fields)
        return text_line("Info", when, gateway_logs.EVENT, fields, self._color)

    def _template(self, kind: Kind, names: set[str], region: str) -> str:
        """A line to be completed with `%`: when it was, and the values of the fields in `names`."""
        shared = gateway_logs.shared(kind.record, region)
        fields: dict[str, Any] = {}
        for name in gateway_logs.ORDER:
            if name in names:
                fields[name] = f"{HOLE}{name}{HOLE}"
            elif shared.get(name, "") != "":
                fields[name] = shared[name]
        if self._json:
            text = json_line("Info", HOLE, gateway_logs.EVENT, fields)
        else:
            text = text_line("Info", HOLE, gateway_logs.EVENT, fields, self._color)
        text = text.replace("%", "%%").replace(HOLE, "%s", 1)
        for name in names:
            hole = f"{HOLE}{name}{HOLE}"
            text = text.replace(f'"{hole}"' if self._json and name in NUMBERS else hole, "%s")
        return text

"""A finished trace as JSON, in the shape that `listTrace` answers: entries by section, each with source, time and data.

https://learn.microsoft.com/rest/api/apimanagement/gateway/list-trace
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from proxy.errors import LastError
from proxy.hiding import HIDDEN
from proxy.messages import Url
from proxy.pipeline.registry import BACKEND, INBOUND, ON_ERROR, OUTBOUND, SECTIONS
from proxy.tracing.changes import Change
from proxy.tracing.recorder import Call, Entry, Recorder

if TYPE_CHECKING:
    from proxy.exchange import Exchange

Json = dict[str, Any]
TICKS = 10_000  # of 100 ns in a millisecond
INSPECTOR = "api-inspector"


def document(
    trace_id: str, recorder: Recorder, exchange: Exchange, head: tuple[str, str, list[tuple[str, str]]], sent: Json
) -> Json:
    """`head` is the request as it came, masked: method, URL, headers; `sent` is what is told of the response."""
    write = _Writer(exchange.timestamp)
    method, url, headers = head
    write.entry(INBOUND, INSPECTOR, 0.0, {"request": {"method": method, "url": url, "headers": _headers(headers)}})
    if exchange.api is not None:
        write.entry(INBOUND, INSPECTOR, 0.0, {"configuration": _configuration(exchange)})
    if exchange.api is not None and not _refused_key(exchange):
        write.entry(INBOUND, "authorization", 0.0, {"message": _admitted(exchange)})
    for error in exchange.errors:
        write.entry(ON_ERROR, error.source, float(error.elapsed), _error(error, recorder))
    for entry in recorder.entries:
        write.policy(entry)
    if recorder.left_out:
        message = f"{recorder.left_out} more steps or texts were left out: the trace is full."
        write.entry(OUTBOUND, INSPECTOR, recorder.elapsed(), {"message": message})
    write.entry(OUTBOUND, "transfer-response", recorder.elapsed(), sent)
    return {
        "serviceName": exchange.deployment.service_name,
        "traceId": trace_id,
        "requestId": str(exchange.request_id),
        "gatewayId": exchange.deployment.gateway_id,
        "instanceId": exchange.deployment.instance_id,
        "traceEntries": {name: write.sections[name] for name in SECTIONS if write.sections[name]},
    }


class _Writer:
    def __init__(self, began: datetime.datetime) -> None:
        self._began = began
        self.sections: dict[str, list[Json]] = {name: [] for name in SECTIONS}

    def entry(self, section: str, source: str, elapsed: float, data: Json) -> None:
        at = self._began + datetime.timedelta(milliseconds=elapsed)
        self.sections.setdefault(section, []).append(
            {
                "source": source,
                "timestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z",
                "elapsed": time_span(elapsed),
                "data": data,
            }
        )

    def policy(self, entry: Entry) -> None:
        """The entry of one step, and those of the requests that it made and the messages that it left."""
        section, calls = entry.section, [call for call in entry.calls if call.kind in ("request", "errand")]
        self.entry(section, entry.policy, entry.began, _step(entry))
        for call in calls:
            at = BACKEND if entry.policy == "forward-request" else section
            self.entry(at, entry.policy, call.began, {"message": _sending(entry, call), "request": _request(call)})
            self.entry(at, entry.policy, call.began + call.milliseconds, _answer(call))
        for message in entry.messages:
            data: Json = {"message": message.text, "severity": message.severity}
            if message.metadata:
                data["metadata"] = message.metadata
            self.entry(section, message.source, entry.began + entry.milliseconds, data)


def time_span(milliseconds: float) -> str:
    """As .NET writes a TimeSpan: hh:mm:ss.fffffff."""
    ticks = max(round(milliseconds * TICKS), 0)
    seconds, ticks = divmod(ticks, 1000 * TICKS)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ticks:07d}"


def _headers(headers: list[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]


def _configuration(exchange: Exchange) -> Json:
    api, operation, product, user = exchange.api, exchange.operation, exchange.product, exchange.user
    assert api is not None
    found: Json = {
        "api": {
            "id": api.id,
            "name": api.name,
            "from": f"/{api.path.strip('/')}",
            "to": _target(api.service_url),
            "version": api.version or None,
            "revision": api.revision,
        },
        "operation": None,
        "user": user.id if user else "-",
        "product": product.id if product else "-",
        "subscription": exchange.subscription.id if exchange.subscription else "-",
    }
    if operation is not None:
        found["operation"] = {
            "id": operation.id,
            "method": operation.method,
            "uriTemplate": operation.url_template,
            "parameters": dict(exchange.matched_parameters),
        }
    return found


def _target(service_url: str) -> Json | None:
    url = Url.parse(service_url) if service_url else None
    if url is None:
        return None
    query = dict.fromkeys(url.query_values(), HIDDEN)
    default = {"http": 80, "https": 443}.get(url.scheme) == url.port
    return {
        "scheme": url.scheme,
        "host": url.host,
        "port": url.port,
        "path": url.path,
        "query": query,
        "isDefaultPort": default,
    }


def _refused_key(exchange: Exchange) -> bool:
    return any(error.source in ("authorization", "configuration") and not error.path for error in exchange.errors)


def _admitted(exchange: Exchange) -> str:
    subscription, product, api = exchange.subscription, exchange.product, exchange.api
    assert api is not None
    if subscription is not None:
        return (
            f"Subscription '{subscription.id}' ({subscription.state}, scope {subscription.scope}) admits the request."
        )
    if product is not None:
        return f"No key was sent: product '{product.id}' needs no subscription and holds the API."
    if api.subscription_required:
        return "A CORS preflight needs no key."
    return "No key was sent: the API needs no subscription."


def _error(error: LastError, recorder: Recorder) -> Json:
    data = {
        "message": recorder.kept(error.message),
        "reason": error.reason,
        "detail": recorder.kept(error.detail),
        "scope": error.scope,
        "section": error.section,
        "path": error.path,
    }
    return {name: value for name, value in data.items() if value}


def _step(entry: Entry) -> Json:
    data: Json = {
        "message": [told(change) for change in entry.changes],
        "scope": entry.scope,
        "path": entry.path,
        "line": entry.line,
        "document": entry.document,
        "duration": time_span(entry.milliseconds),
    }
    if entry.depth:
        data["depth"] = entry.depth
    if entry.evaluations:
        data["expressions"] = [
            {
                "expression": each.code,
                "line": each.line,
                "column": each.column,
                "error" if each.failed else "value": each.value,
            }
            for each in entry.evaluations
        ]
    if reads := [each for each in entry.calls if each.kind not in ("request", "errand")]:
        data["reads"] = [
            {"source": call.kind, "asked": call.asked, "answer": call.answer, "duration": time_span(call.milliseconds)}
            for call in reads
        ]
    if entry.changes:
        data["changes"] = [{"what": each.what, "before": each.before, "after": each.after} for each in entry.changes]
    if entry.outcome:
        data["message"].append(f"The policy {entry.outcome}.")
    if entry.error:
        data["error"] = entry.error
    return data


def told(change: Change) -> str:
    if change.before is None:
        return f"{change.what} was set to {change.after}"
    if change.after is None:
        return f"{change.what} was removed; it was {change.before}"
    return f"{change.what} was changed from {change.before} to {change.after}"


def _sending(entry: Entry, call: Call) -> str:
    if entry.policy == "forward-request":
        return "Request is being forwarded to the backend service."
    return "Request is being sent." if call.kind == "request" else "Request is sent without waiting for its answer."


def _request(call: Call) -> Json:
    method, _, url = call.asked.partition(" ")
    return {"method": method, "url": url, "headers": _headers(call.sent)}


def _answer(call: Call) -> Json:
    if not call.status:
        return {"message": call.answer, "duration": time_span(call.milliseconds)}
    reason = call.answer.partition(" ")[2]
    return {
        "response": {"status": {"code": call.status, "reason": reason}, "headers": _headers(call.received)},
        "duration": time_span(call.milliseconds),
    }

"""Writes the Grafana dashboards: python -m dashboards.build (or make dashboards). A test holds the files to this
script, and another one runs every query of theirs against a metrics store.

    grafana/gateways.json  traffic, errors, latency, limits, cache, configuration, telemetry
    grafana/azure.json     the same in the metrics of the gateway we replace, for `telemetry.metrics.naming` azure
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from dashboards.panels import azure, lines, number, rows, variable

FOLDER = Path(__file__).parent / "grafana"

GATEWAY = 'apim_gateway_id=~"$gateway"'
HERE = f'{GATEWAY}, apim_api_id=~"$api"'
SERVER = "http_server_request_duration_seconds"
CLIENT = "http_client_request_duration_seconds"
FAILED = 'http_response_status_code=~"5..|"'  # a client that went away got no status
REFUSED = 'http_response_status_code=~"4.."'
LIMITS = 'apim_last_error_source=~"rate-limit.*|quota.*|limit-concurrency|.*token-limit"'


def rate(metric: str, *matchers: str) -> str:
    return f"rate({metric}{{{', '.join(matchers)}}}[$__rate_interval])"


def by(labels: str, expression: str) -> str:
    return f"sum by ({labels}) ({expression})"


def ratio(part: str, whole: str) -> str:
    """0 where the part is not there."""
    return f"(({part}) or 0 * ({whole})) / ({whole})"


def quantile(share: float, histogram: str, labels: str = "", *matchers: str) -> str:
    names = ", ".join(filter(None, ("le", labels)))
    return f"histogram_quantile({share}, {by(names, rate(f'{histogram}_bucket', HERE, *matchers))})"


def mean(name: str) -> str:
    """Milliseconds of a histogram of the Azure set."""
    total, count = (
        f"sum(rate({{{azure(name, suffix)}, {GATEWAY}}}[$__rate_interval]))" for suffix in ("_sum", "_count")
    )
    return f"{total} / {count}"


def share_of_all(name: str) -> str:
    """Milliseconds of this part in the average request, whether the request had it or not."""
    total = f"sum(rate({{{azure(name, '_sum')}, {GATEWAY}}}[$__rate_interval]))"
    count = f"sum(rate({{{azure('DurationInMs', '_count')}, {GATEWAY}}}[$__rate_interval]))"
    return f"{total} / {count}"


ALL = by("", rate(f"{SERVER}_count", HERE)).replace("sum by ()", "sum")
ALL_FAILED = ALL.replace(HERE, f"{HERE}, {FAILED}")
ALL_REFUSED = ALL.replace(HERE, f"{HERE}, {REFUSED}")
PER_API = by("apim_api_id", rate(f"{SERVER}_count", HERE))


def gateways() -> Dashboard:
    board = (
        _board("passerelle-gateways", "Passerelle: gateways", "What the gateways do, from all APIs down to one.")
        .with_variable(variable("gateway", "Gateway", "label_values(apim_config_version, apim_gateway_id)"))
        .with_variable(variable("api", "API", f"label_values({SERVER}_count, apim_api_id)"))
    )
    board = (
        board.with_row(Row("Now"))
        .with_panel(number("Requests", "Requests per second.", "reqps", ALL))
        .with_panel(
            number("Failed", "5xx, and clients that went away.", "percentunit", ratio(ALL_FAILED, ALL), bad_from=0.01)
        )
        .with_panel(number("Refused", "4xx.", "percentunit", ratio(ALL_REFUSED, ALL)))
        .with_panel(number("95 of 100", "As long or shorter took 95 of 100 requests.", "s", quantile(0.95, SERVER)))
        .with_panel(
            number(
                "Behind by",
                "The longest time for which a sidecar has not heard that its configuration is the newest.",
                "s",
                f"max(apim_config_lag_seconds{{{GATEWAY}}})",
                bad_from=300,
            )
        )
        .with_panel(
            number(
                "Telemetry lost",
                "Items per second that reached no destination.",
                "short",
                f"sum({rate('apim_telemetry_dropped_total', GATEWAY)})",
                bad_from=0.001,
            )
        )
    )
    board = (
        board.with_row(Row("Traffic"))
        .with_panel(lines("Requests by API", "Per second.", "reqps", ("{{apim_api_id}}", PER_API), stacked=True))
        .with_panel(
            lines(
                "Requests by status",
                "Per second; empty is a client that went away.",
                "reqps",
                ("{{http_response_status_code}}", by("http_response_status_code", rate(f"{SERVER}_count", HERE))),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Requests by sidecar",
                "Per second: whether the load is spread evenly.",
                "reqps",
                (
                    "{{apim_gateway_id}} {{service_instance_id}}",
                    by("apim_gateway_id, service_instance_id", rate(f"{SERVER}_count", HERE)),
                ),
            )
        )
        .with_panel(
            lines(
                "Requests by product",
                "Per second; empty is a request without a product.",
                "reqps",
                ("{{apim_product_id}}", by("apim_product_id", rate(f"{SERVER}_count", HERE))),
            )
        )
    )
    board = (
        board.with_row(Row("Errors"))
        .with_panel(
            lines(
                "Failed by API",
                "Share of requests that ended with 5xx or without an answer.",
                "percentunit",
                (
                    "{{apim_api_id}}",
                    ratio(by("apim_api_id", rate(f"{SERVER}_count", HERE, FAILED)), PER_API),
                ),
            )
        )
        .with_panel(
            lines(
                "Errors by reason",
                "Per second; the reason is that of LastError.",
                "reqps",
                (
                    "{{apim_last_error_reason}}",
                    by("apim_last_error_reason", rate("apim_request_errors_total", HERE)),
                ),
                stacked=True,
            )
        )
        .with_panel(
            rows(
                "Errors",
                "The most frequent ones of the time that is shown.",
                "topk(25, sum by (apim_api_id, apim_last_error_source, apim_last_error_reason, "
                f"http_response_status_code) (increase(apim_request_errors_total{{{HERE}}}[$__range])))",
                width=24,
                names={
                    "apim_api_id": "API",
                    "apim_last_error_source": "Raised by",
                    "apim_last_error_reason": "Reason",
                    "http_response_status_code": "Status",
                    "Value": "Requests",
                },
            )
        )
    )
    board = (
        board.with_row(Row("Latency"))
        .with_panel(
            lines(
                "Duration",
                "From the first byte received to the last byte sent.",
                "s",
                *((f"{share:.0%} of requests", quantile(share, SERVER)) for share in (0.5, 0.95, 0.99)),
            )
        )
        .with_panel(
            lines(
                "Where the time goes",
                "The average request: in the gateway itself, with the backend, with the client. From the Azure set of "
                "metrics, for all APIs.",
                "ms",
                ("gateway", share_of_all("GatewayDurationInMs")),
                ("backend", share_of_all("BackendDurationInMs")),
                ("client", share_of_all("ClientDurationInMs")),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Duration by API",
                "95 of 100 requests are shorter.",
                "s",
                ("{{apim_api_id}}", quantile(0.95, SERVER, "apim_api_id")),
            )
        )
        .with_panel(
            lines(
                "Duration by backend",
                "95 of 100 calls are shorter.",
                "s",
                ("{{server_address}}", quantile(0.95, CLIENT, "server_address")),
            )
        )
    )
    board = (
        board.with_row(Row("Limits and quotas"))
        .with_panel(
            lines(
                "Refused by limit",
                "Per second, by the policy that refused.",
                "reqps",
                (
                    "{{apim_last_error_source}}: {{apim_last_error_reason}}",
                    by(
                        "apim_last_error_source, apim_last_error_reason",
                        rate("apim_request_errors_total", HERE, LIMITS),
                    ),
                ),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Refused by limit, by API",
                "Share of its requests.",
                "percentunit",
                (
                    "{{apim_api_id}}",
                    ratio(by("apim_api_id", rate("apim_request_errors_total", HERE, LIMITS)), PER_API),
                ),
            )
        )
    )
    asked = by("apim_api_id", rate("apim_cache_requests_total", HERE))
    hits = by("apim_api_id", rate("apim_cache_requests_total", HERE, 'apim_cache="hit"'))
    board = (
        board.with_row(Row("Cache"))
        .with_panel(
            lines(
                "Hits",
                "Share of the requests that asked the response cache.",
                "percentunit",
                ("{{apim_api_id}}", ratio(hits, asked)),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Requests that asked the cache",
                "Per second.",
                "reqps",
                ("{{apim_cache}}", by("apim_cache", rate("apim_cache_requests_total", HERE))),
                stacked=True,
            )
        )
    )
    sidecar = "{{apim_gateway_id}} {{service_instance_id}}"
    board = (
        board.with_row(Row("Configuration"))
        .with_panel(
            lines(
                "Revision in force",
                "Of each sidecar; they are one line when all hold the same.",
                "none",
                (sidecar, f"max by (apim_gateway_id, service_instance_id) (apim_config_version{{{GATEWAY}}})"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Lag",
                "Time since the plane last said that this is the newest: it grows while plane or agent are away.",
                "s",
                (sidecar, f"max by (apim_gateway_id, service_instance_id) (apim_config_lag_seconds{{{GATEWAY}}})"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Behind its agent",
                "Revisions that the agent has and the sidecar has not.",
                "none",
                (sidecar, f"max by (apim_gateway_id, service_instance_id) (apim_config_behind{{{GATEWAY}}})"),
                width=8,
            )
        )
    )
    return (
        board.with_row(Row("Telemetry"))
        .with_panel(
            lines(
                "Records and what became of them",
                "Per second: handed over by sidecars, delivered and lost by destination.",
                "short",
                ("handed over", f"sum({rate('apim_telemetry_received_total', GATEWAY)})"),
                ("to {{destination}}", by("destination", rate("apim_telemetry_exported_total", GATEWAY))),
                (
                    "lost for {{destination}}: {{reason}}",
                    by("destination, reason", rate("apim_telemetry_dropped_total", GATEWAY)),
                ),
            )
        )
        .with_panel(
            lines(
                "Waiting",
                "Items in memory, by destination.",
                "short",
                ("{{destination}}", by("destination", f"apim_telemetry_queued{{{GATEWAY}}}")),
            )
        )
        .with_panel(
            lines(
                "Telemetry children replaced",
                "Since their sidecar began.",
                "none",
                (
                    sidecar,
                    f"max by (apim_gateway_id, service_instance_id) (apim_telemetry_respawned_total{{{GATEWAY}}})",
                ),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Processor",
                "Of one processor, by sidecar; with observability.opentelemetry.system-metrics.enabled.",
                "percentunit",
                (
                    sidecar,
                    by("apim_gateway_id, service_instance_id", rate("process_cpu_time_seconds_total", GATEWAY)),
                ),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident, by sidecar; with observability.opentelemetry.system-metrics.enabled.",
                "bytes",
                (sidecar, f"max by (apim_gateway_id, service_instance_id) (process_memory_usage_bytes{{{GATEWAY}}})"),
                width=8,
            )
        )
    )


def azure_names() -> Dashboard:
    requests = f"{{{azure('Requests', '(_total)?')}, {GATEWAY}}}[$__rate_interval]"
    board = _board(
        "passerelle-azure",
        "Passerelle: metrics of the self-hosted gateway",
        "The metrics that Azure's self-hosted gateway has, under their own names.",
    ).with_variable(
        variable("gateway", "Gateway", f"label_values({{{azure('Requests', '(_total)?')}}}, apim_gateway_id)")
    )

    def requests_by(title: str, label: str) -> None:
        board.with_panel(
            lines(
                title,
                "Requests per second.",
                "reqps",
                (f"{{{{{label}}}}}", by(label, f"rate({requests})")),
                stacked=True,
            )
        )

    requests_by("By status", "Status")
    requests_by("By response code", "ResponseCode")
    requests_by("By backend response code", "BackendResponseCode")
    requests_by("By last error", "LastErrorReason")
    requests_by("By host name", "Hostname")
    requests_by("By cache", "Cache")
    for title, name in (
        ("Duration", "DurationInMs"),
        ("Backend", "BackendDurationInMs"),
        ("Client", "ClientDurationInMs"),
        ("Gateway", "GatewayDurationInMs"),
    ):
        buckets = f"sum by (le) (rate({{{azure(name, '_bucket')}, {GATEWAY}}}[$__rate_interval]))"
        board.with_panel(
            lines(
                title,
                "Milliseconds.",
                "ms",
                ("average", mean(name)),
                ("95 of 100", f"histogram_quantile(0.95, {buckets})"),
            )
        )
    return board


def _board(uid: str, title: str, description: str) -> Dashboard:
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["passerelle"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Metrics").type("prometheus"))
    )


BOARDS = {"gateways.json": gateways, "azure.json": azure_names}


def text(name: str) -> str:
    """What the file holds."""
    document = json.loads(json.dumps(BOARDS[name]().build(), cls=JSONEncoder))
    for at, panel in enumerate(document["panels"]):
        panel["id"] = at + 1
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in BOARDS:
        (FOLDER / name).write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()

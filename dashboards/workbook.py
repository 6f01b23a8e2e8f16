"""Writes the Azure workbook: python -m dashboards.workbook (or make dashboards). A test holds the file to this script,
and another one has every query read by Microsoft's own Kusto language service against the tables' documented columns.

It asks one Log Analytics workspace: the request logs that the gateways send there, and, for configuration and
telemetry, the metrics that an OpenTelemetry collector sends to the Application Insights of that workspace.
https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-overview
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "azure" / "workbook.json"

WORKSPACES = "microsoft.operationalinsights/workspaces"
# item types of a notebook
TEXT, QUERY, PARAMETERS = 1, 3, 9

Item = dict[str, Any]

SPANS = (30, 60, 240, 1440, 10080)  # minutes

REQUESTS = """{Table}
| where ApiId in ({Apis}) or '*' in ({Apis})"""
METRICS = """AppMetrics
| extend Gateway = tostring(Properties['apim.gateway.id']), Sidecar = coalesce(AppRoleInstance, '')"""
LIMITS = "LastErrorSource has_any ('rate-limit', 'quota', 'limit-concurrency', 'token-limit')"
GRAIN = "bin(TimeGenerated, {TimeRange:grain})"


def chart(title: str, look: str, query: str, width: int = 50) -> Item:
    """`look` is a visualization: timechart, areachart, table, ..."""
    return {
        "type": QUERY,
        "name": title,
        "customWidth": str(width),
        "content": {
            "version": "KqlItem/1.0",
            "query": query,
            "size": 0,
            "title": title,
            "timeContextFromParameter": "TimeRange",
            "queryType": 0,
            "resourceType": WORKSPACES,
            "crossComponentResources": ["{Workspace}"],
            "visualization": look,
        },
    }


def heading(words: str) -> Item:
    return {"type": TEXT, "name": f"heading: {words}", "content": {"json": f"## {words}"}}


def note(name: str, words: str) -> Item:
    return {"type": TEXT, "name": name, "content": {"json": words, "style": "info"}}


def parameters() -> Item:
    def parameter(id: str, name: str, label: str, type: int, **more: Any) -> Item:
        return {"id": id, "version": "KqlParameterItem/1.0", "name": name, "label": label, "type": type, **more}

    apis = "{Table}\n| where isnotempty(ApiId)\n| distinct ApiId\n| order by ApiId asc"
    return {
        "type": PARAMETERS,
        "name": "parameters",
        "content": {
            "version": "KqlParameterItem/1.0",
            "crossComponentResources": ["{Workspace}"],
            "parameters": [
                parameter(
                    "8b6f3c1e-52a5-4d3b-9f6e-0d3c5b7a1e01", "Workspace", "Workspace", 5,
                    isRequired=True, typeSettings={"resourceTypeFilter": {WORKSPACES: True}},
                ),
                parameter(
                    "8b6f3c1e-52a5-4d3b-9f6e-0d3c5b7a1e02", "TimeRange", "Time", 4,
                    isRequired=True, value={"durationMs": 3_600_000},
                    typeSettings={"selectableValues": [{"durationMs": each * 60_000} for each in SPANS]},
                ),
                parameter(
                    "8b6f3c1e-52a5-4d3b-9f6e-0d3c5b7a1e03", "Table", "Table of request logs", 1,
                    isRequired=True, value="ApiManagementGatewayLogs_CL",
                    description="That of the data collection rule; ApiManagementGatewayLogs for Azure's own gateways.",
                ),
                parameter(
                    "8b6f3c1e-52a5-4d3b-9f6e-0d3c5b7a1e04", "Apis", "APIs", 2,
                    isRequired=True, multiSelect=True, quote="'", delimiter=",", value=["value::all"], query=apis,
                    queryType=0, resourceType=WORKSPACES, timeContextFromParameter="TimeRange",
                    typeSettings={"additionalResourceOptions": ["value::all"], "selectAllValue": "*"},
                ),
            ],
            "style": "pills",
            "queryType": 0,
            "resourceType": WORKSPACES,
        },
    }  # fmt: skip


def items() -> list[Item]:
    return [
        {"type": TEXT, "name": "title", "content": {"json": "# Passerelle gateways"}},
        parameters(),
        heading("Traffic"),
        chart(
            "Requests by API",
            "areachart",
            f"{REQUESTS}\n| summarize Requests = count() by ApiId, {GRAIN}",
        ),
        chart(
            "Requests by status",
            "areachart",
            f"{REQUESTS}\n| extend Status = strcat(tostring(ResponseCode / 100), 'xx')\n"
            f"| summarize Requests = count() by Status, {GRAIN}",
        ),
        chart(
            "APIs",
            "table",
            f"""{REQUESTS}
| summarize Requests = count(), Failed = countif(ResponseCode >= 500 or ResponseCode == 0),
    Refused = countif(ResponseCode between (400 .. 499)), Average = round(avg(TotalTime), 1),
    P95 = percentile(TotalTime, 95), Backend = round(avg(BackendTime), 1), Client = round(avg(ClientTime), 1)
    by ApiId
| order by Requests desc""",
            100,
        ),
        heading("Errors"),
        chart(
            "Errors by reason",
            "areachart",
            f"{REQUESTS}\n| where isnotempty(LastErrorReason)\n"
            f"| summarize Requests = count() by LastErrorReason, {GRAIN}",
        ),
        chart(
            "Failed, per cent",
            "timechart",
            f"{REQUESTS}\n| summarize Failed = 100.0 * countif(ResponseCode >= 500 or ResponseCode == 0) / count()"
            f" by ApiId, {GRAIN}",
        ),
        chart(
            "Errors",
            "table",
            f"""{REQUESTS}
| where not(IsRequestSuccess)
| summarize Requests = count(), Last = max(TimeGenerated), Message = take_any(LastErrorMessage)
    by ApiId, ResponseCode, LastErrorSource, LastErrorReason, LastErrorSection
| order by Requests desc""",
            100,
        ),
        chart(
            "The last that did not go well",
            "table",
            f"""{REQUESTS}
| where not(IsRequestSuccess)
| top 50 by TimeGenerated desc
| project TimeGenerated, ApiId, OperationId, Method, Url, ResponseCode, BackendResponseCode, TotalTime,
    LastErrorReason, LastErrorMessage, Region, CorrelationId""",
            100,
        ),
        heading("Latency"),
        chart(
            "Where the time goes, milliseconds",
            "areachart",
            f"""{REQUESTS}
| summarize Backend = avg(BackendTime), Client = avg(ClientTime),
    Gateway = avg(max_of(TotalTime - BackendTime - ClientTime, long(0))) by {GRAIN}""",
        ),
        chart(
            "Duration, milliseconds",
            "timechart",
            f"""{REQUESTS}
| summarize P50 = percentile(TotalTime, 50), P95 = percentile(TotalTime, 95), P99 = percentile(TotalTime, 99)
    by {GRAIN}""",
        ),
        heading("Limits, quotas and cache"),
        chart(
            "Refused by limits",
            "areachart",
            f"{REQUESTS}\n| where {LIMITS}\n| summarize Requests = count() by LastErrorSource, {GRAIN}",
        ),
        chart(
            "Cache hits, per cent of the requests that asked it",
            "timechart",
            f"""{REQUESTS}
| where Cache in ('hit', 'miss')
| summarize Hits = 100.0 * countif(Cache == 'hit') / count() by ApiId, {GRAIN}""",
        ),
        heading("Configuration and telemetry"),
        note(
            "where from",
            "These come from the gateways' OpenTelemetry metrics: have a collector send them to the Application "
            "Insights of this workspace.",
        ),
        chart(
            "Revision in force",
            "timechart",
            f"{METRICS}\n| where Name == 'apim.config.version'\n| summarize max(Max) by Gateway, Sidecar, {GRAIN}",
        ),
        chart(
            "Lag, seconds",
            "timechart",
            f"{METRICS}\n| where Name == 'apim.config.lag'\n| summarize max(Max) by Gateway, Sidecar, {GRAIN}",
        ),
        chart(
            "Telemetry lost",
            "timechart",
            f"""{METRICS}
| where Name == 'apim.telemetry.dropped'
| summarize Items = max(Max) - min(Min) by Gateway, Sidecar, Destination = tostring(Properties['destination']),
    Reason = tostring(Properties['reason']), {GRAIN}""",
        ),
        chart(
            "Telemetry that waits",
            "timechart",
            f"""{METRICS}
| where Name == 'apim.telemetry.queued'
| summarize Items = max(Max) by Gateway, Destination = tostring(Properties['destination']), {GRAIN}""",
        ),
    ]


def text() -> str:
    """What the file holds."""
    notebook = {
        "version": "Notebook/1.0",
        "items": items(),
        "fallbackResourceIds": [],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()

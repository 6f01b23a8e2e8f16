"""The Azure workbook: the file is what the script writes, its items are whole, and Microsoft's Kusto language service
finds nothing wrong with any of its queries. The service is an npm package; without node and npm this part is skipped.

Columns: https://learn.microsoft.com/azure/azure-monitor/reference/tables/apimanagementgatewaylogs and .../appmetrics
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dashboards import workbook
from telemetry import gateway_logs
from tests.dashboards.install import FOLDER

HERE = Path(__file__).parent
NOTEBOOK = json.loads(workbook.FILE.read_text(encoding="utf-8"))
GATEWAY_LOGS = (
    "string: ApiId ApimSubscriptionId ApiRevision BackendId BackendMethod BackendProtocol BackendRequestBody "
    "BackendResponseBody BackendUrl Cache CallerIpAddress Category ClientProtocol ClientTlsVersion CorrelationId "
    "LastErrorMessage LastErrorReason LastErrorScope LastErrorSection LastErrorSource Method OperationId OperationName "
    "ProductId Region RequestBody ResponseBody SourceSystem TenantId Type Url UserId WorkspaceId; "
    "int: BackendResponseCode RequestSize ResponseCode ResponseSize; "
    "long: BackendTime CacheTime ClientTime LastErrorElapsed TotalTime; bool: IsRequestSuccess IsTraceRequested; "
    "dynamic: BackendRequestHeaders BackendResponseHeaders Errors RequestHeaders ResponseHeaders TraceRecords; "
    "datetime: TimeGenerated Timestamp"
)
APP_METRICS = (
    "string: AppRoleInstance AppRoleName AppVersion Name OperationId OperationName SDKVersion Type; int: ItemCount; "
    "real: Max Min Sum; dynamic: Properties; datetime: TimeGenerated"
)


def schema(columns: str) -> str:
    """(a:string, b:int) of "string: a; int: b"."""
    kinds = (kind.split(":") for kind in columns.split(";"))
    return "(" + ", ".join(f"{name}:{kind.strip()}" for kind, names in kinds for name in names.split()) + ")"


TABLES = {"ApiManagementGatewayLogs_CL": schema(GATEWAY_LOGS), "AppMetrics": schema(APP_METRICS)}


def queries() -> dict[str, str]:
    """By title, with what a workbook puts in place of its parameters."""
    found = {item["name"]: item["content"]["query"] for item in NOTEBOOK["items"] if item["type"] == workbook.QUERY}
    for item in NOTEBOOK["items"]:
        if item["type"] == workbook.PARAMETERS:
            found |= {each["name"]: each["query"] for each in item["content"]["parameters"] if "query" in each}
    return {name: filled(query) for name, query in found.items()}


def filled(query: str) -> str:
    for name, value in {
        "{Table}": "ApiManagementGatewayLogs_CL",
        "{Apis}": "'shop','pay'",
        "{TimeRange:grain}": "5m",
    }.items():
        query = query.replace(name, value)
    assert not re.search(r"\{[A-Z]", query), query
    return query


def read(asked: list[str]) -> list[list[str]]:
    """What is wrong with each, as Microsoft's service has it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("the queries are read by an npm package, and there is no node or npm: install nodejs and npm")
    folder = FOLDER / "kusto"
    if not (folder / "node_modules" / "@kusto").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if made.returncode:
            pytest.skip(f"@kusto/language-service-next could not be had: {made.stderr[-300:]}")
    ran = subprocess.run(
        ["node", str(HERE / "kusto.cjs"), str(folder)],
        input=json.dumps({"tables": TABLES, "queries": asked}),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: list[list[str]] = json.loads(ran.stdout)
    return found


def test_the_file_is_what_the_script_writes() -> None:
    assert workbook.FILE.read_text(encoding="utf-8") == workbook.text(), "run make dashboards"


def test_items_are_whole() -> None:
    assert NOTEBOOK["version"] == "Notebook/1.0"
    names = [item["name"] for item in NOTEBOOK["items"]]
    assert len(set(names)) == len(names)
    defined = {
        each["name"]
        for item in NOTEBOOK["items"] if item["type"] == workbook.PARAMETERS
        for each in item["content"]["parameters"]
    }  # fmt: skip
    for item in NOTEBOOK["items"]:
        asked = set(re.findall(r"\{([A-Z]\w*)(?::\w+)?\}", json.dumps(item)))
        assert asked <= defined, (item["name"], asked)
        if item["type"] == workbook.QUERY:
            content: dict[str, Any] = item["content"]
            assert content["timeContextFromParameter"] in defined
            assert content["visualization"] in ("areachart", "timechart", "table")


def test_microsofts_parser_finds_nothing_wrong() -> None:
    asked = queries()
    *found, control = read([*asked.values(), "ApiManagementGatewayLogs_CL | where ResponsCode == 1"])
    assert dict(zip(asked, found, strict=True)) == {name: [] for name in asked}
    assert control, "a misspelt column has to be found"


def test_columns_are_those_of_our_rows() -> None:
    """What a workbook asks for is what a gateway tells: the log's fields, in the table's spelling."""
    ours = {name[0].upper() + name[1:] for name in gateway_logs.ORDER}
    ours |= {f"LastError{name}" for name in ("Elapsed", "Source", "Scope", "Section", "Reason", "Message")}
    columns = set(re.findall(r"(\w+):", TABLES["ApiManagementGatewayLogs_CL"]))
    asked = {
        word
        for name, query in queries().items()
        for word in re.findall(r"\b[A-Z]\w+\b", query)
        if not query.startswith("AppMetrics") and word in columns
    }
    assert len(asked) > 15
    assert asked <= ours, asked - ours
